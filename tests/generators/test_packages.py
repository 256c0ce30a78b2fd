"""Models made for Deepness and for Esri's tools are read for what they say, and hostile packages are refused."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators import open_generator
from cimgen_qt.generators.archive import MOST_MEMBERS, member_names, read_member
from cimgen_qt.generators.card_file import card_text
from cimgen_qt.generators.cards import CardClass, CardInput
from cimgen_qt.generators.deepness import CARD_KEY
from cimgen_qt.generators.packages import read_card
from tests.generators.nets import colour_card, colour_net, graph, save

SEGMENTOR = {
    "model_type": '"Segmentor"',
    "class_names": '{"0": "background", "1": "building", "2": "road"}',
    "resolution": "10.0",
    "tile_size": "512",
    "tiles_overlap": "15",
    "standardization_mean": "[0.485, 0.456, 0.406]",
    "standardization_std": "[0.229, 0.224, 0.225]",
    "seg_thresh": "0.5",
    "seg_small_segment": "11",
}


def segmentor(path: Path, meta: dict[str, str]) -> Path:
    node = helper.make_node("Softmax", ["input"], ["output"], axis=1)
    ports = ("batch", 3, 512, 512)
    return save(graph([node], [("input", 1, ports)], [("output", 1, ports)], {}), path, meta)


def test_deepness_metadata_become_a_card(tmp_path: Path) -> None:
    card = read_card(segmentor(tmp_path / "landcover.onnx", SEGMENTOR))
    assert (card.name, card.kind, card.metres_per_pixel, card.tile) == ("landcover", "image-to-map", 0.1, 512)
    assert card.halo == 38  # 15 % of 512, on two sides
    assert card.classes == (CardClass(0, "background"), CardClass(1, "building"), CardClass(2, "road"))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    rgb = ("red", "green", "blue")
    assert card.inputs == (CardInput("photo", "input", 3, mean=mean, std=std, bands=rgb),)
    assert dict(card.extra) == {"model_type": '"Segmentor"', "seg_thresh": "0.5", "seg_small_segment": "11"}
    assert len(card.sha256) == 64


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Segmentor", "image-to-map"),
        ("regressor", "regression"),
        ("Detector", "detection"),
        ("Superresolution", "image-to-image"),
        ("Oracle", "other"),
    ],
)
def test_every_type_of_deepness_model_is_known(tmp_path: Path, said: str, kind: str) -> None:
    assert read_card(segmentor(tmp_path / "m.onnx", {"model_type": json.dumps(said)})).kind == kind


def test_the_generator_refuses_a_segmentor_by_what_it_does(tmp_path: Path) -> None:
    path = segmentor(tmp_path / "landcover.onnx", SEGMENTOR)
    with pytest.raises(ModelError, match="kind image-to-map: it reads classes from a photo") as caught:
        open_generator(str(path))
    assert "map-to-image" in caught.value.hint


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("{0: 'sea', 1: 'land'}", ["sea", "land"]),
        ('["sea", "land"]', ["sea", "land"]),
        ('[{"0": "sea"}, {"0": "land"}]', ["sea"]),
        ('{"0": "sea", "x": "land"}', ["sea"]),
    ],
)
def test_class_names_come_in_several_spellings(tmp_path: Path, names: str, wanted: list[str]) -> None:
    card = read_card(segmentor(tmp_path / "m.onnx", {"names": names}))
    assert [c.name for c in card.classes] == wanted


def test_metadata_that_cannot_be_read_are_noted_and_the_rest_is_used(tmp_path: Path) -> None:
    meta = {**SEGMENTOR, "class_names": '{"0": "background", "1": "building"', "resolution": "1e999"}
    card = read_card(segmentor(tmp_path / "m.onnx", meta))
    assert (card.classes, card.metres_per_pixel, card.tile) == ((), None, 512)
    assert "class_names" in card.notes


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "9" * 100_000, "{1: " * 5000, "__import__('os')", "'\\d'", "[" + "0," * 999]
)
def test_hostile_metadata_are_noted(tmp_path: Path, text: str) -> None:
    card = read_card(segmentor(tmp_path / "m.onnx", {"model_type": '"Segmentor"', "class_names": text}))
    assert (card.kind, card.classes) == ("image-to-map", ())


def test_a_whole_card_may_stand_in_the_file_itself(tmp_path: Path) -> None:
    card = colour_card(tmp_path)
    text = "\n".join(line for line in card_text(card).splitlines() if not line.startswith(("file =", "sha256 =")))
    (tmp_path / "alone").mkdir()
    path = save(onnx.load(str(tmp_path / "net.onnx")), tmp_path / "alone" / "one.onnx", {CARD_KEY: text})
    found = read_card(path)
    assert (found.name, found.file, found.inputs, found.unfit) == ("colours", "one.onnx", card.inputs, "")
    assert open_generator(str(path), device="cpu").spec.name == "colours"


def test_a_card_beside_an_onnx_file_counts_more_than_its_metadata(tmp_path: Path) -> None:
    card = colour_card(tmp_path)
    assert read_card(tmp_path / "net.onnx") == card
    other = segmentor(tmp_path / "other.onnx", SEGMENTOR)
    assert read_card(other).kind == "image-to-map"  # card.toml speaks of net.onnx


# Esri

LAND_COVER: dict[str, Any] = {
    "Framework": "Onnx",
    "ModelConfiguration": "LandClassification",
    "ModelType": "ImageClassification",
    "ModelFile": ".\\trained.onnx",
    "ModelName": "Land cover",
    "Version": "2019.02",
    "ExtractBands": [0, 1, 2, 3],
    "DataRange": [0.0, 1.0],
    "ImageHeight": 256,
    "ImageWidth": 256,
    "ModelPadding": 64,
    "BatchSize": 8,
    "MinCellSize": {"x": 0.5, "y": 0.5, "spatialReference": {"wkid": 32633}},
    "MaxCellSize": {"x": 2.0, "y": 2.0, "spatialReference": {"wkid": 32633}},
    "Classes": [
        {"Value": 0, "Name": "Evergreen Forest", "Color": [0, 51, 0]},
        {"Value": 3, "Name": "Open Water", "Color": [0, 0, 117]},
        {"Value": "no number", "Name": "Nothing"},
    ],
}


def emd(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps({**LAND_COVER, **changes}), "utf-8-sig")
    return path


def test_an_esri_definition_becomes_a_card(tmp_path: Path) -> None:
    card = read_card(emd(tmp_path / "trained.emd"))
    assert (card.name, card.version, card.kind, card.file) == ("Land cover", "2019.02", "image-to-map", "trained.onnx")
    assert (card.tile, card.halo, card.batch, card.layout) == (256, 64, 8, "nchw")
    assert card.classes == (CardClass(0, "Evergreen Forest"), CardClass(3, "Open Water"))
    assert card.metres_range == (0.5, 2.0)
    assert dict(card.extra)["ExtractBands"] == "[0, 1, 2, 3]"


def test_cell_sizes_are_only_taken_where_their_unit_is_known(tmp_path: Path) -> None:
    degrees = {"x": 2.0e-6, "y": 2.0e-6, "spatialReference": {"wkid": 4326}}
    card = read_card(emd(tmp_path / "a.emd", MinCellSize=degrees, MaxCellSize=degrees))
    assert card.metres_per_pixel == pytest.approx(0.2226, abs=1e-3)
    feet = {"x": 1.0, "y": 1.0, "spatialReference": {"wkid": 2263}}
    card = read_card(emd(tmp_path / "b.emd", MinCellSize=feet, MaxCellSize=feet))
    assert (card.metres_per_pixel, card.metres_range) == (None, None)


@pytest.mark.parametrize(
    ("changes", "kind", "why"),
    [
        ({}, "image-to-map", "reads classes from a photo"),
        ({"ModelType": "ObjectDetection"}, "detection", "finds objects"),
        ({"ModelType": "CycleGAN", "ModelFile": "a.pth"}, "image-to-image", "turns one picture into another"),
        ({"ModelType": "Pix2PixHD", "label_nc": 6, "ModelFile": "a.pth"}, "map-to-image", "how its inputs"),
        ({"ModelType": "Pix2PixHD", "label_nc": 6}, "map-to-image", "does not say how its inputs"),
        ({"ModelType": None}, "other", "does something"),
    ],
)
def test_the_generator_tells_why_it_cannot_use_an_esri_model(
    tmp_path: Path, changes: dict[str, Any], kind: str, why: str
) -> None:
    path = emd(tmp_path / "trained.emd", **changes)
    assert read_card(path).kind == kind
    with pytest.raises(ModelError, match=why):
        open_generator(str(path))


def dlpk(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in members.items():
            package.writestr(name, data)
    return path


def test_an_esri_package_is_read_without_unpacking_it(tmp_path: Path) -> None:
    text = json.dumps(LAND_COVER).encode()
    package = dlpk(tmp_path / "cover.dlpk", {"trained.emd": text, "trained.onnx": b"weights", "deep/other.emd": b"{}"})
    before = sorted(tmp_path.iterdir())
    card = read_card(package)
    assert (card.name, card.path, card.kind) == ("Land cover", package, "image-to-map")
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(ModelError, match="reads classes from a photo"):
        open_generator(str(package))


def test_a_package_without_a_definition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model definition"):
        read_card(dlpk(tmp_path / "a.dlpk", {"readme.txt": b"hello"}))


@pytest.mark.parametrize("name", ["../evil.emd", "/etc/evil.emd", "a/../../evil.emd", "..\\evil.emd", "C:/evil.emd"])
def test_a_package_with_names_outside_itself_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="outside the package"):
        read_card(dlpk(tmp_path / "a.dlpk", {"a.emd": b"{}", name: b"{}"}))


def test_a_bomb_is_refused_before_it_swells(tmp_path: Path) -> None:
    package = dlpk(tmp_path / "a.dlpk", {"a.emd": bytes(200_000_000)})
    assert package.stat().st_size < 1_000_000
    with pytest.raises(ModelError, match=r"swell|larger"):
        read_card(package)


def test_a_bomb_that_lies_about_its_size_is_cut_off(tmp_path: Path) -> None:
    """Both headers say 10 bytes; the stream holds 50 MB."""
    data = bytearray(dlpk(tmp_path / "a.dlpk", {"a.emd": bytes(50_000_000)}).read_bytes())
    true, false = struct.pack("<I", 50_000_000), struct.pack("<I", 10)
    assert data.count(true) == 2
    (tmp_path / "a.dlpk").write_bytes(data.replace(true, false))
    with pytest.raises(ModelError):
        read_card(tmp_path / "a.dlpk")


def test_a_definition_beyond_four_megabytes_is_refused(tmp_path: Path) -> None:
    text = json.dumps({**LAND_COVER, "Description": "x" * 5_000_000})
    (tmp_path / "a.emd").write_text(text)
    with pytest.raises(ModelError, match="too large"):
        read_card(tmp_path / "a.emd")
    with pytest.raises(ModelError, match="larger"):
        read_member(dlpk(tmp_path / "a.dlpk", {"a.emd": text.encode()}), "a.emd", 4 * 1024 * 1024)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "null", "[" * 100_000, '"ModelType"', "\x00"])
def test_a_definition_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.emd").write_text(text)
    with pytest.raises(ModelError):
        read_card(tmp_path / "a.emd")


def test_nonsense_values_in_a_definition_are_left_out(tmp_path: Path) -> None:
    strange: dict[str, Any] = {key: {"a": [1]} for key in LAND_COVER}
    card = read_card(emd(tmp_path / "a.emd", **strange))
    assert (card.kind, card.tile, card.classes, card.metres_range, card.batch) == ("other", 0, (), None, 1)


def test_a_flood_of_members_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.dlpk", "w") as package:
        for number in range(MOST_MEMBERS + 1):
            package.writestr(str(number), b"")
    with pytest.raises(ModelError, match="10,001 files"):
        member_names(tmp_path / "a.dlpk")


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="twice"):
        member_names(dlpk(tmp_path / "a.dlpk", {"a.emd": b"{}", "A.EMD": b"{}"}))


@pytest.mark.parametrize(("cut", "flipped"), [(1, 26), (10, 60), (60, 120)])
def test_a_damaged_package_is_refused(tmp_path: Path, cut: int, flipped: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("a.emd", json.dumps(LAND_COVER))
    data = buffer.getvalue()
    (tmp_path / "cut.dlpk").write_bytes(data[:-cut])
    (tmp_path / "flipped.dlpk").write_bytes(data[:flipped] + bytes([data[flipped] ^ 0xFF]) + data[flipped + 1 :])
    for name in ("cut.dlpk", "flipped.dlpk"):
        with pytest.raises(ModelError) as caught:
            read_card(tmp_path / name)
        assert caught.value.hint


def test_a_folder_with_two_models_asks_which(tmp_path: Path) -> None:
    colour_net(tmp_path / "a.onnx")
    colour_net(tmp_path / "b.onnx")
    with pytest.raises(ModelError, match=r"2 models: a\.onnx, b\.onnx"):
        read_card(tmp_path)
