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
from cimgen_qt.core.palette import DEFAULT_PALETTE, Palette, SemanticClass
from cimgen_qt.core.raster import Labels
from cimgen_qt.raster.maps import MapOptions, MapReport, open_map
from cimgen_qt.raster.rasterio_io import open_raster
from tests.rasters import UTM33, MemoryReader

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
    assert "pixels 0.5 x 0.5 px" in report.notes[0]


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


def test_a_larger_map_on_the_same_lattice_is_cut_not_resampled(tmp_path: Path) -> None:
    labels = classes()
    wide = np.pad(labels, ((5, 9), (3, 7)), constant_values=2)
    got, report = taken(write(tmp_path / "m.tif", wide, transform=place(-3, -5)), photo_of(labels))
    assert np.array_equal(got, labels)
    assert (report.resampled, report.misregistration, report.notes) == (False, None, ())


def test_a_smaller_map_leaves_the_rest_unlabelled_and_says_so(tmp_path: Path) -> None:
    labels = classes()
    got, report = taken(write(tmp_path / "m.tif", labels[:260]), photo_of(labels))
    assert np.array_equal(got[:260], labels[:260])
    assert (got[260:] == 0).all()
    assert report.notes == ("the map covers 50 % of the image",)
    assert report.unmapped_pixels == 0


def test_a_crs_written_in_other_words_is_the_same(tmp_path: Path) -> None:
    labels = classes()
    pixels = photo_of(labels).pixels
    photo = MemoryReader(pixels, transform=tuple(PLACE)[:6], crs=UTM33)  # type: ignore[arg-type]
    got, report = taken(write(tmp_path / "m.tif", labels), photo)
    assert np.array_equal(got, labels)
    assert (report.resampled, report.notes) == (False, ())


def test_a_map_with_alpha_is_unlabelled_where_it_is_clear_and_where_it_ends(tmp_path: Path) -> None:
    labels = classes()
    rgba = np.dstack([DEFAULT_PALETTE.colour_table()[labels], np.full(labels.shape, 255, np.uint8)])
    rgba[:30, :, 3] = 0
    path = write(tmp_path / "m.tif", np.moveaxis(rgba, 2, 0)[:, :400], photometric="RGB", ALPHA="YES")
    got, report = taken(path, photo_of(labels))
    assert (got[:30] == 0).all()
    assert (got[400:] == 0).all()
    known = labels[30:400] > 0
    assert np.array_equal(got[30:400][known], labels[30:400][known])
    assert set(report.unmapped) <= {"#808080"}


def test_codes_beyond_255_are_read_by_a_table(tmp_path: Path) -> None:
    codes = classes().astype(np.int32) * 100 + 11
    codes[:10] = -7
    (tmp_path / "t.json").write_text(json.dumps({"311": "tree", "111": "building", "-7": "water"}))
    got, report = taken(write(tmp_path / "m.tif", codes), photo_of(classes()), table=tmp_path / "t.json")
    assert (got[:10] == 3).all()
    assert np.array_equal(got[10:], np.select([codes == 311, codes == 111], [6, 1], 0)[10:])
    assert report.unmapped["211"] == int((codes == 211).sum())


def test_broken_numbers_are_no_classes(tmp_path: Path) -> None:
    values = classes().astype(np.float32)
    values[:10] = 1.5
    values[10:20] = np.nan
    got, report = taken(write(tmp_path / "m.tif", values), photo_of(classes()))
    assert (got[:20] == 0).all()
    assert np.array_equal(got[20:], classes()[20:])
    assert report.unmapped["1.5"] == 10 * WIDTH


def test_everything_but_zero_can_be_one_class(tmp_path: Path) -> None:
    mask = np.where(classes() == 1, 255, 0).astype(np.uint8)
    got, report = taken(write(tmp_path / "m.tif", mask), photo_of(classes()), class_name="building")
    assert np.array_equal(got, (classes() == 1).astype(np.uint8))
    assert report.unmapped_pixels == 0


def test_the_colours_of_a_paletted_raster_tell_its_classes(tmp_path: Path) -> None:
    labels = classes()
    path = write(tmp_path / "m.tif", np.where(labels > 0, 20 - labels, 0).astype(np.uint8))
    with rasterio.open(path, "r+") as out:
        out.write_colormap(1, {20 - c.id: (*c.colour, 255) for c in DEFAULT_PALETTE if 0 < c.id < 8})
    got, report = taken(path, photo_of(labels))
    assert np.array_equal(got, labels)
    assert report.unmapped_pixels == 0


def test_values_are_ids_where_colours_say_nothing_and_that_is_told(tmp_path: Path) -> None:
    labels = classes()
    path = write(tmp_path / "m.tif", labels)
    with rasterio.open(path, "r+") as out:
        out.write_colormap(1, {n: (n * 30, 255 - n, 7, 255) for n in range(8)})
    got, report = taken(path, photo_of(labels))
    assert np.array_equal(got, labels)
    assert "taken as class ids" in report.notes[0]


@pytest.mark.parametrize(
    "inner",
    [
        "<CategoryNames><Category></Category><Category>water</Category><Category>tree</Category></CategoryNames>",
        "<GDALRasterAttributeTable><FieldDefn index='0'><Name>V</Name><Type>0</Type><Usage>5</Usage></FieldDefn>"
        "<FieldDefn index='1'><Name>N</Name><Type>2</Type><Usage>2</Usage></FieldDefn>"
        "<Row index='0'><F>1</F><F>water</F></Row><Row index='1'><F>2</F><F>tree</F></Row></GDALRasterAttributeTable>",
    ],
)
def test_names_beside_the_file_are_heeded(tmp_path: Path, inner: str) -> None:
    labels = classes()
    path = write(tmp_path / "m.tif", labels)
    text = f"<PAMDataset><PAMRasterBand band='1'>{inner}</PAMRasterBand></PAMDataset>"
    (tmp_path / "m.tif.aux.xml").write_text(text)
    got, _ = taken(path, photo_of(labels))
    assert np.array_equal(got, np.select([labels == 1, labels == 2], [3, 6], 0))


def test_a_table_can_name_the_colours_of_a_map(tmp_path: Path) -> None:
    rgb = np.zeros((3, HEIGHT, WIDTH), np.uint8)
    rgb[0] = np.where(classes() == 1, 250, 0)
    path = write(tmp_path / "m.tif", rgb)
    (tmp_path / "t.toml").write_text('"#ff0000" = "building"\n"#000000" = ""\n')
    got, report = taken(path, photo_of(classes()), table=tmp_path / "t.toml")
    assert np.array_equal(got, (classes() == 1).astype(np.uint8))
    assert report.unmapped_pixels == 0
    (tmp_path / "t.toml").write_text('3 = "building"\n')
    with pytest.raises(MapError, match="does not fit a coloured map"):
        taken(path, photo_of(classes()), table=tmp_path / "t.toml")


def test_a_photo_given_as_a_map_does_not_fill_the_memory_with_colours(tmp_path: Path) -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (3, HEIGHT, WIDTH), np.uint8)
    with open_map(write(tmp_path / "m.tif", rgb), photo_of(classes()).info.grid, DEFAULT_PALETTE, photo_of(classes()),
                  MapOptions(tolerance=3.0)) as source:  # fmt: skip
        for _ in source.blocks():
            assert len(source._unmapped) <= 4096
        report = source.report()
    assert "others" in report.unmapped
    assert report.unmapped_pixels / (HEIGHT * WIDTH) == pytest.approx(sum(report.shares.values()), abs=0.01)


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), 1000.0])
def test_a_tolerance_that_makes_no_sense_is_refused(tmp_path: Path, tolerance: float) -> None:
    rgb = np.zeros((3, HEIGHT, WIDTH), np.uint8)
    with pytest.raises(MapError, match="makes no sense"):
        taken(write(tmp_path / "m.tif", rgb), photo_of(classes()), tolerance=tolerance)


def test_a_photo_without_edges_tells_no_shift(tmp_path: Path) -> None:
    flat = MemoryReader(np.zeros((HEIGHT, WIDTH, 1), np.uint8), transform=tuple(PLACE)[:6], crs=UTM33)  # type: ignore[arg-type]
    _, report = taken(write(tmp_path / "m.tif", classes()), flat)
    assert (report.misregistration, report.notes) == (None, ())


def test_the_registration_of_real_maps_is_not_doubted_and_a_shift_is_found(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "banepa"
    palette = Palette((SemanticClass(0, "other", (9, 9, 9)), SemanticClass(1, "building", (200, 90, 0))))
    with open_raster(folder / "mosaic_train_rgb.tif") as photo:
        grid = photo.info.grid
        with open_map(folder / "buildings.tif", grid, palette, photo, MapOptions()) as source:
            assert source.report().misregistration is None
        with rasterio.open(folder / "buildings.tif") as data:
            moved, profile = np.roll(data.read(1), (14, -9), (0, 1)), data.profile
        with rasterio.open(tmp_path / "m.tif", "w", **profile) as out:
            out.write(moved, 1)
        with open_map(tmp_path / "m.tif", grid, palette, photo, MapOptions()) as source:
            assert source.report().misregistration == pytest.approx((14, -9), abs=3)


@pytest.mark.parametrize("content", [b"", b"<VRTDataset/>", b"II*\x00" + b"\xff" * 60])
def test_what_is_no_raster_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.tif").write_bytes(content)
    with pytest.raises(RasterError):
        taken(tmp_path / "m.tif", photo_of(classes()))


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"1": "lava"}', "{}", '{"a": 1}', '{"1e999": 1}', "[" * 5000, '{"1": [2]}']
)
def test_nonsense_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(CimgenError):
        taken(write(tmp_path / "m.tif", classes()), photo_of(classes()), table=tmp_path / "t.json")
