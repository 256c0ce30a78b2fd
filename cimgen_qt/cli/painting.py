"""From words and vector files to edits."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from cimgen_qt.core.edits import Edit, Fill, Polygon, Rectangle, Shape, Stroke
from cimgen_qt.core.errors import MapError
from cimgen_qt.core.scene import Scene
from cimgen_qt.core.shapes import Point


def edits_of(options: argparse.Namespace, scene: Scene) -> list[Edit]:
    """The edits that `cimgen paint` was asked for. Raises `MapError` where they make no sense."""
    if options.restore == (options.class_name is not None):
        raise MapError("what shall be painted?", hint="Give --class NAME, or --restore.")
    known = None if options.restore else scene.palette.find(options.class_name)
    protect = frozenset(scene.palette.find(name).id for name in options.protect)
    class_id = None if known is None else known.id
    width = None if known is None else known.width
    return [Edit(shape, class_id, protect) for shape in _shapes(options, scene, width)]


def _shapes(options: argparse.Namespace, scene: Scene, width: float | None) -> Iterator[Shape]:
    if options.rect is not None:
        rows, cols = sorted(options.rect[0::2]), sorted(options.rect[1::2])
        yield Rectangle(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])
    elif options.fill is not None:
        row, col = options.fill
        yield Fill(row, col, options.everywhere)
    elif options.polygon is not None:
        yield from _polygons(options.polygon, scene)
    else:
        yield from _strokes(options, scene, width)


def _polygons(path: Path, scene: Scene) -> Iterator[Shape]:
    from cimgen_qt.raster.shapes_in import read_polygons

    for rings in read_polygons(path, scene.grid):
        yield Polygon(tuple(tuple(scene.grid.row_col(x, y) for x, y in ring) for ring in rings))


def _strokes(options: argparse.Namespace, scene: Scene, width: float | None) -> Iterator[Shape]:
    radius = _radius(options, scene, width)
    size = scene.grid.pixel_size
    aspect = 1.0 if size is None else size[0] / size[1]
    lines, flat = _lines(options.stroke, scene)
    for points in lines:
        yield Stroke(points, radius, "square" if options.square else "round", aspect, flat)


def _radius(options: argparse.Namespace, scene: Scene, width: float | None) -> float:
    """Half the width in columns: as told, else the default width of the class."""
    if options.width_px is not None:
        radius = options.width_px / 2
    else:
        metres = options.width if options.width is not None else width
        if metres is None:
            raise MapError("how wide shall the stroke be?", hint="Give --width METRES or --width-px PIXELS.")
        if scene.grid.pixel_size is None:
            raise MapError("the image has no known pixel size", hint="Give the width in pixels: --width-px.")
        radius = metres / scene.grid.pixel_size[1] / 2
    if not radius > 0:
        raise MapError("a stroke needs a width above 0", hint="Give --width METRES.")
    return float(radius)


def _lines(path: Path, scene: Scene) -> tuple[list[tuple[Point, ...]], bool]:
    """Lines in (row, col), and whether they end flat: those of a vector file do, those of a brush do not."""
    points = _brush_points(path)
    if points is not None:
        return [points], False
    from cimgen_qt.raster.shapes_in import read_lines

    return [tuple(scene.grid.row_col(x, y) for x, y in line) for line in read_lines(path, scene.grid)], True


def _brush_points(path: Path) -> tuple[Point, ...] | None:
    """The points of `{"points": [[row, col], ...]}`; None for any other file."""
    if path.suffix.lower() != ".json":
        return None
    try:
        data = json.loads(path.read_text("utf-8"))
        if not isinstance(data, dict) or "points" not in data:
            return None
        return tuple((float(row), float(col)) for row, col in data["points"])
    except OSError as error:
        raise MapError(f"{path} cannot be read: {error.strerror}", hint="Check the path.") from error
    except (ValueError, TypeError) as error:
        raise MapError(f"{path.name} holds no points", hint='Write {"points": [[row, column], ...]}.') from error
