"""Scopes and maps from vector files, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rasterio.warp import transform as to_crs

from cimgen_qt.cli import main
from cimgen_qt.core.grid import Window
from cimgen_qt.opening import open_project
from cimgen_qt.paths import resources

SAMPLE = resources() / "samples" / "village.tif"


def lon_lat(corners: list[tuple[float, float]], project: Path, kind: str = "Polygon") -> dict[str, object]:
    """(row, col) corners as GeoJSON in longitude and latitude."""
    with open_project(project, read_only=True) as opened:
        xs, ys = zip(*(opened.project.grid.xy(row, col) for row, col in corners), strict=True)
    points = [list(p) for p in zip(*to_crs("EPSG:32633", "EPSG:4326", xs, ys), strict=True)]
    return {"type": kind, "coordinates": [points] if kind == "Polygon" else points}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "p.cimgen"
    assert main(["new", str(path), "--image", str(SAMPLE), "--map", str(SAMPLE.with_name("village_map.tif"))]) == 0
    return path


def test_ground_named_by_a_file_in_another_crs_is_made(project: Path, tmp_path: Path) -> None:
    square = [(100, 100), (100, 160), (150, 160), (150, 100), (100, 100)]
    (tmp_path / "s.geojson").write_text(json.dumps(lon_lat(square, project)))  # type: ignore[arg-type]
    words = ["render", str(project), "--model", "flat", "--scope", str(tmp_path / "s.geojson"), "--accept"]
    assert main(words) == 0
    with open_project(project, read_only=True) as opened:
        origin = opened.snapshot().read_origin(Window(0, 0, 640, 640)) > 0
    rows, cols = np.nonzero(origin)
    assert abs(rows.min() - 100) <= 1
    assert abs(cols.max() - 159) <= 1
    assert abs(int(origin.sum()) - 50 * 60) < 150


def test_a_road_is_painted_from_a_line_in_another_crs(project: Path, tmp_path: Path) -> None:
    line = [(420.0, 420.0), (500.0, 600.0)]
    (tmp_path / "l.geojson").write_text(json.dumps(lon_lat(line, project, "LineString")))
    assert (
        main(["paint", str(project), "--class", "road", "--stroke", str(tmp_path / "l.geojson"), "--width", "6"]) == 0
    )
    with open_project(project, read_only=True) as opened:
        (area,) = opened.scene.areas()
    length = float(np.hypot(80, 180)) * 0.3
    assert area.square_metres == pytest.approx(length * 6, rel=0.05)


def test_a_wanted_map_becomes_areas_to_generate(project: Path, tmp_path: Path) -> None:
    square = [(450, 450), (450, 520), (500, 520), (500, 450), (450, 450)]
    (tmp_path / "m.geojson").write_text(json.dumps(lon_lat(square, project)))  # type: ignore[arg-type]
    words = ["map", str(project), "--map", str(tmp_path / "m.geojson"), "--class", "water", "--edited"]
    assert main(words) == 0
    with open_project(project, read_only=True) as opened:
        inside = opened.snapshot().read_labels(Window(455, 455, 40, 60))
        (area,) = opened.scene.areas()
    assert (inside == 3).all()
    assert abs(area.pixels - 3500) < 150, "where the plan says nothing the map stays"
