"""A model whose files are not what its card says, or that reaches beyond its folder, is refused before it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators import open_generator
from cimgen_qt.generators.cards import CardInput, CardOutput, DataFile, ModelCard
from cimgen_qt.generators.weights import inside, load_weights
from tests.generators.nets import OPSET, colour_card, colour_net, context_net, graph, save, sha256


def refused(card: ModelCard | Path | str) -> str:
    source = card.path if isinstance(card, ModelCard) else card
    with pytest.raises(ModelError) as caught:
        open_generator(str(source), device="cpu")
    assert caught.value.hint
    return caught.value.message


def test_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    card = colour_card(tmp_path)
    data = bytearray((tmp_path / "net.onnx").read_bytes())
    data[-20] ^= 1
    (tmp_path / "net.onnx").write_bytes(data)
    assert "not the file that its card describes" in refused(card)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    card = colour_card(tmp_path)
    (tmp_path / "net.onnx").unlink()
    assert "net.onnx is missing" in refused(card)


OUTSIDE = [
    "../net.onnx",
    "/net.onnx",
    "sub/../../net.onnx",
    "..\\net.onnx",
    "C:\\net.onnx",
    "c:net.onnx",
    "//host/n.onnx",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_file_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    colour_net(tmp_path / "net.onnx")
    (tmp_path / "model").mkdir()
    colour_net(tmp_path / "model" / "net.onnx")
    assert "does not lie in the model's folder" in refused(colour_card(tmp_path / "model", file=name))


def test_a_link_that_leaves_the_folder_is_refused_and_one_that_stays_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    outside = colour_net(tmp_path / "net.onnx")
    (folder / "net.onnx").symlink_to(outside)
    assert "link that leaves" in refused(colour_card(folder))
    (folder / "net.onnx").unlink()
    (folder / "real.onnx").write_bytes(outside.read_bytes())
    (folder / "net.onnx").symlink_to(folder / "real.onnx")
    assert open_generator(str(colour_card(folder).path), device="cpu").spec.name == "colours"


def test_a_folder_below_the_card_is_inside(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    assert inside(tmp_path, "weights/a.onnx") == tmp_path / "weights" / "a.onnx"
    with pytest.raises(ModelError):
        inside(tmp_path, "")


def far_net(path: Path, location: str) -> Path:
    """`colour_net` with its weights in another file."""
    model = onnx.load(str(colour_net(path)))
    raw = model.graph.initializer[0].raw_data
    place = path.parent / "far.data"
    place.write_bytes(raw)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(len(raw)))):
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_beside_the_file_are_used_if_the_card_lists_them(tmp_path: Path) -> None:
    far_net(tmp_path / "net.onnx", "far.data")
    assert "far.data, which its card does not list" in refused(colour_card(tmp_path))
    listed = (DataFile("far.data", sha256(tmp_path / "far.data")),)
    generator = open_generator(str(colour_card(tmp_path, data=listed).path), device="cpu")
    assert generator.spec.name == "colours"


def test_weights_beside_the_file_are_proven_too(tmp_path: Path) -> None:
    far_net(tmp_path / "net.onnx", "far.data")
    card = colour_card(tmp_path, data=(DataFile("far.data", sha256(tmp_path / "far.data")),))
    (tmp_path / "far.data").write_bytes(bytes(36))
    assert "far.data is not the file" in refused(card)


@pytest.mark.parametrize("location", ["../far.data", "/etc/passwd", "..\\far.data"])
def test_external_data_outside_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    far_net(folder / "net.onnx", location)
    (tmp_path / "far.data").write_bytes((folder / "far.data").read_bytes())
    assert "does not lie in the model's folder" in refused(colour_card(folder))


def test_external_data_through_a_link_that_leaves_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    far_net(folder / "net.onnx", "far.data")
    (folder / "far.data").rename(tmp_path / "secret")
    (folder / "far.data").symlink_to(tmp_path / "secret")
    assert "link that leaves" in refused(colour_card(folder, data=(DataFile("far.data", sha256(tmp_path / "secret")),)))


def test_custom_operators_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("Paint", ["labels"], ["picture"], domain="com.example")
    ports = ("n", 3, "h", "w")
    opset = [*OPSET, helper.make_opsetid("com.example", 1)]
    save(graph([node], [("labels", 1, ports)], [("picture", 1, ports)], {}, opset), tmp_path / "net.onnx")
    assert "com.example::Paint" in refused(colour_card(tmp_path))


DISAGREEMENTS = [
    ({"inputs": (CardInput("labels-onehot", "labels", 4),)}, "labels has 3 channels, the card says 4"),
    ({"inputs": (CardInput("labels-onehot", "maps", 3),)}, "the model has no input maps (it has labels)"),
    ({"inputs": (CardInput("labels-onehot", "maps", 3),)}, "the model's input labels is not in the card"),
    ({"inputs": (CardInput("labels-onehot", "labels", 3, "float16"),)}, "takes float32, the card says float16"),
    ({"output": CardOutput("photo", ("red",), (0.0, 1.0))}, "the model has no output photo (it has picture)"),
    ({"output": CardOutput("picture", ("red", "nir"), (0.0, 1.0))}, "picture has 3 channels, the card says 2"),
    ({"layout": "nhwc"}, "the card says 3"),
    (
        {"inputs": (CardInput("labels-onehot", "labels", 3), CardInput("mask", "labels", 1))},
        "labels has 3 channels, the card says 4",
    ),
]


@pytest.mark.parametrize(("changes", "message"), DISAGREEMENTS, ids=[m for _, m in DISAGREEMENTS])
def test_a_card_that_disagrees_with_the_graph_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    if "layout" in changes:
        colour_net(tmp_path / "net.onnx", (1, 3, 64, 64), (1, 3, 64, 64))
    assert message in refused(colour_card(tmp_path, **changes))


SIZES = [
    ((1, 3, 32, 32), (1, 3, 32, 32), {}, "takes 32 pixels at a time, tile and halo of the card make 64"),
    ((1, 3, 64, 64), (1, 3, 60, 60), {}, "inputs and output differ in size"),
    ((1, 3, 64, 64), (1, 3, 64, 64), {"tile": 0}, "the card has to give a tile"),
    ((1, 3, 64, 64), (1, 3, 64, 64), {"batch": 4}, "takes 1 at a time, the card says 4"),
    (("n", 3, "w"), ("n", 3, "h", "w"), {}, "has 3 dimensions in place of 4"),
]


@pytest.mark.parametrize(("dims", "out", "changes", "message"), SIZES, ids=[s[3] for s in SIZES])
def test_sizes_that_do_not_go_together_are_refused(
    tmp_path: Path, dims: tuple[object, ...], out: tuple[object, ...], changes: dict[str, object], message: str
) -> None:
    colour_net(tmp_path / "net.onnx", dims, out)
    assert message in refused(colour_card(tmp_path, **changes))


def test_an_output_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("ArgMax", ["labels"], ["picture"], axis=1, keepdims=1)
    ports = ("n", 3, "h", "w")
    made = graph([node], [("labels", 1, ports)], [("picture", 7, ("n", 1, "h", "w"))], {})
    save(made, tmp_path / "net.onnx")
    assert "int64, which is no picture" in refused(
        colour_card(tmp_path, output=CardOutput("picture", ("red",), (0.0, 1.0)))
    )


def test_a_model_of_another_kind_is_refused_by_what_it_does(tmp_path: Path) -> None:
    colour_net(tmp_path / "net.onnx")
    message = refused(colour_card(tmp_path, kind="image-to-map"))
    assert "cannot make pixels from a map" in message
    assert "reads classes from a photo" in message


def test_an_onnx_file_without_any_card_is_refused(tmp_path: Path) -> None:
    assert "cannot make pixels" in refused(context_net(tmp_path / "bare.onnx"))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.tif").write_bytes(b"II*\0")
    (tmp_path / "empty").mkdir()
    assert "is no model" in refused(tmp_path / "photo.tif")
    assert "there is no model in" in refused(tmp_path / "empty")
    assert "there is no model" in refused(tmp_path / "absent.onnx")
    assert "there is no model" in refused("nothing-of-this-name")
    assert "no model was named" in refused(" ")


def test_weights_without_a_hash_are_measured(tmp_path: Path) -> None:
    card = replace(colour_card(tmp_path), sha256="")
    assert load_weights(card).sha256 == sha256(tmp_path / "net.onnx")


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(np.random.default_rng(1).bytes(4000))
    assert "no ONNX file" in refused(colour_card(tmp_path))
