"""What the reader says of a file and reads from it, beside rasterio itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

from cimgen_qt.core.errors import RasterError
from cimgen_qt.core.fingerprint import SAMPLES, WHOLE_BELOW, fingerprint
from cimgen_qt.core.grid import Window
from cimgen_qt.raster.rasterio_io import open_raster

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
PLACE = rasterio.Affine(0.31, 0.07, 458000.123456789, 0.05, -0.29, 5428000.987654321)


def write(path: Path, planes: np.ndarray, **options: object) -> Path:
    shape = {"driver": "GTiff", "count": planes.shape[0], "height": planes.shape[1], "width": planes.shape[2],
             "dtype": planes.dtype, "crs": "EPSG:32633", "transform": PLACE, **options}  # fmt: skip
    with rasterio.open(path, "w", **shape) as out:
        out.write(planes)
    return path


def random(bands: int = 3, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(1, 250, (bands, 90, 110)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_pixels_and_place_are_read_to_the_bit(tmp_path: Path, dtype: str) -> None:
    planes = random(5, dtype)
    with open_raster(write(tmp_path / "i.tif", planes, tiled=True, blockxsize=32, blockysize=16)) as reader:
        assert reader.info.grid.transform == tuple(PLACE)[:6]
        assert '"EPSG","32633"' in str(reader.info.grid.crs)
        assert (reader.info.bands, reader.info.dtype, reader.info.block) == (5, dtype, (16, 32))
        got = reader.read(Window(13, 17, 40, 50))
        assert got.dtype == np.dtype(dtype)
        assert np.array_equal(got, np.moveaxis(planes, 0, 2)[13:53, 17:67])
        assert reader.read_valid(Window(0, 0, 90, 110)).all()
        assert reader.read_overview(reader.info.grid.window, 30, 20).shape == (30, 20, 5)


def test_a_pixel_is_data_where_a_band_holds_a_value(tmp_path: Path) -> None:
    planes = random()
    planes[:, :10] = 0
    planes[1, :5] = 7
    with open_raster(write(tmp_path / "i.tif", planes, nodata=0)) as reader:
        valid = reader.read_valid(reader.info.grid.window)
    assert valid[:5].all()
    assert not valid[5:10].any()
    assert valid[10:].all()


def test_alpha_masks_and_nan_are_heeded(tmp_path: Path) -> None:
    planes = random(4)
    planes[3] = 255
    planes[3, :20] = 0
    path = write(tmp_path / "a.tif", planes, photometric="rgb", alpha="yes")
    with open_raster(path) as reader:
        assert reader.info.alpha == 3
        assert not reader.read_valid(reader.info.grid.window)[:20].any()
    floats = random(1, "float32")
    floats[:, 5:9] = np.nan
    with open_raster(write(tmp_path / "f.tif", floats)) as reader:
        assert reader.read_valid(reader.info.grid.window).sum() == 86 * 110
    for internal in (True, False):
        path = write(tmp_path / f"m{internal}.tif", random())
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as out:
            mask = np.ones((90, 110), bool)
            mask[:, :30] = False
            out.write_mask(mask)
        with open_raster(path) as reader:
            assert not reader.read_valid(reader.info.grid.window)[:, :30].any()
            assert any("mask" in note for note in reader.info.notes)


def test_reading_leaves_the_source_and_its_folder_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "i.tif", random())
    before = (path.stat().st_mtime_ns, path.read_bytes())
    with open_raster(path) as reader:
        reader.read(reader.info.grid.window)
        reader.read_overview(reader.info.grid.window, 9, 9)
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    assert [p.name for p in tmp_path.iterdir()] == ["i.tif"]


@pytest.mark.parametrize("dtype", ["int32", "float64", "complex64", "uint32"])
def test_types_that_cannot_be_edited_are_refused_by_name(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(RasterError, match=dtype) as told:
        open_raster(write(tmp_path / "i.tif", random(1, dtype)))
    assert "gdal_translate" in told.value.hint


def test_lossy_files_are_known(tmp_path: Path) -> None:
    cases = {"jpeg": ({"compress": "jpeg"}, True), "deflate": ({"compress": "deflate"}, False),
             "webp": ({"compress": "webp", "webp_level": 60, "interleave": "pixel"}, True),
             "webp lossless": ({"compress": "webp", "webp_lossless": True, "interleave": "pixel"}, False),
             "lerc": ({"compress": "lerc", "max_z_error": 2}, True), "lerc exact": ({"compress": "lerc"}, False)}  # fmt: skip
    for name, (options, lossy) in cases.items():
        with open_raster(write(tmp_path / f"{name}.tif", random(), **options)) as reader:
            assert reader.info.lossy is lossy, name


def test_control_points_without_a_grid_are_told(tmp_path: Path) -> None:
    path = tmp_path / "g.tif"
    points = [GroundControlPoint(0, 0, 10, 50), GroundControlPoint(0, 110, 11, 50), GroundControlPoint(90, 0, 10, 49)]
    with rasterio.open(path, "w", driver="GTiff", count=1, height=90, width=110, dtype="uint8", gcps=points,
                       crs="EPSG:4326") as out:  # fmt: skip
        out.write(random(1))
    with open_raster(path) as reader:
        assert "3 ground control points" in reader.info.notes[0]
        assert reader.info.grid.pixel_size is None


def test_palettes_keep_their_values(tmp_path: Path) -> None:
    path = write(tmp_path / "p.tif", random(1))
    with rasterio.open(path, "r+") as out:
        out.write_colormap(1, {1: (255, 0, 0, 255)})
        out.colorinterp = [ColorInterp.palette]
    with open_raster(path) as reader:
        assert reader.info.colours == ("palette",)
        assert np.array_equal(reader.read(reader.info.grid.window)[..., 0], random(1)[0])


def test_damage_is_told_where_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "i.tif", random(), compress="deflate")
    data = bytearray(path.read_bytes())
    with rasterio.open(path) as source:
        offset = int(source.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", 1))
    data[offset : offset + 40] = b"\xff" * 40
    path.write_bytes(data)
    with open_raster(path) as reader, pytest.raises(RasterError, match="cannot be read there"):
        reader.read(reader.info.grid.window)


def test_fingerprints_know_a_file_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    one = fingerprint(path)
    assert one.digest == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(b"abd")
    assert fingerprint(path).digest != one.digest
    with pytest.raises(RasterError):
        fingerprint(tmp_path / "nothing")


def test_large_files_are_sampled_from_end_to_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(2 * WHOLE_BELOW)
    one = fingerprint(path)
    assert one.digest.startswith("sampled-sha256:")
    for at in (0, 2 * WHOLE_BELOW // (SAMPLES - 1), 2 * WHOLE_BELOW - 1):
        with path.open("r+b") as file:
            file.seek(at)
            file.write(b"x")
        now = fingerprint(path)
        assert now.digest != one.digest
        one = now
