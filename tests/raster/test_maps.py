"""Class rasters and coloured maps, on the image's grid and off it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform as to_crs

from cimgen_qt.core.errors import CimgenError, MapError, RasterError
from cimgen_qt.core.grid import Grid
from cimgen_qt.core.palette import DEFAULT_PALETTE
from cimgen_qt.core.raster import Labels
from cimgen_qt.raster.maps import MapOptions, MapReport, open_map
from tests.rasters import MemoryReader

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
HEIGHT, WIDTH = 520, 610
PLACE = Affine(0.5, 0, 4.58e5, 0, -0.5, 5.428e6)


def place(cols: float = 0.0, rows: float = 0.0, scale: float = 1.0) -> Affine:
    """The photo's transform, moved by pixels and with pixels of another size."""
    return Affine(0.5 * scale, 0, PLACE.c + cols * 0.5, 0, -0.5 * scale, PLACE.f - rows * 0.5)


def classes(seed: int = 0) -> Labels:
    """Patches of classes 0 to 7."""
    coarse = np.random.default_rng(seed).integers(0, 8, (HEIGHT // 40 + 1, WIDTH // 40 + 1), np.uint8)
    return np.kron(coarse, np.ones((40, 40), np.uint8))[:HEIGHT, :WIDTH]


def photo_of(labels: Labels, crs: str | None = "EPSG:32633") -> MemoryReader:
    """A photo whose edges are those of the classes."""
    rng = np.random.default_rng(1)
    pixels = np.repeat((labels[..., None] * 25 + 30).astype(float), 3, 2) + rng.normal(0, 3, (*labels.shape, 3))
    if crs is None:
        return MemoryReader(pixels.clip(0, 255).astype(np.uint8), transform=(1, 0, 0, 0, 1, 0), crs=None)
    wkt = CRS.from_string(crs).to_wkt()
    return MemoryReader(pixels.clip(0, 255).astype(np.uint8), transform=tuple(PLACE)[:6], crs=wkt)  # type: ignore[arg-type]


def write(path: Path, planes: np.ndarray, **options: object) -> Path:
    planes = planes if planes.ndim == 3 else planes[None]
    shape = {"driver": "GTiff", "count": planes.shape[0], "height": planes.shape[1], "width": planes.shape[2],
             "dtype": planes.dtype, "crs": "EPSG:32633", "transform": PLACE, **options}  # fmt: skip
    with rasterio.open(path, "w", **shape) as out:
        out.write(planes)
    return path


def taken(path: Path, photo: MemoryReader, **options: object) -> tuple[Labels, MapReport]:
    grid: Grid = photo.info.grid
    with open_map(path, grid, DEFAULT_PALETTE, photo, MapOptions(**options)) as source:  # type: ignore[arg-type]
        out = np.zeros((grid.height, grid.width), np.uint8)
        for window, labels in source.blocks():
            assert labels.shape == window.shape
            out[window.slices()] = labels
        return out, source.report()


def test_values_that_are_ids_are_taken_as_they_are(tmp_path: Path) -> None:
    labels = classes()
    got, report = taken(write(tmp_path / "m.tif", labels), photo_of(labels))
    assert np.array_equal(got, labels)
    assert (report.kind, report.unmapped_pixels, report.resampled) == ("class raster", 0, False)
    assert report.shares["building"] == pytest.approx((labels == 1).mean())
    assert report.notes == ()


def test_names_in_the_file_go_before_ids(tmp_path: Path) -> None:
    labels = classes()
    path = write(tmp_path / "m.tif", labels + 50)
    with rasterio.open(path, "r+") as out:
        out.update_tags(1, CLASS_51="building", CLASS_52="highway", CLASS_53="unheard of")
    got, report = taken(path, photo_of(labels))
    assert np.array_equal(got, np.select([labels == 1, labels == 2], [1, 2], 0))
    assert report.unmapped["53"] == int((labels == 3).sum())


def test_a_table_of_values_decides(tmp_path: Path) -> None:
    labels = classes()
    (tmp_path / "t.json").write_text(json.dumps({"1": "water", "2": 6, "3": ""}))
    (tmp_path / "t.toml").write_text('[table]\n1 = "water"\n2 = "tree"\n3 = ""\n')
    for table in ("t.json", "t.toml"):
        got, report = taken(write(tmp_path / "m.tif", labels), photo_of(labels), table=tmp_path / table)
        assert np.array_equal(got, np.select([labels == 1, labels == 2], [3, 6], 0))
        assert report.unmapped_pixels == int((labels >= 4).sum())


def test_unknown_values_and_nodata_are_unlabelled_and_only_the_former_counted(tmp_path: Path) -> None:
    labels = classes().astype(np.int16)
    labels[:10] = 200
    labels[10:20] = -9999
    got, report = taken(write(tmp_path / "m.tif", labels, nodata=-9999), photo_of(classes()))
    assert (got[:20] == 0).all()
    assert report.unmapped == {"200": 10 * WIDTH}


def test_colours_become_the_nearest_class_within_the_tolerance(tmp_path: Path) -> None:
    labels = classes()
    rgb = DEFAULT_PALETTE.colour_table()[labels].astype(int) + np.random.default_rng(3).integers(
        -6, 7, (HEIGHT, WIDTH, 3)
    )
    rgb[:7] = (255, 0, 255)
    path = write(tmp_path / "m.tif", np.moveaxis(rgb.clip(0, 255).astype(np.uint8), 2, 0))
    got, report = taken(path, photo_of(labels))
    wanted = labels.copy()
    wanted[:7] = 0
    known = wanted > 0
    assert (got[known] == wanted[known]).mean() == 1.0
    assert report.kind == "coloured map"
    assert report.unmapped["#ff00ff"] == 7 * WIDTH
    assert taken(path, photo_of(labels), tolerance=1.0)[1].unmapped_pixels > report.unmapped_pixels


def test_another_grid_is_resampled_by_nearest_and_said_so(tmp_path: Path) -> None:
    labels = classes()
    fine = np.kron(labels, np.ones((2, 2), np.uint8))
    path = write(tmp_path / "m.tif", fine, transform=place(scale=0.5))
    got, report = taken(path, photo_of(labels))
    assert np.array_equal(got, labels)
    assert report.resampled
    assert "another grid" in report.notes[0]


def test_another_crs_lands_in_the_right_place(tmp_path: Path) -> None:
    labels = classes()
    (west,), (north,) = to_crs("EPSG:32633", "EPSG:4326", [4.58e5], [5.428e6])
    step = 0.5 / 111_320
    lon_lat = Affine(step / np.cos(np.radians(49)), 0, west, 0, -step, north)
    path = write(tmp_path / "m.tif", labels, crs="EPSG:4326", transform=lon_lat)
    got, report = taken(path, photo_of(labels))
    inner = np.s_[60:-60, 60:-60]
    assert (got[inner] == labels[inner]).mean() > 0.8
    assert report.resampled


def test_a_shifted_lattice_is_reported(tmp_path: Path) -> None:
    labels = classes()
    path = write(tmp_path / "m.tif", labels, transform=place(0.4, -0.3))
    _, report = taken(path, photo_of(labels))
    assert report.misregistration == pytest.approx((-0.3, 0.4), abs=1e-6)
    assert "shifted by 0.40 px" in report.notes[0]


def test_a_map_that_is_drawn_off_its_photo_is_noticed(tmp_path: Path) -> None:
    labels = classes()
    moved = np.roll(labels, (9, -6), axis=(0, 1))
    _, report = taken(write(tmp_path / "m.tif", moved), photo_of(labels))
    assert report.misregistration == (9.0, -6.0)
    assert "+9 rows and -6 columns" in report.notes[-1]


def test_without_a_position_the_sizes_have_to_agree(tmp_path: Path) -> None:
    labels = classes()
    bare = write(tmp_path / "m.tif", labels, crs=None, transform=None)
    assert np.array_equal(taken(bare, photo_of(labels, None))[0], labels)
    got, report = taken(bare, photo_of(labels))
    assert np.array_equal(got, labels)
    assert "only one of map and image" in report.notes[0]
    small = write(tmp_path / "s.tif", labels[:100], crs=None, transform=None)
    with pytest.raises(MapError, match="no position"):
        taken(small, photo_of(labels))


def test_a_map_from_elsewhere_is_refused(tmp_path: Path) -> None:
    labels = classes()
    path = write(tmp_path / "m.tif", labels, transform=place(9000))
    with pytest.raises(MapError, match="does not overlap"):
        taken(path, photo_of(labels))


@pytest.mark.parametrize("content", [b"", b"<VRTDataset/>", b"II*\x00" + b"\xff" * 60])
def test_what_is_no_raster_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.tif").write_bytes(content)
    with pytest.raises(RasterError):
        taken(tmp_path / "m.tif", photo_of(classes()))


@pytest.mark.parametrize("text", ["[]", "{", '{"1": "lava"}', "{}"])
def test_nonsense_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(CimgenError):
        taken(write(tmp_path / "m.tif", classes()), photo_of(classes()), table=tmp_path / "t.json")
