"""The project file as any GIS sees it: a GeoPackage with a layer of change polygons."""

import sqlite3
import warnings
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from cimgen_qt.core.edits import Edit, Rectangle, Stroke
from cimgen_qt.core.grid import Window
from cimgen_qt.core.render import Patch, Rendered
from tests.rasters import MemoryReader, noise, project_over


def read(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray, str | None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*non conformant file extension.*", category=RuntimeWarning)
        meta, _, blobs, columns = pyogrio.raw.read(path, layer="changes")
    return dict(zip(meta["fields"], columns, strict=True)), shapely.from_wkb(blobs), meta["crs"]


def test_gdal_reads_the_changes_with_their_facts(tmp_path: Path) -> None:
    path = tmp_path / "p.cimgen"
    scene = project_over(path, MemoryReader(noise()), np.full((600, 700), 4, np.uint8))
    scene.paint(Edit(Rectangle(10, 20, 30, 40), 2))
    scene.paint(Edit(Stroke(((300.0, 200.0), (300.0, 400.0)), 10), 3))
    labels, original = scene.read_labels(Window(0, 0, 600, 700)), scene.read_map(Window(0, 0, 600, 700))
    mask = labels != original
    patch = Patch(Window(0, 0, 600, 700), mask, ~mask & False, np.zeros((600, 700, 3), np.uint8), mask.astype(np.uint8))
    scene.lay(Rendered((patch,), scene.project.head, {"name": "flat", "sha256": "ab"}, 9, {}, "changed"))
    scene.project.close()

    rows, shapes, crs = read(path)
    assert crs == "EPSG:32633"
    assert rows["kind"].tolist() == ["paint", "paint", "generate", "generate"]
    assert rows["class_from"].tolist() == ["vegetation"] * 4
    assert rows["class_to"].tolist() == ["road", "water", "road", "water"]
    assert rows["model"].tolist() == [None, None, "flat", "flat"]
    assert rows["seed"].tolist()[2:] == [9, 9]
    assert shapely.is_valid(shapes).all()
    assert shapely.area(shapes) == pytest.approx(rows["area_m2"])
    assert rows["area_m2"][0] == pytest.approx(30 * 40 * 0.25)
    assert shapely.bounds(shapes[0]).tolist() == [458010.0, 5427980.0, 458030.0, 5427995.0]


def test_undone_changes_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "p.cimgen"
    scene = project_over(path, MemoryReader(noise()))
    scene.paint(Edit(Rectangle(10, 20, 30, 40), 2))
    scene.paint(Edit(Rectangle(100, 20, 30, 40), 2))
    scene.undo()
    scene.project.close()
    assert len(read(path)[1]) == 1


def test_image_without_position_gives_pixel_coordinates(tmp_path: Path) -> None:
    path = tmp_path / "p.cimgen"
    scene = project_over(path, MemoryReader(noise(), transform=(1, 0, 0, 0, 1, 0), crs=None))
    scene.paint(Edit(Rectangle(10, 20, 30, 40), 2))
    scene.project.close()
    rows, shapes, _ = read(path)
    assert np.isnan(rows["area_m2"][0])
    assert shapely.bounds(shapes[0]).tolist() == [20, 10, 60, 40]


def test_header_and_required_tables_are_those_of_the_standard(tmp_path: Path) -> None:
    path = tmp_path / "p.cimgen"
    project_over(path, MemoryReader(noise())).project.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA application_id").fetchone()[0] == 0x47504B47
        assert db.execute("PRAGMA user_version").fetchone()[0] >= 10200
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        ids = {row[0] for row in db.execute("SELECT srs_id FROM gpkg_spatial_ref_sys")}
        assert {-1, 0, 4326, 32633} <= ids
    db.close()
