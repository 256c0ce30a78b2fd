"""Networks of PyTorch's as generators: proven weights, the same pixels, tiles that agree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cimgen_qt.core.blend import BlendMode, BlendSettings
from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import Generator, Request
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.palette import DEFAULT_PALETTE, Palette, SemanticClass
from cimgen_qt.core.render import PristineView, render
from cimgen_qt.core.scope import changed_scope
from cimgen_qt.generators import open_generator
from cimgen_qt.generators.cards import CardInput, CardOutput
from cimgen_qt.generators.devices import Choice
from cimgen_qt.generators.encode import edges, one_hot
from cimgen_qt.generators.torch_backend import Torch
from cimgen_qt.generators.torch_devices import choose, exact
from cimgen_qt.networks.architecture import Architecture
from cimgen_qt.networks.build import build
from tests.generators.checkpoint_nets import RGB, SMALL, contrasting, torch_card
from tests.generators.nets import COLOURS
from tests.generators.scenes import MemoryScene
from tests.rasters import MemoryReader, noise, project_over

SIDE = 256
WHOLE = Window(0, 0, SIDE, SIDE)
PALETTE = Palette(tuple(c for c in DEFAULT_PALETTE if c.name in COLOURS), "three")
IDS = [PALETTE.find(name).id for name in COLOURS]


def scene(side: int = SIDE) -> MemoryScene:
    """Blocks of three classes; a rectangle in the middle is repainted."""
    classes = np.array(IDS, np.uint8)[np.random.default_rng(1).integers(0, 3, (side // 16, side // 16))]
    classes = np.kron(classes, np.ones((16, 16), np.uint8))
    edited = classes.copy()
    edited[side // 4 : side // 2, side // 4 : side // 2] = IDS[2]
    return MemoryScene(noise(side, side), classes, edited, palette=PALETTE)


def made(generator: Generator, ground: MemoryScene, *windows: Window) -> list[np.ndarray]:
    return run_inline(generator.generate([ground.request(window) for window in windows]))


def prepared(generator: Generator, ground: MemoryScene) -> tuple[str, ...]:
    return run_inline(generator.prepare(ground))


def test_it_paints_what_the_network_paints(tmp_path: Path) -> None:
    generator = Torch(torch_card(tmp_path, statistics="tile"), Choice("cpu"))
    ground = scene()
    prepared(generator, ground)
    (pixels,) = made(generator, ground, WHOLE)
    indices = np.searchsorted(IDS, ground.labels, sorter=np.argsort(IDS))
    indices = np.argsort(IDS)[indices].astype(np.int32)
    x = np.concatenate([one_hot(indices, 3), edges(indices)[None]])[None].astype(np.float32)
    with torch.inference_mode():
        wanted = contrasting(SMALL)(torch.from_numpy(x))[0].numpy()
    levels = np.moveaxis(np.clip((wanted + 1) / 2, 0, 1) * 255, 0, 2)
    assert np.abs(pixels - levels).max() <= 0.51
    assert levels.std() > 5


def test_spec_tells_where_and_with_what(tmp_path: Path) -> None:
    card = torch_card(tmp_path)
    spec = open_generator(str(card.path), DEFAULT_PALETTE, "cpu").spec
    assert (spec.name, spec.sha256, spec.device, spec.stride, spec.halo) == ("small", card.sha256, "cpu", 4, 24)


def overlap(generator: Generator, ground: MemoryScene) -> tuple[np.ndarray, np.ndarray]:
    """What two tiles make of the ground that both see with a full halo."""
    first, second = made(generator, ground, Window(0, 0, 160, 160), Window(32, 64, 160, 160))
    return first[56:136, 88:136], second[24:104, 24:72]


def test_overlapping_tiles_agree_to_the_last_level(tmp_path: Path) -> None:
    generator = Torch(torch_card(tmp_path), Choice("cpu"))
    ground = scene()
    assert prepared(generator, ground) == ()
    common, other = overlap(generator, ground)
    assert np.array_equal(common, other)
    assert common.std() > 5


def test_overlapping_tiles_differ_where_each_is_normalised_by_itself(tmp_path: Path) -> None:
    generator = Torch(torch_card(tmp_path, statistics="tile"), Choice("cpu"))
    ground = scene()
    assert prepared(generator, ground) == ("small normalises each tile by itself: tiles may differ in tone",)
    common, other = overlap(generator, ground)
    assert not np.array_equal(common, other)


def test_the_spec_tells_where_statistics_come_from_and_that_tiles_may_be_cut(tmp_path: Path) -> None:
    generator = Torch(torch_card(tmp_path), Choice("cpu"))
    assert (generator.spec.exact, generator.spec.statistics) == (False, "")
    prepared(generator, scene())
    assert generator.spec.exact
    assert "112 x 112 pixels" in generator.spec.statistics
    for changes in ({"statistics": "tile"}, {"halo": 8}):
        generator = Torch(torch_card(tmp_path, **changes), Choice("cpu"))
        prepared(generator, scene())
        assert not generator.spec.exact


def test_statistics_are_those_of_the_unedited_scene(tmp_path: Path) -> None:
    generator = Torch(torch_card(tmp_path), Choice("cpu"))
    ground = scene()
    prepared(generator, ground)
    before = made(generator, ground, WHOLE)[0]
    ground.labels[200:230, 10:60] = IDS[0]
    prepared(generator, ground)
    after = made(generator, ground, WHOLE)[0]
    assert np.array_equal(before[:170], after[:170])
    assert not np.array_equal(before, after)


def test_another_scene_is_measured_anew(tmp_path: Path) -> None:
    generator = Torch(torch_card(tmp_path), Choice("cpu"))
    first, second = scene(), scene()
    second.map[:] = IDS[0]
    prepared(generator, first)
    before = made(generator, first, WHOLE)[0]
    prepared(generator, second)
    assert not np.array_equal(made(generator, first, WHOLE)[0], before)
    prepared(generator, first)
    assert np.array_equal(made(generator, first, WHOLE)[0], before)


@pytest.mark.parametrize("tile", [64, 48])
def test_a_rendered_area_equals_one_pass_over_the_whole_scene(tmp_path: Path, tile: int) -> None:
    """But for rounding: convolutions add up in another order at another size, which moves a value in thousands."""
    classes = np.kron(np.random.default_rng(4).integers(0, 3, (10, 10)), np.ones((32, 32))).astype(np.int64)
    ground = project_over(tmp_path / "p.cimgen", MemoryReader(noise(320, 320)), np.array(IDS, np.uint8)[classes])
    ground.paint(Edit(Rectangle(30, 40, 150, 170), IDS[1]))
    snapshot = ground.snapshot()
    generator = open_generator(str(torch_card(tmp_path, tile=tile).path), snapshot.palette, "cpu")
    scope = changed_scope(snapshot)
    rendered = run_inline(render(snapshot, scope, generator, 1, BlendSettings(BlendMode.REPLACE)))
    assert rendered.tiles > 8
    view, whole = PristineView(snapshot, scope), Window(0, 0, 320, 320)
    photo, labels, mask = view.read_photo(whole), view.read_labels(whole), view.read_scope(whole)
    (wanted,) = run_inline(generator.generate([Request(whole, labels, photo, mask, view.read_valid(whole), 1)]))
    for patch in rendered.patches:
        differs = np.abs(patch.pixels[patch.mask].astype(int) - wanted[patch.window.slices()][patch.mask])
        assert differs.max() <= 1
        assert (differs > 0).mean() < 1e-3
    ground.project.close()


def test_a_halo_shorter_than_the_reach_is_told(tmp_path: Path) -> None:
    (warning,) = prepared(Torch(torch_card(tmp_path, halo=8), Choice("cpu")), scene())
    assert "sees 8 pixels round a tile and looks 20 far" in warning


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture("resnet", 4, 3, 2, down=3, blocks=1, norm="batch"),
        Architecture("local", 4, 3, 2, down=1, blocks=1, blocks_local=1),
        Architecture("unet", 4, 3, 2, down=5),
    ],
    ids=lambda a: a.kind,
)
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_every_kind_of_network_paints(tmp_path: Path, architecture: Architecture, ending: str) -> None:
    if ending == ".safetensors":
        save_file(contrasting(architecture).state_dict(), tmp_path / "net.safetensors")
    generator = Torch(torch_card(tmp_path, architecture, f"net{ending}", halo=96, stride=32, tile=64), Choice("cpu"))
    ground = scene()
    assert prepared(generator, ground) == ()
    first, again = made(generator, ground, Window(3, 5, 100, 90), Window(3, 5, 100, 90))
    assert first.shape == (100, 90, 3)
    assert np.array_equal(first, again)


def test_a_card_that_names_the_network_is_held_to_it(tmp_path: Path) -> None:
    Torch(torch_card(tmp_path, network=SMALL), Choice("cpu"))
    with pytest.raises(ModelError, match=r"does not fit the network that its card describes: model\.1\.weight"):
        Torch(torch_card(tmp_path, network=Architecture("resnet", 4, 3, 8, down=2, blocks=1)), Choice("cpu"))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"inputs": (CardInput("labels-onehot", "x", 3),)}, "takes 4 channels, the card gives it 3"),
        ({"stride": 2}, "wants a stride of 4, the card says 2"),
        ({"output": CardOutput("y", ("red",), (-1.0, 1.0))}, "makes 3 bands, the card names 1"),
        ({"layout": "nhwc"}, "nchw"),
        ({"inputs": (CardInput("labels-onehot", "x", 3), CardInput("edges", "e", 1))}, "same `graph`"),
    ],
)
def test_cards_that_differ_from_the_network_are_refused(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ModelError) as caught:
        Torch(torch_card(tmp_path, **changes), Choice("cpu"))
    assert fault in caught.value.message


def test_judges_are_refused(tmp_path: Path) -> None:
    torch.save(build(Architecture("patchgan", 4, 1, 2, down=3)).state_dict(), tmp_path / "net.pth")
    with pytest.raises(ModelError, match="judges pictures"):
        Torch(torch_card(tmp_path, output=CardOutput("y", RGB, (-1.0, 1.0))), Choice("cpu"))


def test_exchanged_weights_are_refused(tmp_path: Path) -> None:
    card = torch_card(tmp_path)
    torch.save(contrasting(Architecture("resnet", 4, 3, 4, down=2, blocks=2)).state_dict(), tmp_path / "net.pth")
    with pytest.raises(ModelError, match="is not the file that its card describes"):
        Torch(card, Choice("cpu"))


def test_a_hostile_pickle_behind_a_card_runs_nothing(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "made"),)

    torch.save({"model.1.weight": Bomb()}, tmp_path / "net.pth")
    with pytest.raises(ModelError, match="is refused"):
        open_generator(str(torch_card(tmp_path).path), DEFAULT_PALETTE, "cpu")
    assert not (tmp_path / "made").exists()


def test_adapters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be adapted"):
        open_generator(str(torch_card(tmp_path).path), device="cpu", adapter=b"x")


def test_a_palette_without_a_known_class_is_refused(tmp_path: Path) -> None:
    lava = Palette((SemanticClass(1, "lava", (255, 60, 0)),))
    with pytest.raises(ModelError, match="knows none of the classes"):
        Torch(torch_card(tmp_path), Choice("cpu"), lava)


def test_nothing_is_made_before_a_scene_is_prepared_or_after_closing(tmp_path: Path) -> None:
    generator = Torch(torch_card(tmp_path), Choice("cpu"))
    with pytest.raises(ModelError, match="not prepared"):
        made(generator, scene(), WHOLE)
    generator.close()
    with pytest.raises(ModelError, match="closed"):
        prepared(generator, scene())


@pytest.mark.parametrize("wanted", ["directml", "openvino:gpu", "cuda:77", "mps"])
def test_devices_that_are_not_there_fall_back_and_tell(wanted: str) -> None:
    if wanted == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has one")
    device, note = choose(wanted)
    assert device == "cpu"
    assert f"{wanted} is not used" in note


@pytest.mark.parametrize("wanted", ["tpu", "cpu:1", "cuda:x", ""])
def test_words_that_are_no_device_are_refused(wanted: str) -> None:
    with pytest.raises(ModelError, match="there is no device"):
        choose(wanted)


def test_switches_of_pytorch_are_as_before_after_a_run() -> None:
    switches = torch.backends.cudnn
    before = (switches.enabled, switches.benchmark, switches.deterministic, torch.is_grad_enabled())
    with exact(torch):
        assert (switches.enabled, switches.benchmark, switches.deterministic) == (True, False, True)
        assert not torch.is_grad_enabled()
    assert (switches.enabled, switches.benchmark, switches.deterministic, torch.is_grad_enabled()) == before
