"""Palettes: in files and back, by content, and apart for every eye."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from cimgen_qt.core.errors import CimgenError, MapError
from cimgen_qt.core.palette import DEFAULT_PALETTE, Palette, SemanticClass
from cimgen_qt.core.palette_io import (
    from_colour_table,
    from_qml,
    from_toml,
    load_palette,
    save_palette,
    to_colour_table,
    to_qml,
    to_toml,
)
from cimgen_qt.paths import resources
from cimgen_qt.raster.palettes import open_palette

# Viénot, Brettel and Mollon (1999), and Brettel et al. (1997) for tritanopia: linear RGB as such eyes see it.
EYES = {
    "all cones": np.eye(3),
    "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    "tritanopia": [[1.01277, 0.13548, -0.14826], [-0.01243, 0.86812, 0.14431], [0.07589, 0.80500, 0.11911]],
}
APART = 20.0
"""Least distance in CIE Lab between two of the first six classes (2 is just seen side by side)."""


def lab(colour: tuple[int, int, int], eye: str) -> np.ndarray:
    srgb = np.array(colour) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(EYES[eye]) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    f = np.cbrt(np.maximum(xyz / [0.9505, 1, 1.089], 0.008856))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", EYES)
def test_first_classes_are_apart_for_every_eye(eye: str) -> None:
    for one, other in combinations([c for c in DEFAULT_PALETTE if c.id][:6], 2):
        distance = float(np.linalg.norm(lab(one.colour, eye) - lab(other.colour, eye)))
        assert distance >= APART, f"{one.name} and {other.name}: {distance:.1f}"


def test_every_class_has_a_hatch_of_its_own_or_a_solid_tone() -> None:
    hatched = [c.pattern for c in DEFAULT_PALETTE if c.pattern != "solid"]
    assert len(hatched) == len(set(hatched))


def test_toml_and_back_is_the_same() -> None:
    odd = Palette((SemanticClass(7, 'a "b" \\ c\n', (1, 2, 3), "dots", "5", 2.5, ("x", "ÿ")),), "odd")
    for palette in (DEFAULT_PALETTE, odd):
        assert from_toml(to_toml(palette)) == palette


def test_qml_and_back_keeps_ids_names_and_colours(tmp_path: Path) -> None:
    save_palette(tmp_path / "p.qml", DEFAULT_PALETTE)
    again = load_palette(tmp_path / "p.qml")
    assert [(c.id, c.name, c.colour) for c in again] == [(c.id, c.name, c.colour) for c in DEFAULT_PALETTE]


def test_colour_table_and_back() -> None:
    names = {c.id: c.name for c in DEFAULT_PALETTE}
    again = from_colour_table(to_colour_table(DEFAULT_PALETTE), names)
    assert [(c.id, c.name, c.colour) for c in again] == [(c.id, c.name, c.colour) for c in DEFAULT_PALETTE]


def test_the_colour_table_of_a_raster_is_a_palette(tmp_path: Path) -> None:
    palette = open_palette(resources() / "samples" / "village_map.tif")
    wanted = [(c.id, c.name, c.colour) for c in DEFAULT_PALETTE if c.id <= 7]
    assert [(c.id, c.name, c.colour) for c in palette] == wanted
    with pytest.raises(MapError, match="no colour table"):
        open_palette(resources() / "samples" / "village.tif")


@pytest.mark.parametrize("name", ["cimgen", "dubai", "building_other", "osm"])
def test_shipped_palettes_load(name: str) -> None:
    assert len(load_palette(resources() / "palettes" / f"{name}.toml")) >= 2


def test_shipped_default_is_the_built_in_one() -> None:
    assert load_palette(resources() / "palettes" / "cimgen.toml") == DEFAULT_PALETTE


@pytest.mark.parametrize(
    "text",
    [
        "", "name = 'x'", "[[class]]\nid = 1", "[[class]]\nid = 'a'\nname='b'\ncolour='#000000'",
        "[[class]]\nid = 300\nname='b'\ncolour='#000000'", "[[class]]\nid = 1\nname='b'\ncolour='red'",
        "[[class]]\nid = 1\nname='b'\ncolour='#000000'\nshape='x'",
        "[[class]]\nid=1\nname='b'\ncolour='#000000'\n[[class]]\nid=1\nname='c'\ncolour='#000000'", "[[class",
        "[[class]]\nid=inf\nname='b'\ncolour='#000000'", "[[class]]\nid=1\nname='b'\ncolour=[inf, 0, 0]",
        "[[class]]\nid=1\nname='b'\ncolour='#000000'\nwidth=nan", "[[class]]\nid=1\nname='b'\ncolour='#000000'\naliases='c'",
        "[[class]]\nid=1.5\nname='b'\ncolour='#000000'", "class = " + "[" * 5000, "class = [1]",
    ],
)  # fmt: skip
def test_nonsense_toml_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(CimgenError) as told:
        from_toml(text)
    assert told.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "<qgis/>", "<qgis", '<!DOCTYPE q [<!ENTITY a "b">]><qgis/>',
        '<q><paletteEntry value="900" color="#000000" label="x"/></q>',
        '<q><paletteEntry value="1" color="blue" label="x"/></q>',
        '<!DOCTYPE q SYSTEM "a>b" [<!ENTITY % c SYSTEM "file:///etc/hostname"> %c;]><q/>', "<a>" * 100_000,
        "<q>" + " " * 2**23 + "</q>",
    ],
)  # fmt: skip
def test_nonsense_qml_is_refused(text: str) -> None:
    with pytest.raises(MapError):
        from_qml(text)


def test_qml_written_by_qgis_is_understood() -> None:
    text = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
    <qgis version="3.40.6"><pipe><rasterrenderer type="paletted" band="1"><colorPalette>
    <paletteEntry value="1" alpha="255" label="House" color="#e31a1c"/>
    <paletteEntry value="4" alpha="255" label="Lake &amp; pond" color="#1f78b4"/></colorPalette></rasterrenderer></pipe></qgis>"""
    assert [(c.id, c.name) for c in from_qml(text)] == [(1, "House"), (4, "Lake & pond")]
    assert from_qml(to_qml(from_qml(text))) == from_qml(text)


def test_labels_that_stand_twice_in_qml_are_told_apart() -> None:
    entries = (
        '<paletteEntry value="1" color="#000001" label="House"/><paletteEntry value="2" color="#000002" label="house"/>'
    )
    assert [c.name for c in from_qml(f"<q>{entries}</q>")] == ["House (1)", "house (2)"]


def test_names_that_xml_cannot_hold_are_written_without_them() -> None:
    palette = Palette((SemanticClass(1, "a\x00<b>\x0b\ud800", (1, 2, 3)),))
    assert from_qml(to_qml(palette)).classes[0].name == "a <b>"


def test_a_filled_up_colour_table_gives_the_classes_it_has() -> None:
    table = dict.fromkeys(range(256), (0, 0, 0, 255)) | {1: (9, 9, 9, 255), 3: (8, 8, 8, 255)}
    assert [c.id for c in from_colour_table(table, {})] == [0, 1, 2, 3]
    with pytest.raises(MapError, match="no colours"):
        from_colour_table({}, {})


def test_dubai_has_the_published_ids_and_colours(shared_data: Path) -> None:
    published = json.loads((shared_data / "dubai" / "classes.json").read_text())
    published = published if isinstance(published, list) else published["classes"]
    palette = load_palette(resources() / "palettes" / "dubai.toml")
    for entry in published:
        assert palette.find(entry["name"]).id == entry["id"]
        assert palette.find(entry["id"]).colour == tuple(entry["rgb"])


def test_what_is_no_plain_file_is_no_palette(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(MapError):
            load_palette(path)


def test_classes_are_found_by_name_alias_and_id() -> None:
    assert DEFAULT_PALETTE.find("Building").id == DEFAULT_PALETTE.find("1").id == 1
    assert DEFAULT_PALETTE.find("highway").name == "road"
    with pytest.raises(MapError, match="no class 'lava'"):
        DEFAULT_PALETTE.find("lava")
