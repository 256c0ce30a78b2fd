"""A checkpoint and the names of its classes are enough to paint with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.generators import catalog, open_generator
from cimgen_qt.generators.card_file import card_text, load_card, parse_card
from cimgen_qt.generators.checkpoints import draft_card
from cimgen_qt.generators.encode import Fit
from cimgen_qt.generators.feeding import Feeding
from cimgen_qt.networks.architecture import Architecture
from tests.generators.checkpoint_nets import SMALL, contrasting
from tests.generators.nets import COLOURS
from tests.generators.test_torch_backend import PALETTE, scene


def checkpoint(folder: Path, architecture: Architecture) -> Path:
    path = folder / "latest_net_G.pth"
    torch.save(contrasting(architecture).state_dict(), path)
    return path


@pytest.mark.parametrize("inputs", [3, 4])
def test_a_drafted_card_opens_and_paints_without_a_warning(tmp_path: Path, inputs: int) -> None:
    path = checkpoint(tmp_path, Architecture("resnet", inputs, 3, 4, down=3, blocks=1))
    card = draft_card(path, list(COLOURS), "unknown", "streets", 0.3)
    card.path.write_text(card_text(card), "utf-8")
    assert load_card(card.path) == card
    assert [group.group for group in card.inputs] == ["labels-onehot", "edges"][: inputs - 2]
    assert (card.stride, card.halo % 8, card.unfit, card.metres_per_pixel) == (8, 0, "", 0.3)
    generator = open_generator(str(card.path), PALETTE, "cpu")
    ground = scene()
    warnings = run_inline(generator.prepare(ground))
    assert all("resolution" in warning for warning in warnings)
    (pixels,) = run_inline(generator.generate([ground.request(Window(0, 0, 256, 256))]))
    assert pixels.std() > 5
    assert pixels.dtype == np.uint8


def test_another_number_of_classes_is_refused_with_what_it_takes(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="takes 4 channels, and 7 classes were named") as caught:
        draft_card(checkpoint(tmp_path, SMALL), [str(n) for n in range(7)], "unknown")
    assert "Name 4 classes, or 3" in caught.value.hint


def test_discriminators_and_other_files_get_no_card(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="judges pictures"):
        draft_card(checkpoint(tmp_path, Architecture("patchgan", 3, 1, 2, down=3)), ["a", "b", "c"], "unknown")
    with pytest.raises(ModelError, match="is no checkpoint"):
        draft_card(tmp_path / "net.onnx", ["a"], "unknown")


def test_bands_that_nobody_can_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="makes 5 bands"):
        draft_card(checkpoint(tmp_path, Architecture("resnet", 3, 5, 2, blocks=1)), ["a", "b", "c"], "unknown")


def test_a_checkpoint_joins_the_listed_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path / "user"))
    card = draft_card(checkpoint(tmp_path, SMALL), list(COLOURS), "unknown", "streets")
    card.path.write_text(card_text(card), "utf-8")
    entry = catalog.add(card.path)
    assert (entry.name, entry.problem) == ("streets", "")
    assert catalog.verify(catalog.model_card("streets")) == []
    assert open_generator("streets", PALETTE, "cpu").spec.sha256 == card.sha256


def test_a_network_that_takes_a_coloured_map_sees_the_colours(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, Architecture("resnet", 3, 3, 4, down=2, blocks=1))
    card = draft_card(path, COLOURS, "unknown", "streets")
    card.path.write_text(card_text(card), "utf-8")
    assert load_card(card.path) == card
    generator = open_generator(str(card.path), PALETTE, "cpu")
    ground = scene()
    assert run_inline(generator.prepare(ground)) == ()
    request = ground.request(Window(0, 0, 64, 64))
    fed = Feeding.of(card, ground).feed([request], [Fit.of(request, 4)])["map"][0]
    for name, colour in COLOURS.items():
        there = ground.labels[:64, :64] == PALETTE.find(name).id
        assert np.allclose((fed[:, there].T + 1) * 127.5, colour, atol=1e-4)
    (pixels,) = run_inline(generator.generate([request]))
    assert pixels.std() > 5


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("colour = [90, 90, 95]", "colour = [90, 90]", "classes[1].colour has to be three whole numbers"),
        ("colour = [90, 90, 95]\n", "", "is labels-colour, and road has no colour"),
        ('unknown = "water"\n', "", "so `unknown` has to name the class"),
        ("channels = 3", "channels = 4", "has to be 3 for labels-colour"),
    ],
)
def test_coloured_maps_need_colours(tmp_path: Path, old: str, new: str, fault: str) -> None:
    text = card_text(draft_card(checkpoint(tmp_path, Architecture("resnet", 3, 3, 4, blocks=1)), COLOURS, "unknown"))
    assert old in text
    with pytest.raises(ModelError) as caught:
        parse_card(text.replace(old, new, 1), tmp_path / "card.toml")
    assert fault in caught.value.message


def test_colours_for_a_network_of_other_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="takes 4 channels, and a picture of the map has 3"):
        draft_card(checkpoint(tmp_path, SMALL), COLOURS, "unknown")
