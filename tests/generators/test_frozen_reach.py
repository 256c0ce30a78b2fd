"""How far a graph looks is what torch's layers say, and what changes when a far pixel does; the unknown looks far."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from cimgen_qt.generators.devices import Choice, open_session
from cimgen_qt.generators.reach import Reach, reach
from cimgen_qt.networks.local_enhancer import LocalEnhancer
from cimgen_qt.networks.receptive import reach as torch_reach
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.networks.to_onnx import export
from cimgen_qt.networks.unet import UNetGenerator
from tests.generators.nets import graph


def found(module: nn.Module, side: int = 64) -> Reach | None:
    data = export(module, {"x": torch.zeros(1, 3, side, side)}, ["y"])
    return reach(onnx.load_from_string(data), "y")


@pytest.mark.parametrize(
    "module",
    [
        ResnetGenerator(3, 3, 4, 2, 9, norm="batch"),
        ResnetGenerator(3, 3, 4, 4, 9, norm="batch"),
        LocalEnhancer(3, 3, 2, 2, 2, norm="batch"),
    ],
    ids=["resnet-9", "global", "local"],
)
def test_it_is_what_the_layers_of_torch_say(module: nn.Module) -> None:
    """84, 324... pixels: the halo, in whole strides, and the stride."""
    got, wanted = found(module), torch_reach(module)
    assert got is not None
    assert got.grain == wanted.stride
    assert -(-got.halo // got.grain) * got.grain == wanted.halo


NETS = {
    "strided": nn.Sequential(nn.Conv2d(3, 4, 5, 2, 2), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, 2, 1)),
    "dilated": nn.Sequential(nn.ReflectionPad2d(4), nn.Conv2d(3, 3, 3, dilation=4), nn.Tanh()),
    "pooled": nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 3, 3, padding=1), nn.Upsample(scale_factor=2)),
    "linear": nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=4, mode="bilinear")),
    "shuffled": nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), nn.PixelShuffle(2)),
    "skewed": nn.Sequential(nn.ZeroPad2d((5, 0, 1, 0)), nn.Conv2d(3, 3, (2, 6))),
}


@pytest.mark.parametrize("kind", NETS)
def test_no_pixel_beyond_it_matters_and_it_is_not_far_too_large(kind: str) -> None:
    """Change one pixel of the input: what changes of the output lies within the reach."""
    data = export(NETS[kind], {"x": torch.zeros(1, 3, 64, 64)}, ["y"])
    got = reach(onnx.load_from_string(data), "y")
    assert got is not None
    session = open_session(data, Choice("cpu")).session
    plain = np.random.default_rng(1).normal(size=(1, 3, 64, 64)).astype(np.float32)
    (base,) = session.run(["y"], {"x": plain})
    assert base.shape[2:] == (64, 64)
    furthest = 0
    for row, col in [(32 + r, 32 + c) for r in range(got.grain) for c in range(got.grain)]:
        changed = plain.copy()
        changed[:, :, row, col] += 50.0
        rows, cols = np.nonzero((session.run(["y"], {"x": changed})[0] != base).any(axis=(0, 1)))
        furthest = max(furthest, int(np.abs(rows - row).max()), int(np.abs(cols - col).max()))
    assert 0 < furthest <= got.halo <= furthest + 2 * got.grain + 1


@pytest.mark.parametrize(
    "module",
    [
        nn.InstanceNorm2d(3),
        nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.GroupNorm(1, 3)),
        nn.AdaptiveAvgPool2d(1),
        nn.Softmax(dim=3),
        nn.Upsample(size=(64, 64)),
        nn.Conv2d(3, 3, 3, 2, 1),
    ],
    ids=["instance", "group", "mean", "along-rows", "resized", "smaller"],
)
def test_what_looks_at_everything_or_gives_another_size_has_no_reach(module: nn.Module) -> None:
    assert found(module) is None


def _of(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], **more: object) -> Reach | None:
    ports = ("n", 3, "h", "w")
    made = graph(nodes, [("x", TensorProto.FLOAT, ports)], [("y", TensorProto.FLOAT, ports)], weights, **more)
    return reach(made, "y")


def test_a_constant_with_places_of_its_own_would_not_move_with_the_tile() -> None:
    add = [helper.make_node("Add", ["x", "b"], ["y"])]
    assert _of(add, {"b": np.zeros((1, 3, 1, 1), np.float32)}) == Reach()
    assert _of(add, {"b": np.zeros((64, 64), np.float32)}) is None
    assert _of(add, {"b": np.zeros(64, np.float32)}) is None
    joined = [helper.make_node("Concat", ["x", "b"], ["y"], axis=1)]
    assert _of(joined, {"b": np.zeros((1, 1, 64, 64), np.float32)}) is None


def test_operators_that_are_not_known_and_training_are_taken_for_far() -> None:
    assert _of([helper.make_node("Det", ["x"], ["y"])], {}) is None
    assert _of([helper.make_node("Relu", ["x"], ["y"], domain="com.microsoft")], {}) is None
    ones = {name: np.ones(3, np.float32) for name in "abcd"}
    for training, wanted in ((0, Reach()), (1, None)):
        node = helper.make_node("BatchNormalization", ["x", *"abcd"], ["y"], training_mode=training)
        assert _of([node], ones) == wanted


def test_a_chain_without_end_is_not_followed() -> None:
    names = [f"v{number}" for number in range(5000)]
    chain = [helper.make_node("Identity", [a], [b]) for a, b in zip(["start", *names], [*names, "end"], strict=False)]
    nodes = [*chain, helper.make_node("Pad", ["x", names[-1]], ["y"])]
    assert _of(nodes, {"start": np.zeros(8, np.int64)}) is None


def test_a_pad_whose_size_is_computed_from_the_picture_is_taken_for_far() -> None:
    nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Pad", ["x", "s"], ["y"])]
    assert _of(nodes, {}) is None


def test_the_unet_of_pix2pix_looks_at_all_of_a_small_tile() -> None:
    got = found(UNetGenerator(3, 3, 5, 4, norm="batch"), 64)
    assert got is None or got.halo >= 64
