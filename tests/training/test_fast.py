"""The recipe of FastCUT, step by step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.training.coloured import as_picture
from cimgen_qt.training.recipes.fast import FastOptions, FastRecipe, encoded
from tests.training.stepping import (
    CLASSES,
    CPU,
    advance,
    batch_of,
    everything,
    fresh,
    gradient_is_true,
    resumed_is_uninterrupted,
    same,
)

TINY = {"ngf": 4, "ndf": 4, "n_blocks": 1, "layers": (0, 4, 7, 10), "patches": 32, "width": 16}


def recipe(**options: object) -> Callable[[], FastRecipe]:
    return lambda: FastRecipe(FastOptions(**(TINY | options)), CLASSES, CPU)  # type: ignore[arg-type]


def test_twenty_steps_under_one_seed_are_the_same_twice() -> None:
    runs = [advance(fresh(recipe()), 0, 20, 20) for _ in range(2)]
    assert runs[0] == runs[1]
    assert advance(fresh(recipe(), seed=2), 0, 20, 20) != runs[0]


def test_a_resumed_run_is_an_uninterrupted_one(tmp_path: Path) -> None:
    assert resumed_is_uninterrupted(recipe(), 3, 8, tmp_path)


def test_patches_come_to_resemble_their_own_places() -> None:
    curve = [losses["NCE"] for losses in advance(fresh(recipe(rate=2e-3, flip=False)), 0, 40, 40)]
    assert sum(curve[-5:]) < 0.9 * sum(curve[:5])


def test_what_was_made_of_a_mirrored_map_is_mirrored_back_before_it_is_compared() -> None:
    made = fresh(recipe(layers=(0,)))
    batch = batch_of(2)
    drawn = as_picture(batch.onehot, made.colours)
    losses = []
    for picture, flipped in ((batch.image, False), (batch.image.flip(3), True), (batch.image.flip(3), False)):
        torch.manual_seed(0)
        losses.append(float(made._contrast(drawn, picture, flipped).detach()))
    assert losses[0] == losses[1] != losses[2]


def test_half_of_the_maps_are_mirrored_and_none_if_not_wanted() -> None:
    seen: list[torch.Tensor] = []
    for flip in (True, False):
        made = fresh(recipe(flip=flip))
        made.generator.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        advance(made, 0, 20, 20)
    straight = [torch.equal(given, as_picture(batch_of(k % 20).onehot, made.colours)) for k, given in enumerate(seen)]
    assert 4 < sum(straight[:20]) < 16 and all(straight[20:])


def test_the_keys_of_the_map_hold_still() -> None:
    """Without a gradient through the photo nothing is left to learn from."""
    made = fresh(recipe())
    batch = batch_of(0)
    with torch.no_grad():
        drawn = as_picture(batch.onehot, made.colours).requires_grad_()
    made._contrast(drawn, made.generator(drawn.detach()), False).backward()
    assert drawn.grad is None


def test_features_are_those_on_the_way_through_the_generator() -> None:
    made = fresh(recipe())
    x = torch.rand(1, 3, 32, 32)
    found = encoded(made.generator, x, (0, 4, 10))
    assert [f.shape[1] for f in found] == [3, 8, 16]
    assert torch.equal(made.generator.model[11:](found[2]), made.generator(x))


@pytest.mark.parametrize("layers", [(0, 11), (4, 0), (0, 0), ()])
def test_layers_that_the_first_half_lacks_are_told(layers: tuple[int, ...]) -> None:
    with pytest.raises(CimgenError, match="first half") as caught:
        recipe(layers=layers)()
    assert "10" in caught.value.hint


def test_looking_changes_nothing() -> None:
    made = fresh(recipe())
    before = everything(made)
    assert made.judge(batch_of(3))["held_out"] > 0
    assert same(everything(made), before)


@pytest.mark.parametrize(("name", "channels"), [("generator", 3), ("discriminator", 3)])
def test_gradients_are_true_with_one_sample_a_batch(name: str, channels: int) -> None:
    assert gradient_is_true(fresh(recipe()).modules()[name], channels)
