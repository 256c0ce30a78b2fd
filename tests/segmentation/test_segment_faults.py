"""What others' models and users' folders hold: odd sizes, odd answers, files in the way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cimgen_qt.core.errors import CimgenError, ExportError, ModelError
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.palette import SemanticClass, palette_of
from cimgen_qt.generators.catalog import model_card
from cimgen_qt.raster.rasterio_io import open_raster
from cimgen_qt.segmentation.answers import Reading, decided
from cimgen_qt.segmentation.job import segment
from cimgen_qt.segmentation.model import SegmentationModel
from cimgen_qt.segmentation.request import SegmentRequest
from cimgen_qt.segmentation.sweep import Sweep
from tests.segmentation.networks import logits, network, write_model
from tests.segmentation.test_segment import photo, read, segmented, write


def told(path: Path, model: onnx.ModelProto, **meta: object) -> Path:
    """An ONNX file with Deepness's metadata."""
    for key, value in ({"model_type": "Segmentor"} | meta).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)
    onnx.save(model, path)
    return path


def blue(scale: float, shift: float, last: str = "", squeezed: bool = False) -> onnx.ModelProto:
    """One channel of scale * blue + shift, with an operator after it, as [n, 1, h, w] or [n, h, w]."""
    kernel = np.array([0, 0, scale], np.float32).reshape(1, 3, 1, 1)
    nodes = [helper.make_node("Conv", ["photo", "kernel", "bias"], ["v0"])]
    if last:
        nodes.append(helper.make_node(last, ["v0"], ["v1"]))
    if squeezed:
        nodes.append(helper.make_node("Squeeze", [nodes[-1].output[0], "axis"], ["v2"]))
    parts = {"kernel": kernel, "bias": np.array([shift], np.float32), "axis": np.array([1], np.int64)}
    dims = ["n", "h", "w"] if squeezed else ["n", 1, "h", "w"]
    graph = helper.make_graph(
        nodes, "blue", [helper.make_tensor_value_info("photo", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, dims)],
        [numpy_helper.from_array(v, k) for k, v in parts.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def pooled() -> onnx.ModelProto:
    """Takes sides that are multiples of 8 and no others, as a U-Net does; answers with its own photo."""
    nodes = [
        helper.make_node("MaxPool", ["photo"], ["small"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Resize", ["small", "", "scales"], ["large"], mode="nearest"),
        helper.make_node("Mul", ["large", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "photo"], ["both"]),
        helper.make_node("Softmax", ["both"], ["answer"], axis=1),
    ]
    parts = {"scales": np.array([1, 1, 8, 8], np.float32), "zero": np.zeros(1, np.float32)}
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 3, "h", "w"]) for n in ("photo", "answer")]
    graph = helper.make_graph(
        nodes, "pooled", ports[:1], ports[1:], [numpy_helper.from_array(v, k) for k, v in parts.items()]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_a_source_is_never_written_over_even_where_overwriting_is_allowed(tmp_path: Path) -> None:
    image = write(tmp_path / "x_confidence.tif", photo(40, 40))
    before, model = image.read_bytes(), write_model(tmp_path / "m")
    request = SegmentRequest(str(image), str(tmp_path / "x.tif"), str(model), device="cpu", overwrite=True)
    with pytest.raises(ExportError, match="is the source image"):
        run_inline(segment(request))
    assert image.read_bytes() == before and not (tmp_path / "x.tif").exists()


@pytest.mark.parametrize("name", ["map.tif", "map.qml", "map_confidence.tif"])
def test_nothing_that_is_there_is_written_over_unasked(name: str, tmp_path: Path) -> None:
    image, model = write(tmp_path / "i.tif", photo(40, 40)), write_model(tmp_path / "m")
    (tmp_path / name).write_text("mine")
    with pytest.raises(ExportError, match=f"{name} exists already"):
        segmented(image, model, tmp_path)
    assert (tmp_path / name).read_text() == "mine"
    _, found = segmented(image, model, tmp_path, overwrite=True)
    assert found.any()


def test_a_map_that_cannot_be_set_in_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    image, model = write(tmp_path / "i.tif", photo(90, 40)), write_model(tmp_path / "m")
    job = segment(SegmentRequest(str(image), str(tmp_path / "map.tif"), str(model), device="cpu"))
    next(job)
    (tmp_path / "map.tif").write_bytes(b"another program")
    with pytest.raises(ExportError, match="another program"):
        for _ in job:
            pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["i.tif", "m", "map.tif"]
    assert (tmp_path / "map.tif").read_bytes() == b"another program"


def test_a_network_that_looks_no_farther_than_its_halo_gives_exactly_what_one_pass_gives(tmp_path: Path) -> None:
    picture = photo(203, 170, seed=5)
    model = write_model(tmp_path / "m", "softmax", halo=8, tile=32, blur=7)
    with open_raster(write(tmp_path / "i.tif", picture)) as reader:
        opened = SegmentationModel(model_card(str(model)))
        sweep, labels = Sweep(opened, reader), np.zeros(picture.shape[:2], np.uint8)
        for _, pieces in sweep:
            for p in pieces:
                labels[p.window.row : p.window.bottom, p.window.col : p.window.right] = p.labels
        whole = opened.look(picture, np.ones(picture.shape[:2], bool), sweep._stretch)
    assert opened.local
    assert np.array_equal(labels, np.array([1, 2, 3])[whole.argmax(2)])
    far = SegmentationModel(model_card(str(write_model(tmp_path / "far", "softmax", halo=8, tile=32, blur=33))))
    assert not far.local


@pytest.mark.parametrize("metres", [0.55, 0.6, 0.7, 1.1, 1.7])
def test_a_model_of_fixed_size_and_resolution_takes_any_photo(metres: float, tmp_path: Path) -> None:
    coarse = np.repeat(np.repeat(photo(12, 12, seed=2)[::6, ::6], 60, 0), 60, 1)
    model = write_model(tmp_path / "m", side=64, tile=48, halo=8, more=f"metres_per_pixel = {metres}")
    _, found = segmented(write(tmp_path / "i.tif", coarse), model, tmp_path)
    assert (found == np.array([1, 2, 3])[logits(coarse).argmax(2)]).mean() > 0.95


def test_a_deepness_model_is_fed_in_squares_of_its_own_size(tmp_path: Path) -> None:
    picture = photo(100, 75)
    names = {"0": "soil", "1": "plant", "2": "lake"}
    model = told(tmp_path / "net.onnx", pooled(), class_names=names, tiles_size=64, tiles_overlap=20)
    _, found = segmented(write(tmp_path / "i.tif", picture), model, tmp_path)
    clear = np.ptp(np.sort(picture, 2)[..., 1:].astype(int), 2) > 0
    assert np.array_equal(found[clear], picture.argmax(2)[clear] + 1)


def test_one_channel_without_an_axis_of_its_own_is_a_share(tmp_path: Path) -> None:
    """Deepness's third form, [batch, height, width], holds sigmoids, not class numbers."""
    picture = photo(70, 80)
    model = told(
        tmp_path / "net.onnx", blue(10, -4, "Sigmoid", squeezed=True), class_names=[{"0": "lake"}], tiles_size=64
    )
    _, found = segmented(write(tmp_path / "i.tif", picture), model, tmp_path)
    assert np.array_equal(found, (picture[..., 2] / 255 > 0.4).astype(np.uint8))


def test_what_a_raster_begins_with_does_not_change_how_the_rest_is_read(tmp_path: Path) -> None:
    """Scores of the first tile lie within 0 and 1 here, and are no shares all the same."""
    model = told(tmp_path / "net.onnx", blue(10, -3.5), class_names=[{"0": "lake"}], tiles_size=32, tiles_overlap=20)
    picture = np.full((64, 64, 3), 97, np.uint8)
    found = []
    for first in (100, 200):
        picture[:40, :40] = first
        found.append(segmented(write(tmp_path / f"{first}.tif", picture), model, tmp_path, overwrite=True)[1])
    assert np.array_equal(*found) and (found[0] == 1).all()


def test_sigmoids_that_stand_each_for_itself_keep_their_strength() -> None:
    palette = palette_of([SemanticClass(i, n, (i, i, i)) for i, n in enumerate(("unlabelled", "a", "b", "c"))], "p")
    answer = np.array([0.9, 0.02, 0.05], np.float32)[:, None, None]
    assert decided(Reading(palette, (1, 2, 3), ""), answer).shares(answer)[0, 0] == pytest.approx([0.9, 0.02, 0.05])


def test_channels_of_one_class_are_added_and_lost_ones_are_not() -> None:
    palette = palette_of([SemanticClass(i, n, (i, i, i)) for i, n in enumerate(("unlabelled", "water", "road"))], "p")
    reading = Reading(palette, (1, 1, 2, 0, 0), "none")
    shares = reading.shares(np.array([0.2, 0.2, 0.3, 0.15, 0.15], np.float32)[:, None, None])
    assert reading.classes == (1, 2, 0)
    assert shares[0, 0] == pytest.approx([0.4, 0.3, 0.15])


def test_class_numbers_that_the_answer_has_no_channels_for_are_refused_before_memory_is_asked_for(
    tmp_path: Path,
) -> None:
    image = write(tmp_path / "i.tif", photo(40, 40))
    model = told(tmp_path / "net.onnx", network("softmax"), class_names={"0": "a", "65535": "b"}, tiles_size=4096)
    with pytest.raises(ModelError, match="3 channels for 65536 classes"):
        segmented(image, model, tmp_path)


def test_values_of_no_data_do_not_spread_when_a_photo_is_shrunk(tmp_path: Path) -> None:
    picture = np.full((80, 80, 3), (220, 210, 170), np.float32)
    picture[:, 41:] = -9999
    more = 'metres_per_pixel = 1.5\ndtype = "float32"\nlevels = [0.0, 255.0]'
    image = write(tmp_path / "i.tif", picture, nodata=-9999.0)
    _, found = segmented(image, write_model(tmp_path / "m", more=more), tmp_path)
    assert (found[:, :41] == 2).all() and (found[:, 41:] == 0).all()


def test_an_answer_that_is_not_read_is_told(tmp_path: Path) -> None:
    model = network("softmax")
    model.graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3, "h", "w"]))
    path = told(tmp_path / "net.onnx", model, class_names=[{"0": "a", "1": "b", "2": "c"}, {"0": "d"}], tiles_size=64)
    facts, _ = segmented(write(tmp_path / "i.tif", photo(40, 40)), path, tmp_path)
    assert any("scores is not" in note for note in facts["notes"])


@pytest.mark.parametrize("place", [{"transform": (0.5, 0.2, 5e5, 0.2, -0.5, 3e6)}, {"crs": None}])
def test_the_map_lies_where_the_image_lies(place: dict[str, object], tmp_path: Path) -> None:
    import rasterio

    if "transform" in place:
        place = {"transform": rasterio.Affine(*place["transform"])}
    image, model = write(tmp_path / "i.tif", photo(50, 60), **place), write_model(tmp_path / "m")
    facts, _ = segmented(image, model, tmp_path)
    with rasterio.open(image) as a, rasterio.open(facts["target"]) as b, rasterio.open(facts["confidence"]) as c:
        assert a.transform == b.transform == c.transform and a.crs == b.crs == c.crs and a.shape == b.shape == c.shape


def test_more_classes_than_a_map_can_hold_are_refused(tmp_path: Path) -> None:
    image = write(tmp_path / "i.tif", photo(40, 40))
    names = {str(i): f"kind {i}" for i in range(300)}
    model = told(tmp_path / "net.onnx", network("index"), class_names=names, tiles_size=64)
    with pytest.raises(CimgenError) as caught:
        segmented(image, model, tmp_path)
    assert caught.value.hint
    assert read(image).any() and not (tmp_path / "map.tif").exists()


def test_classes_have_the_colours_of_the_card(tmp_path: Path) -> None:
    card = write_model(tmp_path / "m")
    card.write_text(card.read_text().replace('name = "water"', 'name = "water"\ncolour = [0, 90, 200]'))
    palette = SegmentationModel(model_card(str(card))).reading.palette
    assert {c.name: c.colour for c in palette}["water"] == (0, 90, 200)
