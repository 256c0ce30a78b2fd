"""Write the delivered raster: a copy of the source in which only the changed pixels are others."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil

from cimgen_qt.core import durable
from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Mask, Pixels, RasterReader, RasterWriter
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted
from cimgen_qt.raster.metadata import clear_statistics, overview_method, quiet, set_tags
from cimgen_qt.raster.patch import PatchWriter
from cimgen_qt.raster.rasterio_io import is_lossy, open_raster
from cimgen_qt.raster.windows import rasterio_window

LOSSLESS = {"deflate", "lzw", "zstd", "packbits", "lzma", "ccittfax4", "ccittrle", "ccittfax3"}
_BIG = 3_500_000_000
"""Bytes of pixels above which a file written anew is a BigTIFF; below it GDAL decides."""


def open_writer(target: Path, source: RasterReader, profile: str) -> RasterWriter:
    """A writer for `profile`: same, cog or patch. Raises `ExportError` where the disk is too full or not writable."""
    path = Path(source.info.path)
    if profile == "patch":
        return PatchWriter(target, path, source.info)
    size = path.stat().st_size
    needed = max(2 * size, source.info.grid.window.area * source.info.bands * np.dtype(source.info.dtype).itemsize // 2)
    durable.check_space(target, needed)
    with quiet(), restricted(), rasterio.open(path) as data:
        plan = _plan(data, profile)
    return CopyWriter(target, path, plan)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the target comes about, and what the user should know of it."""

    options: Mapping[str, Any] | None
    """Creation options for a file written anew; None: the bytes are copied and the copy is edited."""
    cog: Mapping[str, Any] | None
    """Options of the cloud-optimised file that is made last; None: it is not."""
    overviews: tuple[int, ...]
    """Factors that are made anew; a cloud-optimised file without any makes its own."""
    notes: tuple[str, ...]


def _plan(data: Any, profile: str) -> _Plan:
    structure = data.tags(ns="IMAGE_STRUCTURE")
    notes: list[str] = []
    is_cog = structure.get("LAYOUT") == "COG"
    plain = data.driver == "GTiff" and not is_lossy(data)
    if profile == "same" and is_lossy(data):
        notes.append(
            f"the source is compressed with loss ({structure.get('COMPRESSION', data.driver)}): writing it so again "
            "would change pixels outside the edit, so this file is compressed without loss and is larger"
        )
    if profile == "cog" and is_lossy(data):
        notes.append("the source is compressed with loss; this file is compressed without")
    if profile == "same" and data.driver != "GTiff":
        notes.append(f"the source is a {data.driver}: exported as GeoTIFF")
    if profile == "cog" or (is_cog and profile == "same"):
        factors = tuple(data.overviews(1)) if profile == "same" else ()
        anew = None if plain and not is_cog else _anew(data)
        return _Plan(anew, _cog(data, is_cog and plain), factors, tuple(notes))
    return _Plan(None if plain else _anew(data), None, tuple(data.overviews(1)), tuple(notes))


def _anew(data: Any) -> dict[str, Any]:
    """Creation options of a lossless GeoTIFF with the layout of the source."""
    predictor = 3 if np.dtype(data.dtypes[0]).kind == "f" else 2
    options: dict[str, Any] = {
        "COMPRESS": "DEFLATE",
        "PREDICTOR": 1 if data.colorinterp[0].name == "palette" else predictor,
        "BIGTIFF": "YES"
        if data.width * data.height * data.count * np.dtype(data.dtypes[0]).itemsize > _BIG
        else "IF_SAFER",
        "INTERLEAVE": "BAND" if str(data.interleaving).lower().endswith("band") and data.count > 1 else "PIXEL",
    }
    rows, cols = data.block_shapes[0]
    if rows % 16 == 0 and cols % 16 == 0 and cols < data.width:
        options |= {"TILED": "YES", "BLOCKXSIZE": cols, "BLOCKYSIZE": rows}
    elif cols == data.width:
        options["BLOCKYSIZE"] = rows
    if data.count >= 3 and [c.name for c in data.colorinterp[:3]] == ["red", "green", "blue"]:
        options["PHOTOMETRIC"] = "RGB"
    return options


def _cog(data: Any, keep: bool) -> dict[str, Any]:
    structure = data.tags(ns="IMAGE_STRUCTURE")
    compression = str(structure.get("COMPRESSION", "")).lower()
    options: dict[str, Any] = {
        "COMPRESS": compression.upper()
        if compression in LOSSLESS - {"packbits"} and "ccitt" not in compression
        else "DEFLATE",
        "PREDICTOR": "NO" if data.colorinterp[0].name == "palette" else "YES",
        "BLOCKSIZE": data.block_shapes[0][0] if keep else 512,
        "OVERVIEW_RESAMPLING": overview_method(data).name.upper(),
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": "ALL_CPUS",
        "STATISTICS": "NO",
    }
    if keep and not data.overviews(1):
        options["OVERVIEWS"] = "NONE"
    return options


class CopyWriter:
    """Edits a copy that lies hidden beside the target; the copy is ours, so nothing of the user's is ever at risk."""

    def __init__(self, target: Path, source: Path, plan: _Plan) -> None:
        self.notes = plan.notes
        self._source, self._plan = source, plan
        self._staged = durable.stage(target)
        self._final = self._staged
        self._data: Any = None
        try:
            self._begin()
        except BaseException:
            self.discard()
            raise

    def _begin(self) -> None:
        path = self._staged.path
        try:
            with quiet(), restricted():
                if self._plan.options is None:
                    _copy_bytes(self._source, path)
                else:
                    with rasterio.open(self._source) as data:
                        rasterio.shutil.copy(data, path, driver="GTiff", strict=False, **self._plan.options)
                self._data = rasterio.open(path, "r+")
        except (*GDAL_ERRORS, OSError) as error:
            raise _failure(self._staged.target, error) from error

    def write(self, window: Window, pixels: Pixels, changed: Mask) -> None:
        place = rasterio_window(window)
        try:
            with restricted():
                now = self._data.read(window=place)
                planes = np.moveaxis(pixels, 2, 0)
                self._data.write(np.where(changed[None], planes, now), window=place)
        except (*GDAL_ERRORS, OSError) as error:
            raise _failure(self._staged.target, error) from error

    def finish(self, tags: Mapping[str, str], xmp: bytes) -> RasterReader:
        try:
            with quiet(), restricted():
                how = overview_method(self._data)
                clear_statistics(self._data)
                set_tags(self._data, tags, xmp)
                if self._plan.overviews:
                    self._data.build_overviews(self._plan.overviews, how)
                self._close()
                if self._plan.cog is not None:
                    self._optimise(self._plan.cog)
        except (*GDAL_ERRORS, OSError) as error:
            raise _failure(self._staged.target, error) from error
        return open_raster(self._final.path)

    def _optimise(self, options: Mapping[str, Any]) -> None:
        first = self._staged
        self._final = durable.stage(first.target)
        with rasterio.open(first.path) as data:
            rasterio.shutil.copy(data, self._final.path, driver="COG", **options)
        first.discard()

    def commit(self) -> None:
        self._final.commit()

    def discard(self) -> None:
        try:
            self._close()
        except (*GDAL_ERRORS, OSError):  # it is thrown away: that it could not be closed well does not matter
            self._data = None
        self._staged.discard()
        self._final.discard()

    def _close(self) -> None:
        if self._data is not None:
            self._data.close()
            self._data = None


class Planes:
    """Companion raster of uint8 planes: deflated, tiled, with a colour table and names where there are classes."""

    def __init__(
        self, target: Path, like: RasterReader, names: tuple[str, ...], classes: Mapping[int, Any] | None
    ) -> None:
        info = like.info
        self._staged = durable.stage(target)
        self._data: Any = None
        shape = {"driver": "GTiff", "width": info.grid.width, "height": info.grid.height, "count": len(names),
                 "dtype": "uint8", "crs": info.grid.crs, "compress": "deflate", "tiled": True, "blockxsize": 256,
                 "blockysize": 256, "sparse_ok": True, "bigtiff": "if_safer"}  # fmt: skip
        if info.grid.is_georeferenced:
            shape["transform"] = rasterio.Affine(*info.grid.transform)
        try:
            with quiet(), restricted():
                self._data = rasterio.open(self._staged.path, "w", **shape)
                for number, name in enumerate(names, start=1):
                    self._data.set_band_description(number, name)
                    if classes is not None:
                        self._data.update_tags(number, **{f"CLASS_{i}": c.name for i, c in classes.items()})
                if classes is not None and len(names) == 1:
                    self._data.write_colormap(1, {i: (*c.colour, 255) for i, c in classes.items()})
        except (*GDAL_ERRORS, OSError) as error:
            self.discard()
            raise _failure(target, error) from error

    def write(self, window: Window, planes: Pixels) -> None:
        try:
            with restricted():
                self._data.write(np.moveaxis(planes, 2, 0), window=rasterio_window(window))
        except (*GDAL_ERRORS, OSError) as error:
            raise _failure(self._staged.target, error) from error

    def finish(self) -> None:
        try:
            if self._data is not None:
                self._data.close()
        except (*GDAL_ERRORS, OSError) as error:
            raise _failure(self._staged.target, error) from error
        finally:
            self._data = None

    def commit(self) -> None:
        self._staged.commit()

    def discard(self) -> None:
        try:
            self.finish()
        except ExportError:
            self._data = None
        self._staged.discard()


def _copy_bytes(source: Path, path: Path) -> None:
    """The file and what GDAL keeps beside it."""
    shutil.copyfile(source, path)
    for ending in (".aux.xml", ".msk", ".ovr"):
        sidecar = Path(f"{source}{ending}")
        if sidecar.is_file():
            shutil.copyfile(sidecar, f"{path}{ending}")


def _failure(target: Path, error: Exception) -> ExportError:
    return ExportError(f"{target.name} cannot be written: {error}", hint="Is the disk full? Nothing was exported.")
