"""Deliver only what changed: a small GeoTIFF, and a VRT that lays it over the untouched source."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import rasterio
import rasterio.shutil

from cimgen_qt.core import durable
from cimgen_qt.core.chunks import CHUNK
from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Mask, Pixels, RasterInfo, RasterReader
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted
from cimgen_qt.raster.metadata import quiet, set_tags
from cimgen_qt.raster.rasterio_io import open_raster
from cimgen_qt.raster.windows import rasterio_window

_VRT_TYPES = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16", "float32": "Float32"}
PLACE_TAG = "CIMGEN_PATCH_WINDOW"
"""Row, column, height and width of the patch in pixels of the source."""


class PatchWriter:
    """Keeps the changed blocks until the end: only then is it known how far they reach."""

    def __init__(self, target: Path, source: Path, info: RasterInfo) -> None:
        self.notes = (f"{target.with_suffix('.vrt').name} shows the patch over {source.name}; keep the three together",)
        self._target, self._source, self._info = target, source, info
        self._staged = durable.stage(target)
        self._vrt: durable.Staged | None = None
        self._blocks: dict[Window, tuple[Pixels, Mask]] = {}

    def write(self, window: Window, pixels: Pixels, changed: Mask) -> None:
        self._blocks[window] = pixels, changed

    def finish(self, tags: Mapping[str, str], xmp: bytes) -> RasterReader:
        place = self._place()
        try:
            with quiet(), restricted(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
                self._write_patch(place, tags, xmp)
                with rasterio.open(self._source) as data:
                    text = _vrt(data, self._info, place, self._names())
        except (*GDAL_ERRORS, OSError) as error:
            raise ExportError(
                f"{self._target.name} cannot be written: {error}", hint="Is the disk full? Nothing was exported."
            ) from error
        self._vrt = durable.stage(self._target.with_suffix(".vrt"))
        self._vrt.fill(text.encode("utf-8"))
        return PatchedReader(open_raster(self._source), open_raster(self._staged.path), place)

    def commit(self) -> None:
        if self._vrt is None:
            raise ExportError(f"{self._target.name} is not finished", hint="Please report this.")
        vrt = self._target.with_suffix(".vrt")
        fresh, before = not vrt.exists(), durable.identity(self._target)
        try:
            self._vrt.commit()
            self._staged.commit()
        except BaseException:
            if fresh and durable.identity(self._target) == before:
                durable.remove_quietly(vrt)
            raise

    def discard(self) -> None:
        self._staged.discard()
        if self._vrt is not None:
            self._vrt.discard()

    def _place(self) -> Window:
        place = Window(0, 0, 0, 0)
        for window in self._blocks:
            place = place.union(window)
        if not place:
            raise ExportError("nothing was generated, so there is no patch", hint="Generate and accept first.")
        return place

    def _names(self) -> tuple[str, str]:
        folder = self._target.resolve().parent
        try:
            return os.path.relpath(self._source.resolve(), folder).replace(os.sep, "/"), self._target.name
        except ValueError:  # another drive on Windows
            return str(self._source.resolve()), self._target.name

    def _write_patch(self, place: Window, tags: Mapping[str, str], xmp: bytes) -> None:
        info = self._info
        shape: dict[str, Any] = {
            "driver": "GTiff", "width": place.width, "height": place.height, "count": info.bands, "dtype": info.dtype,
            "crs": info.grid.crs, "tiled": True, "blockxsize": CHUNK, "blockysize": CHUNK, "compress": "deflate",
            "predictor": 3 if info.dtype == "float32" else 2, "sparse_ok": True, "bigtiff": "if_safer",
        }  # fmt: skip
        if info.grid.is_georeferenced:
            a, b, _, d, e, _ = info.grid.transform
            x, y = info.grid.xy(place.row, place.col)
            shape["transform"] = rasterio.Affine(a, b, x, d, e, y)
        if info.colours[:3] == ("red", "green", "blue"):
            shape["photometric"] = "rgb"
        with rasterio.open(self._staged.path, "w", **shape) as out, rasterio.open(self._source) as data:
            out.colorinterp = data.colorinterp
            if info.colours[0] == "palette":
                out.write_colormap(1, data.colormap(1))
            out.descriptions = data.descriptions
            for window, (pixels, changed) in self._blocks.items():
                there = rasterio_window(window.shifted(-place.row, -place.col))
                out.write(np.moveaxis(pixels, 2, 0), window=there)
                out.write_mask(changed, window=there)
            out.update_tags(**{PLACE_TAG: f"{place.row} {place.col} {place.height} {place.width}"})
            set_tags(out, tags, xmp)


class PatchedReader:
    """What a user sees through the VRT, read here from its two files."""

    def __init__(self, source: RasterReader, patch: RasterReader, place: Window) -> None:
        self._source, self._patch, self._place = source, patch, place

    @property
    def info(self) -> RasterInfo:
        return self._source.info

    def read(self, window: Window) -> Pixels:
        pixels = self._source.read(window)
        common = window.intersect(self._place)
        if common:
            there = common.shifted(-self._place.row, -self._place.col)
            here = common.slices(window)
            shown = self._patch.read_valid(there)
            pixels[here] = np.where(shown[..., None], self._patch.read(there), pixels[here])
        return pixels

    def read_valid(self, window: Window) -> Mask:
        return self._source.read_valid(window)

    def read_overview(self, window: Window, height: int, width: int) -> Pixels:
        return self._source.read_overview(window, height, width)

    def close(self) -> None:
        self._source.close()
        self._patch.close()


def open_patched(patch: Path, source: Path) -> PatchedReader:
    """A delivered patch over its source. Raises `ExportError` where the patch does not say where it lies."""
    with quiet(), restricted(), rasterio.open(patch) as data:
        said = data.tags().get(PLACE_TAG, "")
    try:
        row, col, height, width = map(int, said.split())
    except ValueError as error:
        raise ExportError(f"{patch.name} does not say where it lies", hint="Is it a patch of CIMGen?") from error
    return PatchedReader(open_raster(source), open_raster(patch), Window(row, col, height, width))


def _vrt(data: Any, info: RasterInfo, place: Window, names: tuple[str, str]) -> str:
    """Bands of the source, each with the patch over it where the patch's mask says so."""
    grid = info.grid
    lines = [f'<VRTDataset rasterXSize="{grid.width}" rasterYSize="{grid.height}">']
    if grid.crs is not None:
        lines.append(f'  <SRS dataAxisToSRSAxisMapping="1,2">{escape(grid.crs)}</SRS>')
    if grid.is_georeferenced:
        a, b, c, d, e, f = grid.transform
        lines.append("  <GeoTransform>" + ", ".join(repr(v) for v in (c, a, b, f, d, e)) + "</GeoTransform>")
    for number in range(1, info.bands + 1):
        lines += _band(data, info, number, place, names)
    return "\n".join([*lines, "</VRTDataset>", ""])


def _band(data: Any, info: RasterInfo, number: int, place: Window, names: tuple[str, str]) -> list[str]:
    colour = info.colours[number - 1].capitalize()
    lines = [f'  <VRTRasterBand dataType="{_VRT_TYPES[info.dtype]}" band="{number}">']
    if info.descriptions[number - 1]:
        lines.append(f"    <Description>{escape(info.descriptions[number - 1])}</Description>")
    if info.nodata[number - 1] is not None:
        lines.append(f"    <NoDataValue>{info.nodata[number - 1]!r}</NoDataValue>")
    lines.append(f"    <ColorInterp>{colour}</ColorInterp>")
    if colour == "Palette":
        table = data.colormap(1)
        entries = [f'<Entry c1="{r}" c2="{g}" c3="{b}" c4="{a}"/>' for _, (r, g, b, a) in sorted(table.items())]
        lines.append("    <ColorTable>" + "".join(entries) + "</ColorTable>")
    whole = Window(0, 0, info.grid.height, info.grid.width)
    inside = Window(0, 0, place.height, place.width)
    lines += _source("SimpleSource", names[0], number, (whole, whole), "")
    lines += _source("ComplexSource", names[1], number, (inside, place), "      <UseMaskBand>true</UseMaskBand>")
    return [*lines, "  </VRTRasterBand>"]


def _source(kind: str, name: str, band: int, places: tuple[Window, Window], extra: str) -> list[str]:
    relative = 0 if Path(name).is_absolute() else 1
    rectangles = [
        f'      <{tag} xOff="{w.col}" yOff="{w.row}" xSize="{w.width}" ySize="{w.height}"/>'
        for tag, w in zip(("SrcRect", "DstRect"), places, strict=True)
    ]
    return [
        f"    <{kind}>",
        f"      <SourceFilename relativeToVRT={quoteattr(str(relative))}>{escape(name)}</SourceFilename>",
        f"      <SourceBand>{band}</SourceBand>",
        *rectangles,
        *([extra] if extra else []),
        f"    </{kind}>",
    ]
