"""Whoever fills a hole is not shown what was in it: else the baseline that copies would win by the answer."""

from dataclasses import replace

import numpy as np
import pytest

from cimgen_qt.core.blend import BlendMode, BlendSettings
from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.evaluation.blindfold import NEUTRAL, hidden
from cimgen_qt.evaluation.held_out import Case, Way, fill
from cimgen_qt.generators import open_generator
from tests.evaluation.grounds import PALETTE, case

WAYS = [
    (model, alone) for model in ("flat", "exemplar") for alone in (False, True) if (model, alone) != ("exemplar", True)
]


def with_other_truth(case: Case) -> Case:
    photo = case.ground.photo.copy()
    photo[case.hole] = np.random.default_rng(9).integers(0, 256, photo[case.hole].shape, dtype=np.uint8)
    return replace(case, ground=replace(case.ground, photo=photo))


@pytest.mark.parametrize("mode", list(BlendMode))
@pytest.mark.parametrize(("model", "alone"), WAYS)
def test_what_was_in_the_hole_changes_nothing_of_what_is_made(model: str, alone: bool, mode: BlendMode) -> None:
    generator = open_generator(model, PALETTE, "cpu")
    way = Way("way", model, BlendSettings(mode=mode, colour_match=mode is BlendMode.MEMBRANE), alone)
    one, other = (run_inline(fill(c, way, generator)) for c in (case(), with_other_truth(case())))
    generator.close()
    assert np.array_equal(one.picture, other.picture) != np.array_equal(one.picture, case().ground.photo)


@pytest.mark.parametrize(("model", "alone"), WAYS)
def test_no_pixel_outside_the_hole_changes(model: str, alone: bool) -> None:
    generator = open_generator(model, PALETTE, "cpu")
    made = run_inline(fill(case(), Way("way", model, BlendSettings(), alone), generator))
    generator.close()
    outside = ~case().hole
    assert np.array_equal(made.picture[outside], case().ground.photo[outside])


def test_a_way_that_needs_a_photo_says_so_when_it_is_shown_none() -> None:
    generator = open_generator("exemplar", PALETTE, "cpu")
    with pytest.raises(ModelError, match="no valid pixel"):
        run_inline(fill(case(), Way("copy", "exemplar", BlendSettings(), alone=True), generator))
    generator.close()


def test_hidden_ground_keeps_what_is_outside_and_holds_colours_from_there() -> None:
    there = case()
    shown = hidden(there.ground, there.hole).photo
    assert np.array_equal(shown[~there.hole], there.ground.photo[~there.hole])
    assert np.array_equal(shown[60, 41], there.ground.photo[60, 39])
    assert (hidden(there.ground, np.ones_like(there.hole)).photo == NEUTRAL).all()
