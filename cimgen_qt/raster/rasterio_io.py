"""Read a raster block by block through rasterio, after the guard has looked at it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling

from cimgen_qt.core.errors import RasterError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.raster import SUPPORTED_DTYPES, Mask, Pixels, RasterInfo
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted
from cimgen_qt.raster.guard import inspect
from cimgen_qt.raster.metadata import quiet
from cimgen_qt.raster.windows import rasterio_window

_NEXT_TYPE = {"int8": "Int16", "uint32": "UInt16", "int32": "Int16"}
_LOSSY = ("jpeg", "webp", "lerc", "jxl", "jpeg2000")


class RasterioReader:
    """Keeps one file open read-only. Use it from one thread at a time; open another for another thread."""

    def __init__(self, dataset: Any, info: RasterInfo, path: Path) -> None:
        self._data = dataset
        self._info = info
        self.path = path
        self._masked = _masked_bands(dataset, info)
        self._colours = [band for band in range(info.bands) if band != info.alpha] or [0]
        is_float = np.dtype(info.dtype).kind == "f"
        self._may_be_empty = is_float or any(info.nodata[band] is not None for band in self._colours)

    @property
    def info(self) -> RasterInfo:
        return self._info

    def read(self, window: Window) -> Pixels:
        """Raises `RasterError` where the file cannot be decoded there."""
        self._require_inside(window)
        data = self._read(window=rasterio_window(window))
        return np.ascontiguousarray(np.moveaxis(data, 0, 2))

    def read_valid(self, window: Window) -> Mask:
        """False where any of these says so: the mask (internal or beside), alpha 0, nodata in every colour band.

        NaN and infinity in every band count as nodata, too. Raises `RasterError` like `read`.
        """
        self._require_inside(window)
        place = rasterio_window(window)
        valid: Mask = np.ones(window.shape, np.bool_)
        if self._masked:
            valid &= (self._read(masks=True, window=place, indexes=list(self._masked)) != 0).any(axis=0)
        if self._info.alpha is not None:
            valid &= self._read(window=place, indexes=self._info.alpha + 1) != 0
        if self._may_be_empty:
            pixels = self._read(window=place, indexes=[band + 1 for band in self._colours])
            nodata = [self._info.nodata[band] for band in self._colours]
            valid &= ~np.logical_and.reduce([_is_empty(p, n) for p, n in zip(pixels, nodata, strict=True)])
        return valid

    def read_overview(self, window: Window, height: int, width: int) -> Pixels:
        """Averaged, or nearest for palettes; for display only."""
        how = Resampling.nearest if "palette" in self._info.colours else Resampling.average
        self._require_inside(window)
        shape = (self._info.bands, height, width)
        data = self._read(window=rasterio_window(window), out_shape=shape, resampling=how)
        return np.ascontiguousarray(np.moveaxis(data, 0, 2))

    def close(self) -> None:
        self._data.close()

    def __enter__(self) -> RasterioReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _require_inside(self, window: Window) -> None:
        """GDAL would cut the window, and the array would not fit."""
        if not window or not self._info.grid.window.contains(window):
            raise RasterError(f"{window} lies outside {self.path.name}", hint="Is it still the same image?")

    def _read(self, masks: bool = False, **options: Any) -> NDArray[Any]:
        try:
            with restricted():
                data: NDArray[Any] = (self._data.read_masks if masks else self._data.read)(**options)
        except (*GDAL_ERRORS, ValueError) as error:
            raise self._unreadable(error) from error
        return data

    def _unreadable(self, error: Exception) -> RasterError:
        return RasterError(f"{self.path.name} cannot be read there: {error}", hint="Is the file cut off or damaged?")


def _masked_bands(data: Any, info: RasterInfo) -> tuple[int, ...]:
    """Bands (from 1) that have masks which follow from neither nodata nor alpha; one for all where they share it."""
    flags = data.mask_flag_enums
    if MaskFlags.per_dataset in flags[0]:
        return () if MaskFlags.alpha in flags[0] else (1,)
    derived = {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha}
    own = [band for band in range(info.bands) if not derived & set(flags[band])]
    return tuple(band + 1 for band in range(info.bands)) if own else ()


def _is_empty(pixels: NDArray[Any], nodata: float | None) -> Mask:
    """Where a band holds nodata; a value that its dtype cannot hold is nowhere."""
    if pixels.dtype.kind == "f":
        empty: Mask = ~np.isfinite(pixels)
        if nodata is not None and math.isfinite(nodata):
            limit = float(np.finfo(pixels.dtype).max)  # texts of the largest float are often rounded up
            empty |= pixels == pixels.dtype.type(min(max(nodata, -limit), limit))
        return empty
    return np.zeros(pixels.shape, np.bool_) if nodata is None else np.equal(pixels, nodata)


def open_raster(path: Path) -> RasterioReader:
    """Open a GeoTIFF, PNG or JPEG read-only. Raises `RasterError`: refused, damaged, or pixels of a kind not edited."""
    verdict = inspect(path)
    try:
        with restricted(), quiet():
            data = rasterio.open(verdict.path, driver=verdict.driver)
    except (*GDAL_ERRORS, ValueError) as error:  # a CRS whose name is no UTF-8 is a ValueError
        raise RasterError(f"{path.name} cannot be opened: {error}", hint="Is the file damaged?") from error
    try:
        with restricted():
            return RasterioReader(data, _info(data, path), path)
    except (*GDAL_ERRORS, ValueError) as error:
        data.close()
        raise RasterError(f"{path.name} cannot be understood: {error}", hint="Is the file damaged?") from error
    except BaseException:
        data.close()
        raise


def _info(data: Any, path: Path) -> RasterInfo:
    dtypes = set(data.dtypes)
    if len(dtypes) > 1 or data.dtypes[0] not in SUPPORTED_DTYPES:
        raise RasterError(
            f"{path.name} has pixels of type {', '.join(sorted(dtypes))}, which cannot be edited",
            hint=f"Convert it to one of {', '.join(SUPPORTED_DTYPES)}, for example: {_conversion(data.dtypes[0])}",
        )
    colours = tuple(c.name for c in data.colorinterp)
    alpha = colours.index("alpha") if "alpha" in colours else None
    return RasterInfo(
        path=str(path),
        grid=_grid(data),
        bands=data.count,
        dtype=data.dtypes[0],
        nodata=tuple(data.nodatavals),
        alpha=alpha,
        descriptions=_descriptions(data),
        colours=colours,
        overviews=tuple(data.overviews(1)),
        block=tuple(data.block_shapes[0]),
        lossy=is_lossy(data),
        notes=_notes(data),
    )


def _descriptions(data: Any) -> tuple[str, ...]:
    """Old files hold texts that are no UTF-8: rasterio cannot read them, and an image is not worse for it."""
    try:
        return tuple(text or "" for text in data.descriptions)
    except UnicodeDecodeError:
        return ("",) * int(data.count)


def _conversion(dtype: str) -> str:
    """A command that keeps as much as can be kept."""
    if dtype.startswith("complex"):
        return "gdal_translate -ot Float32 DERIVED_SUBDATASET:AMPLITUDE:IN OUT"
    return f"gdal_translate -ot {_NEXT_TYPE.get(dtype, 'Float32')} IN OUT"


def _grid(data: Any) -> Grid:
    crs = data.crs.to_wkt() if data.crs else None
    transform = tuple(float(v) for v in tuple(data.transform)[:6])
    if not all(map(math.isfinite, transform)):
        raise RasterError(f"{Path(data.name).name} has no sound transform", hint="Give it a position anew.")
    if transform[0] * transform[4] - transform[1] * transform[3] == 0:
        raise RasterError(f"{Path(data.name).name} has a flat transform", hint="Give it a position anew.")
    return Grid(data.width, data.height, transform, crs)  # type: ignore[arg-type]


def is_lossy(data: Any) -> bool:
    """Whether writing a block again would change its pixels."""
    if data.driver == "JPEG":
        return True
    structure = data.tags(ns="IMAGE_STRUCTURE")
    compression = str(structure.get("COMPRESSION", "")).lower()
    if "lerc" in compression:
        return float(structure.get("MAX_Z_ERROR", 0)) > 0
    if "webp" in compression or "jxl" in compression:
        return bool(structure.get("COMPRESSION_REVERSIBILITY", "").upper() != "LOSSLESS")
    return any(word in compression for word in _LOSSY)


def _notes(data: Any) -> tuple[str, ...]:
    notes = []
    if data.gcps[0] and data.transform.is_identity:
        notes.append(f"{len(data.gcps[0])} ground control points and no grid: lengths are in pixels only")
    elif data.crs is None:
        notes.append("the image has no CRS: lengths are in pixels only")
    if data.tags(1, ns="IMAGE_STRUCTURE").get("NBITS"):
        notes.append(f"{data.tags(1, ns='IMAGE_STRUCTURE')['NBITS']} bits a pixel are used")
    if any(
        MaskFlags.per_dataset in flags and ColorInterp.alpha not in data.colorinterp for flags in data.mask_flag_enums
    ):
        notes.append("the image has a mask: masked pixels are left alone")
    return tuple(notes)
