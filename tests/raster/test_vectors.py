"""Vectors burned into classes: by attribute, by OpenStreetMap's tags, in order, lines in metres."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.crs import CRS
from rasterio.warp import transform as to_crs

from cimgen_qt.core.errors import MapError
from cimgen_qt.core.palette import DEFAULT_PALETTE, Palette, SemanticClass
from cimgen_qt.core.raster import Labels
from cimgen_qt.raster import osm
from cimgen_qt.raster.maps import MapOptions, MapReport, open_map
from cimgen_qt.raster.rasterio_io import open_raster
from cimgen_qt.raster.shapes_in import read_lines, read_polygons
from tests.rasters import MemoryReader, noise

UTM = CRS.from_epsg(32633).to_wkt()
X, Y = 458000.0, 5428000.0


def photo() -> MemoryReader:
    return MemoryReader(noise(400, 500), crs=UTM)


def write(path: Path, shapes: list[object], crs: str | None = "EPSG:32633", **columns: list[object]) -> Path:
    drivers = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".shp": "ESRI Shapefile"}
    kinds = {shapely.get_type_id(s) for s in shapes}
    pyogrio.raw.write(
        str(path), np.array(shapely.to_wkb(shapes)), [np.array(v, dtype=object) for v in columns.values()], list(columns),
        driver=drivers[path.suffix], crs=crs, geometry_type="Unknown" if len(kinds) > 1 else shapes[0].geom_type,
    )  # fmt: skip
    return path


def rectangle(row: float, col: float, bottom: float, right: float) -> shapely.Polygon:
    """In pixels of the photo."""
    return shapely.box(X + col * 0.5, Y - bottom * 0.5, X + right * 0.5, Y - row * 0.5)


def taken(path: Path, palette: Palette = DEFAULT_PALETTE, **options: object) -> tuple[Labels, MapReport]:
    reader = photo()
    grid = reader.info.grid
    with open_map(path, grid, palette, reader, MapOptions(**options)) as source:  # type: ignore[arg-type]
        out = np.zeros((grid.height, grid.width), np.uint8)
        for window, labels in source.blocks():
            out[window.slices()] = labels
        return out, source.report()


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp"])
def test_polygons_are_burned_by_attribute(tmp_path: Path, suffix: str) -> None:
    path = write(
        tmp_path / f"v{suffix}", [rectangle(10, 20, 60, 90), rectangle(300, 200, 380, 470)], kind=["Building", "3"]
    )
    got, report = taken(path, field="kind")
    assert (got[10:60, 20:90] == 1).all()
    assert (got[300:380, 200:470] == 3).all()
    assert (got > 0).sum() == 50 * 70 + 80 * 270
    assert report.unmapped_pixels == 0


def test_lon_lat_lands_where_it_belongs(tmp_path: Path) -> None:
    shape = rectangle(100, 100, 200, 200)
    xs, ys = to_crs("EPSG:32633", "EPSG:4326", *map(list, zip(*shape.exterior.coords, strict=True)))
    path = tmp_path / "v.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [list(zip(xs, ys, strict=True))]}))
    got, _ = taken(path, class_name="water")
    assert abs(int((got == 3).sum()) - 10000) <= 200
    assert (got[102:198, 102:198] == 3).all()


def test_lines_are_as_wide_as_their_metres(tmp_path: Path) -> None:
    line = shapely.LineString([(X + 20, Y - 100), (X + 220, Y - 100)])
    path = write(tmp_path / "v.gpkg", [line] * 1, highway=["residential"], width=["8 m"])
    got, _ = taken(path)
    rows, cols = np.nonzero(got == 2)
    assert (rows.max() - rows.min() + 1) * 0.5 == pytest.approx(8, abs=0.5)
    assert (cols.min(), cols.max()) == (40, 439)


def test_lines_are_as_wide_in_both_directions_where_pixels_are_not_square(tmp_path: Path) -> None:
    step = 1e-5
    reader = MemoryReader(noise(400, 400), transform=(step, 0, 10, 0, -step, 60), crs=CRS.from_epsg(4326).to_wkt())
    size = reader.info.grid.pixel_size
    assert size is not None
    cross = [shapely.LineString([(10, 60 - 200 * step), (10 + 400 * step, 60 - 200 * step)]),
             shapely.LineString([(10 + 200 * step, 60), (10 + 200 * step, 60 - 400 * step)])]  # fmt: skip
    path = write(tmp_path / "v.gpkg", cross, crs="EPSG:4326", kind=["road", "road"])
    with open_map(path, reader.info.grid, DEFAULT_PALETTE, reader, MapOptions(field="kind")) as source:
        got = np.zeros((400, 400), np.uint8)
        for window, labels in source.blocks():
            got[window.slices()] = labels
    assert (got[:, 50] > 0).sum() * size[0] == pytest.approx(7.5, abs=1.2)
    assert (got[50] > 0).sum() * size[1] == pytest.approx(7.5, abs=0.6)


def test_what_lies_higher_is_seen(tmp_path: Path) -> None:
    ground = rectangle(50, 50, 250, 250)
    path = write(tmp_path / "v.gpkg", [rectangle(100, 100, 150, 150), ground, rectangle(120, 60, 180, 200)],
                 building=["yes", "", ""], landuse=["", "grass", ""], natural=["", "", "water"])  # fmt: skip
    got, _ = taken(path)
    assert (got[100:150, 100:150] == 1).all()
    assert got[170, 70] == 3
    assert got[60, 60] == 4


def test_broken_shapes_are_mended_and_points_left_out(tmp_path: Path) -> None:
    bow = shapely.Polygon([(X + 10, Y - 10), (X + 60, Y - 60), (X + 60, Y - 10), (X + 10, Y - 60)])
    path = write(tmp_path / "v.gpkg", [bow, shapely.Point(X + 5, Y - 5)], kind=["water", "water"])
    got, report = taken(path, field="kind")
    assert (got == 3).sum() == pytest.approx(5000, rel=0.02)
    assert any("mended" in note for note in report.notes)
    assert any("1 points" in note for note in report.notes)


def test_unknown_values_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "v.gpkg", [rectangle(0, 0, 9, 9), rectangle(20, 0, 29, 9)], kind=["water", "lava"])
    got, report = taken(path, field="kind")
    assert report.unmapped == {"lava": 81}
    assert report.unmapped_pixels == 81
    assert (got > 0).sum() == 81


def test_a_missing_field_is_told_with_what_there_is(tmp_path: Path) -> None:
    path = write(tmp_path / "v.gpkg", [rectangle(0, 0, 9, 9)], use=["x"])
    with pytest.raises(MapError, match="no field") as told:
        taken(path, field="kind")
    assert "use" in told.value.hint
    with pytest.raises(MapError, match="which class"):
        taken(path)
    with pytest.raises(MapError, match="stands for a class"):
        taken(path, field="use")


def test_vectors_from_elsewhere_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "v.gpkg", [shapely.box(0, 0, 9, 9)], kind=["water"])
    with pytest.raises(MapError, match="lies on the image"):
        taken(path, field="kind")


@pytest.mark.parametrize(
    "content", [b"", b"x", b"<OGRVRTDataSource/>", b"{", b'{"type": "FeatureCollection", "features": []}']
)
def test_what_is_no_vector_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.geojson").write_bytes(content)
    with pytest.raises(MapError):
        taken(tmp_path / "v.geojson", class_name="water")


def test_shapes_for_painting(tmp_path: Path) -> None:
    grid = photo().info.grid
    holed = rectangle(10, 10, 90, 90).difference(rectangle(40, 40, 50, 50))
    line = shapely.LineString([(X, Y), (X + 9, Y - 9)])
    path = write(tmp_path / "v.gpkg", [shapely.MultiPolygon([holed]), line], n=["1", "2"])
    (rings,) = read_polygons(path, grid)
    assert [len(ring) for ring in rings] == [5, 5]
    assert read_lines(path, grid) == [[(X, Y), (X + 9, Y - 9)]]


@pytest.mark.parametrize(
    ("tags", "width"),
    [
        ({"highway": "motorway"}, 18.75),
        ({"highway": "residential"}, 7.75),
        ({"highway": "residential", "oneway": "yes"}, 4.25),
        ({"highway": "primary", "lanes": "3"}, 13.25),
        ({"highway": "service", "width": "6,5 m"}, 6.5),
        ({"highway": "service", "width": "20 ft"}, 6.096),
        ({"highway": "service", "width": "6'6\""}, 1.9812),
        ({"highway": "service", "width": "900000"}, 6.0),
        ({"highway": "service", "lanes": "999"}, 6.0),
        ({"highway": "trunk"}, 26.25),
        ({"highway": "path"}, 1.0),
        ({"highway": "proposed"}, None),
    ],
)
def test_road_widths(tags: dict[str, str], width: float | None) -> None:
    assert osm.road_width(tags) == (None if width is None else pytest.approx(width))


def test_tunnels_are_no_ground() -> None:
    assert osm.meaning_of({"highway": "primary", "tunnel": "yes"}) is None
    assert osm.meaning_of({"waterway": "stream", "tunnel": "culvert"}) is None
    found = osm.meaning_of({"building": "house"})
    assert found is not None
    assert found.name == "building"


def test_real_buildings_agree_with_their_published_raster(shared_data: Path) -> None:
    palette = Palette((SemanticClass(0, "other", (9, 9, 9)), SemanticClass(1, "building", (200, 90, 0))))
    folder = shared_data / "banepa"
    with (
        open_raster(folder / "mosaic_train_rgb.tif") as reader,
        rasterio.open(folder / "buildings.tif") as wanted,
        open_map(
            folder / "buildings.geojson", reader.info.grid, palette, reader, MapOptions(class_name="building")
        ) as m,
    ):
        same = total = 0
        for window, labels in m.blocks():
            rows, cols = (window.row, window.bottom), (window.col, window.right)
            same += int((labels == wanted.read(1, window=(rows, cols))).sum())
            total += window.area
    assert same / total > 0.9999


def test_water_is_seen_in_a_park_and_trees_are_seen_on_an_island(tmp_path: Path) -> None:
    areas = [rectangle(0, 0, 200, 200), rectangle(50, 50, 150, 150), rectangle(90, 90, 110, 110)]
    path = write(tmp_path / "v.gpkg", areas[::-1], natural=["wood", "water", ""], leisure=["", "", "park"])
    got, _ = taken(path)
    assert (got[20, 20], got[60, 60], got[100, 100]) == (4, 3, 6)


def test_layers_of_tags_go_before_kinds_and_other_tags_are_read(tmp_path: Path) -> None:
    bridge = shapely.LineString([(X + 10, Y - 50), (X + 100, Y - 50)])
    tags = '"layer"=>"1","oneway"=>"yes"'
    path = write(tmp_path / "v.gpkg", [bridge, rectangle(0, 0, 200, 200)], highway=["service", ""],
                 building=["", "yes"], other_tags=[tags, ""])  # fmt: skip
    got, _ = taken(path)
    rows = np.nonzero(got[:, 100] == 2)[0]
    assert len(rows) * 0.5 == pytest.approx(3.0, abs=0.5)
    assert got[20, 20] == 1


def test_a_palette_without_trees_takes_vegetation(tmp_path: Path) -> None:
    palette = Palette((SemanticClass(9, "Vegetation", (1, 2, 3)), SemanticClass(4, "road", (4, 5, 6))))
    path = write(tmp_path / "v.gpkg", [rectangle(0, 0, 9, 9), rectangle(20, 20, 29, 29)], natural=["wood", "water"])
    got, report = taken(path, palette)
    assert got[3, 3] == 9
    assert report.unmapped == {"water": 81}


def test_a_table_reads_whole_numbers_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps({"1234567": "water", "2": "", "x": "road"}))
    path = write(tmp_path / "v.geojson", [rectangle(0, 0, 9, 9), rectangle(20, 20, 29, 29)], code=[1234567, 2])
    got, report = taken(path, field="code", table=tmp_path / "t.json")
    assert got[3, 3] == 3
    assert (got > 0).sum() == 81
    assert report.unmapped_pixels == 0
    with pytest.raises(MapError, match="needs the field"):
        taken(path, table=tmp_path / "t.json")


def test_a_file_is_what_its_content_says(tmp_path: Path) -> None:
    path = write(tmp_path / "v.gpkg", [rectangle(10, 10, 20, 20)], kind=["water"])
    assert (taken(path.rename(tmp_path / "v.tif"), field="kind")[0] == 3).sum() == 100


def test_one_of_several_layers_has_to_be_named(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    for name, shape in (("lakes", rectangle(0, 0, 9, 9)), ("lawns", rectangle(20, 20, 29, 29))):
        pyogrio.raw.write(str(path), np.array([shapely.to_wkb(shape)]), [], [], driver="GPKG", layer=name,
                          crs="EPSG:32633", geometry_type="Polygon", append=path.exists())  # fmt: skip
    with pytest.raises(MapError, match="has 2 layers") as told:
        taken(path, class_name="water")
    assert "lakes, lawns" in told.value.hint
    with pytest.raises(MapError, match="no layer"):
        taken(path, class_name="water", layer="seas")
    assert (taken(path, class_name="water", layer="lawns")[0] == 3).sum() == 81
    assert len(read_polygons(path, photo().info.grid)) == 2


def test_the_whole_world_can_be_a_feature(tmp_path: Path) -> None:
    path = tmp_path / "v.geojson"
    ring = [[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    assert (taken(path, class_name="water")[0] == 3).all()


def test_strips_meet_without_a_seam(tmp_path: Path) -> None:
    reader = MemoryReader(np.zeros((300, 9000, 1), np.uint8), crs=UTM)
    line = shapely.LineString([(X, Y - 10), (X + 4500, Y - 140)])
    path = write(tmp_path / "v.gpkg", [line], kind=["road"])
    with open_map(path, reader.info.grid, DEFAULT_PALETTE, reader, MapOptions(field="kind")) as source:
        got = np.zeros((300, 9000), np.uint8)
        for window, labels in source.blocks():
            got[window.slices()] = labels
    wide = (got == 2).sum(axis=0)[20:-20]
    assert (wide.min(), wide.max()) == (15, 16)


def test_a_shapefile_without_a_crs_is_taken_to_be_in_the_images(tmp_path: Path) -> None:
    path = write(tmp_path / "v.shp", [rectangle(10, 10, 20, 20)], kind=["water"])
    (tmp_path / "v.prj").unlink()
    got, report = taken(path, field="kind")
    assert (got == 3).sum() == 100
    assert "no CRS" in report.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read a.gpkg"}',
        '{"type": "FeatureCollection", "features": [], "crs": {"type": "link", "properties": {"href": "http://a.b"}}}',
        '{"type": "Polygon", "crs": {"type": "name", "properties": {"name": "EPSG:999999"}}, "coordinates": '
        "[[[0, 0], [1, 0], [1, 1], [0, 0]]]}",
        '{"type": "Polygon", "coordinates": [[[NaN, 0], [1, 0], [1, 1], [NaN, 0]]]}',
        '{"type": "Polygon", "coordinates": [[[1e308, 0], [1, 0], [-1e308, 1], [1e308, 0]]]}',
        '{"type": "Polygon", "coordinates": "x"}',
        '{"type": "FeatureCollection", "features": [3]}',
        '{"type": "FeatureCollection", "features":' + "[" * 5000,
        '{"type": "Feature", "properties": null, "geometry": null}',
    ],
)
def test_geojson_that_leads_elsewhere_or_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.geojson").write_text(text)
    for read in (lambda p: taken(p, class_name="water"), lambda p: read_polygons(p, photo().info.grid)):
        with pytest.raises(MapError) as told:
            read(tmp_path / "v.geojson")
        assert told.value.hint


@pytest.mark.parametrize("length", [100, 5000, 40000])
def test_a_truncated_geopackage_is_refused(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "v.gpkg", [rectangle(0, 0, 9, 9)], kind=["water"])
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(MapError):
        taken(path, field="kind")


def test_other_sqlite_files_are_no_vectors(tmp_path: Path) -> None:
    path = write(tmp_path / "v.gpkg", [rectangle(0, 0, 9, 9)], kind=["water"])
    data = bytearray(path.read_bytes())
    data[68:72] = b"\0\0\0\0"
    path.write_bytes(data)
    with pytest.raises(MapError, match="is no GeoPackage"):
        taken(path, field="kind")


def test_a_geopackage_that_another_program_has_open_is_read_as_it_is_and_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "v.gpkg", [rectangle(10, 10, 20, 20)], kind=["water"])
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("PRAGMA wal_autocheckpoint=0")
        for (trigger,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            other.execute(f'DROP TRIGGER "{trigger}"')
        other.execute("UPDATE v SET kind = 'tree'")
        other.commit()
        before = {
            file.name: file.read_bytes() for file in path.parent.iterdir() if file.name.endswith(("gpkg", "-wal"))
        }
        left = tmp_path / "left"
        left.mkdir()
        for name, data in before.items():
            (left / name).write_bytes(data)
        assert "v.gpkg-wal" in before
        assert (taken(path, field="kind")[0] == 6).sum() == 100
        assert (taken(left / "v.gpkg", field="kind")[0] == 6).sum() == 100
        read_polygons(left / "v.gpkg", photo().info.grid)
        assert {file.name: file.read_bytes() for file in left.iterdir()} == before
