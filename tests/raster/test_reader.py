"""The reader says exactly what lies in a raster, and leaves the file and its folder as they were."""

from __future__ import annotations

import hashlib
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint

from cimgen_qt.core.errors import RasterError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import SUPPORTED_DTYPES
from cimgen_qt.raster.metadata import quiet
from cimgen_qt.raster.rasterio_io import open_raster
from tests.raster.hostile import Tags, tiff

WHOLE = Window(0, 0, 40, 50)
TRANSFORMS = {
    "north-up": (0.25, 0.0, 458123.1, 0.0, -0.25, 5428000.3), "south-up": (0.5, 0.0, 10.0, 0.0, 0.5, 20.0),
    "rotated": (0.1, 0.07, 1 / 3, 0.07, -0.1, 2 / 3), "sheared": (1.0, 0.3, 0.0, 0.0, -1.0, 0.1),
    "degrees": (1.3411045074462891e-06, 0.0, 85.518951415, 0.0, -1.18812312e-06, 27.6342),
}  # fmt: skip


def make(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    """`pixels` are (band, row, col)."""
    keys = {"driver": "GTiff", "crs": "EPSG:32633", "transform": rasterio.Affine(*TRANSFORMS["north-up"])} | options
    with quiet(), rasterio.open(path, "w", height=pixels.shape[1], width=pixels.shape[2], count=len(pixels),
                                dtype=pixels.dtype.name, **keys) as out:  # fmt: skip
        out.write(pixels)
    return path


def noise(dtype: str = "uint8", bands: int = 3) -> NDArray[Any]:
    rng = np.random.default_rng(4)
    if dtype == "float32":
        return rng.normal(0, 1e4, (bands, 40, 50)).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, (bands, 40, 50), dtype, endpoint=True)


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_transform_is_kept_to_the_bit(tmp_path: Path, kind: str) -> None:
    path = make(tmp_path / "t.tif", noise(), transform=rasterio.Affine(*TRANSFORMS[kind]))
    with open_raster(path) as reader:
        assert reader.info.grid.transform == TRANSFORMS[kind]
        assert reader.info.grid.window == WHOLE
        assert reader.info.grid.is_georeferenced


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "ESRI:102001", "EPSG:4979", "EPSG:7415", "IAU_2015:30100"])
def test_crs_is_told_as_wkt_that_gives_it_back(tmp_path: Path, crs: str) -> None:
    with open_raster(make(tmp_path / "t.tif", noise(), crs=crs)) as reader:
        assert reader.info.grid.crs is not None
        assert rasterio.CRS.from_wkt(reader.info.grid.crs) == rasterio.CRS.from_user_input(crs)


@pytest.mark.parametrize("dtype", SUPPORTED_DTYPES)
@pytest.mark.parametrize("bands", [1, 3, 7])
def test_pixels_come_as_they_are(tmp_path: Path, dtype: str, bands: int) -> None:
    pixels = noise(dtype, bands)
    with open_raster(make(tmp_path / "t.tif", pixels, tiled=True, blockxsize=32, blockysize=16)) as reader:
        assert (reader.info.dtype, reader.info.bands, reader.info.block) == (dtype, bands, (16, 32))
        window = Window(3, 5, 30, 41)
        read = reader.read(window)
        assert read.dtype == dtype
        assert read.flags.c_contiguous
        assert np.array_equal(read, np.moveaxis(pixels, 0, 2)[window.slices()])


@pytest.mark.parametrize(
    "window", [Window(0, 0, 41, 50), Window(-1, 0, 4, 4), Window(39, 49, 2, 2), Window(5, 5, 0, 3)]
)
def test_a_window_outside_is_an_error_and_not_a_smaller_array(tmp_path: Path, window: Window) -> None:
    with open_raster(make(tmp_path / "t.tif", noise())) as reader:
        for read in (reader.read, reader.read_valid, lambda w: reader.read_overview(w, 4, 4)):
            with pytest.raises(RasterError, match="outside"):
                read(window)


@pytest.mark.parametrize(
    ("dtype", "target"),
    [("complex64", "AMPLITUDE"), ("int32", "Int16"), ("uint32", "UInt16"), ("float64", "Float32"), ("int8", "Int16"), ("complex_int16", "AMPLITUDE")],
)  # fmt: skip
def test_other_dtypes_are_refused_by_name_with_a_way_out(tmp_path: Path, dtype: str, target: str) -> None:
    path = tmp_path / "t.tif"
    with rasterio.open(path, "w", driver="GTiff", width=9, height=9, count=1, dtype=dtype, crs="EPSG:32633",
                       transform=rasterio.Affine(1, 0, 9, 0, -1, 9)):  # fmt: skip
        pass
    with pytest.raises(RasterError, match=dtype) as raised:
        open_raster(path)
    assert "gdal_translate -ot" in raised.value.hint
    assert target in raised.value.hint


def test_nodata_in_every_band_is_no_data(tmp_path: Path) -> None:
    pixels = np.full((3, 40, 50), 9, np.uint8)
    pixels[:, :10] = 0
    pixels[0, 10:20] = 0
    with open_raster(make(tmp_path / "t.tif", pixels, nodata=0)) as reader:
        assert reader.info.nodata == (0.0, 0.0, 0.0)
        valid = reader.read_valid(WHOLE)
        assert not valid[:10].any()
        assert valid[10:].all()


@pytest.mark.parametrize("nodata", [-9999.0, -3.4028234663852886e38, 3.4028235e38, math.nan, -math.inf])
def test_float_nodata_and_nan_are_no_data(tmp_path: Path, nodata: float) -> None:
    pixels = np.ones((2, 40, 50), np.float32)
    pixels[:, 0] = nodata
    pixels[:, 1] = np.nan
    pixels[0, 2] = np.nan
    pixels[:, 3] = 0
    with open_raster(make(tmp_path / "t.tif", pixels, nodata=nodata)) as reader:
        valid = reader.read_valid(WHOLE)
        assert valid.all(axis=1).tolist()[:5] == [False, False, True, True, True]
        assert not valid[:2].any()


@pytest.mark.parametrize("nodata", ["-9999", "256", "nan", "0.5"])
def test_nodata_that_the_dtype_cannot_hold_is_nowhere(tmp_path: Path, nodata: str) -> None:
    path = tmp_path / "t.tif"
    path.write_bytes(tiff({42113: (2, nodata.encode() + b"\0")}))
    with open_raster(path) as reader:
        assert reader.read_valid(Window(0, 0, 16, 16)).all()


@pytest.mark.parametrize("text", ["1e39", "-1e300", "3.40282347e+38", "-3.4028235e+38"])
def test_nodata_beyond_the_largest_float_is_no_trouble(tmp_path: Path, text: str) -> None:
    """Texts of the largest float are often rounded up."""
    pixels = np.ones(256, np.float32)
    pixels[:16] = math.copysign(float(np.finfo(np.float32).max), float(text))
    path = tmp_path / "t.tif"
    tags: Tags = {42113: (2, text.encode() + b"\0"), 258: (3, [32]), 339: (3, [3])}
    path.write_bytes(tiff(tags, data=pixels.tobytes()))
    with open_raster(path) as reader:
        valid = reader.read_valid(Window(0, 0, 16, 16))
        assert valid[1:].all()
        assert valid[0].any() == ("e+38" not in text)


@pytest.mark.parametrize("internal", [True, False])
@pytest.mark.parametrize("nodata", [None, 9])
def test_masks_inside_and_beside_count_and_nodata_with_them(tmp_path: Path, internal: bool, nodata: int | None) -> None:
    pixels = noise()
    pixels[:, 20:25] = 9
    pixels[:, :20][:, pixels[:, :20].max(axis=0) == 9] = 8
    mask = np.ones((40, 50), np.bool_)
    mask[30:] = False
    path = make(tmp_path / "t.tif", pixels, nodata=nodata)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as out:
        out.write_mask(mask)
    assert (tmp_path / "t.tif.msk").exists() != internal
    with open_raster(path) as reader:
        valid = reader.read_valid(WHOLE)
        assert not valid[30:].any()
        assert valid[20:25].any() == (nodata is None)
        assert valid[:20].mean() > 0.99


def test_alpha_nought_is_no_data_and_faint_alpha_is(tmp_path: Path) -> None:
    pixels = noise(bands=4)
    pixels[3], pixels[3, :5], pixels[3, 5:10] = 255, 0, 1
    path = make(tmp_path / "t.tif", pixels, photometric="rgb", alpha="yes")
    with open_raster(path) as reader:
        assert reader.info.alpha == 3
        assert reader.info.colours == ("red", "green", "blue", "alpha")
        valid = reader.read_valid(WHOLE)
        assert not valid[:5].any()
        assert valid[5:].all()


def test_palette_is_called_one_and_is_never_averaged(tmp_path: Path) -> None:
    pixels = np.tile(np.array([[1, 5]], np.uint8), (1, 40, 25))
    path = make(tmp_path / "t.tif", pixels)
    with rasterio.open(path, "r+") as out:
        out.write_colormap(1, {1: (255, 0, 0, 255), 5: (0, 255, 0, 255)})
    with open_raster(path) as reader:
        assert reader.info.colours == ("palette",)
        assert set(np.unique(reader.read_overview(WHOLE, 10, 12))) <= {1, 5}


def test_overviews_are_listed_and_used(tmp_path: Path) -> None:
    path = make(tmp_path / "t.tif", np.zeros((1, 40, 50), np.uint8))
    with rasterio.open(path, "r+") as out:
        out.build_overviews([2, 4])
        out.write(np.full((1, 40, 50), 100, np.uint8))  # the overviews are stale now, and tell themselves apart
    with open_raster(path) as reader:
        assert reader.info.overviews == (2, 4)
        assert reader.read_overview(WHOLE, 40, 50).max() == 100
        shown = reader.read_overview(WHOLE, 10, 13)
        assert shown.shape == (10, 13, 1)
        assert shown.max() == 0


@pytest.mark.parametrize(
    ("options", "dtype", "lossy"),
    [({}, "uint8", False), ({"compress": "jpeg"}, "uint8", True), ({"compress": "webp"}, "uint8", True), ({"compress": "zstd"}, "uint16", False),
     ({"compress": "webp", "webp_lossless": True}, "uint8", False), ({"compress": "lerc"}, "float32", False),
     ({"compress": "lerc", "max_z_error": 0.1}, "float32", True), ({"compress": "lerc_zstd", "max_z_error": 1}, "uint16", True),
     ({"driver": "PNG"}, "uint16", False), ({"driver": "JPEG"}, "uint8", True)],
)  # fmt: skip
def test_lossy_says_whether_writing_again_changes_pixels(
    tmp_path: Path, options: dict[str, Any], dtype: str, lossy: bool
) -> None:
    with open_raster(make(tmp_path / "t.tif", noise(dtype), **options)) as reader:
        assert reader.info.lossy == lossy


def test_control_points_alone_are_told_and_give_no_position(tmp_path: Path) -> None:
    points = [GroundControlPoint(r, c, 10 + c / 100, 50 - r / 100) for r, c in ((0, 0), (0, 50), (40, 0), (40, 50))]
    path = make(tmp_path / "t.tif", noise(), crs=None, transform=rasterio.Affine.identity())
    with quiet(), rasterio.open(path, "r+") as out:
        out.gcps = (points, rasterio.CRS.from_epsg(4326))
    with open_raster(path) as reader:
        assert not reader.info.grid.is_georeferenced
        assert "4 ground control points" in reader.info.notes[0]


def test_fewer_bits_than_the_dtype_are_told(tmp_path: Path) -> None:
    with open_raster(make(tmp_path / "t.tif", noise("uint16") >> 4, NBITS=12)) as reader:
        assert any("12 bits" in note for note in reader.info.notes)


def test_texts_that_are_not_utf8_do_not_stop_it(tmp_path: Path) -> None:
    item = '<GDALMetadata><Item name="DESCRIPTION" sample="0" role="description">Grün</Item></GDALMetadata>'
    path = tmp_path / "t.tif"
    path.write_bytes(tiff({270: (2, "Größe".encode("latin-1") + b"\0"), 42112: (2, item.encode("latin-1") + b"\0")}))
    with open_raster(path) as reader:
        assert reader.info.bands == 1


def test_a_link_keeps_the_sidecars_beside_it(tmp_path: Path, shared_data: Path) -> None:
    """Stores of data keep a file under the name of its hash, and links of the right names beside each other."""
    chip = next(iter(sorted((shared_data / "banepa" / "chips").glob("*.tif"))))
    (tmp_path / "store").mkdir()
    shutil.copyfile(chip, tmp_path / "store" / "1f2e.tif")
    shutil.copyfile(f"{chip}.aux.xml", tmp_path / "store" / "77aa")
    (tmp_path / "chip.tif").symlink_to("store/1f2e.tif")
    (tmp_path / "chip.tif.aux.xml").symlink_to("store/77aa")
    with open_raster(chip) as real, open_raster(tmp_path / "chip.tif") as linked:
        assert linked.info.grid == real.info.grid
        assert linked.info.grid.is_georeferenced


@pytest.mark.parametrize("ending", [".tfw", ".TFW", ".Tfw"])
def test_a_world_file_gives_the_position(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "t.tif"
    path.write_bytes(tiff())
    path.with_suffix(ending).write_text("0.5\n0\n0\n-0.5\n100.25\n199.75\n")
    with open_raster(path) as reader:
        assert reader.info.grid.transform == (0.5, 0.0, 100.0, 0.0, -0.5, 200.0)


def test_reading_leaves_file_and_folder_as_they_were(tmp_path: Path, shared_data: Path) -> None:
    names = ("alpha_utm50s.tif", "mask_external_utm13n.tif", "mask_external_utm13n.tif.msk", "polar_float32_3031.tif", "palette_nodata0_3857.tif")  # fmt: skip
    for name in names:
        shutil.copyfile(shared_data / "geotiff" / name, tmp_path / name)
    for number, end in enumerate((".png", ".jpg")):
        make(tmp_path / f"{number}{end}", noise(), driver={".png": "PNG", ".jpg": "JPEG"}[end])

    def state() -> dict[str, tuple[int, str]]:
        return {p.name: (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in tmp_path.iterdir()}

    before = state()
    for path in sorted(tmp_path.iterdir()):
        if path.suffix in (".tif", ".png", ".jpg"):
            with open_raster(path) as reader:
                whole = reader.info.grid.window
                reader.read_overview(whole, 30, 30)
                reader.read(Window(0, 0, 20, 20))
                reader.read_valid(Window(0, 0, 20, 20))
    assert state() == before


def test_a_folder_that_cannot_be_written_is_fine(tmp_path: Path) -> None:
    path = make(tmp_path / "t.tif", noise())
    tmp_path.chmod(0o500)
    try:
        with open_raster(path) as reader:
            assert reader.read(WHOLE).shape == (40, 50, 3)
    finally:
        tmp_path.chmod(0o700)


def test_damaged_blocks_are_an_error_where_they_lie_and_nowhere_else(tmp_path: Path) -> None:
    path = make(tmp_path / "t.tif", np.random.default_rng(1).integers(0, 255, (1, 640, 64), np.uint8), compress="deflate", tiled=True,
                blockxsize=64, blockysize=64)  # fmt: skip
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)
    broken = 0
    with open_raster(path) as reader:
        for row in range(0, 640, 64):
            try:
                reader.read(Window(row, 0, 64, 64))
            except RasterError as error:
                broken += 1
                assert error.hint
    assert 1 <= broken <= 2


REAL = {
    "alpha_utm50s.tif": ("uint8", 4), "dateline_utm60n.tif": ("uint16", 1), "gcp_only_uint16.tif": ("uint16", 1), "mars_jpeg.tif": ("uint8", 3),
    "polar_float32_3031.tif": ("float32", 1), "rotated_float32_3577.tif": ("float32", 1), "uint16_rgb_utm20n.tif": ("uint16", 3),
    "rgbn_nodata0_utm14n.tif": ("uint8", 4), "palette_nodata0_3857.tif": ("uint8", 1), "no_crs_rgb.tif": ("uint8", 3),
    "mask_external_utm13n.tif": ("uint8", 3), "mask_internal_utm13n.tif": ("uint8", 3),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_file_is_read_like_rasterio_reads_it(shared_data: Path, name: str) -> None:
    path = shared_data / "geotiff" / name
    with open_raster(path) as reader, quiet(), rasterio.open(path) as data:
        info, window = reader.info, Window(100, 90, 28, 30)
        assert (info.dtype, info.bands) == REAL[name]
        assert info.grid.transform == tuple(data.transform)[:6]
        assert info.grid.crs == (data.crs.to_wkt() if data.crs else None)
        place = rasterio.windows.Window(90, 100, 30, 28)
        assert np.array_equal(
            reader.read(window), np.moveaxis(data.read(window=place), 0, 2), equal_nan=info.dtype == "float32"
        )
        whole = rasterio.windows.Window(0, 0, min(info.grid.width, 900), min(info.grid.height, 900))
        known = data.dataset_mask(window=whole) != 0
        if info.dtype == "float32":
            known &= np.isfinite(data.read(1, window=whole))
        assert np.array_equal(reader.read_valid(Window(0, 0, int(whole.height), int(whole.width))), known)


def test_complex_file_is_refused_politely(shared_data: Path) -> None:
    with pytest.raises(RasterError, match="complex64"):
        open_raster(shared_data / "geotiff" / "rotated_complex64_utm31n.tif")


def test_every_chip_has_its_position_from_beside(shared_data: Path) -> None:
    chips = sorted((shared_data / "banepa" / "chips").glob("*.tif"))
    assert len(chips) == 12
    for chip in chips:
        with open_raster(chip) as reader:
            assert reader.info.grid.is_georeferenced
            assert "WGS 84" in (reader.info.grid.crs or "")
            assert reader.info.lossy
