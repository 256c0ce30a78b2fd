"""Which pixels an edit covers, beside independent rasterisers."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize
from scipy import ndimage

from cimgen_qt.core.edits import Edit, Fill, Polygon, Rectangle, Shape, Stroke
from cimgen_qt.core.errors import MapError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.raster import Labels, Mask

SIZE = (600, 700)


@dataclass
class Sheet:
    """A map in memory."""

    labels: Labels = field(default_factory=lambda: np.zeros(SIZE, np.uint8))

    @property
    def grid(self) -> Grid:
        return Grid(self.labels.shape[1], self.labels.shape[0])

    def read_labels(self, window: Window) -> Labels:
        return self.labels[window.slices()]


def covered(shape: Shape, sheet: Sheet) -> Mask:
    mask = np.zeros(sheet.labels.shape, bool)
    for window, part in shape.pieces(sheet):
        assert part.shape == window.shape
        assert not mask[window.slices()].any()
        mask[window.slices()] = part
    return mask


def middles() -> np.ndarray:
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return shapely.points(cols, rows)


coordinates = st.tuples(st.floats(-50, 650), st.floats(-50, 750))


@settings(max_examples=15, deadline=None)
@given(st.lists(coordinates, min_size=1, max_size=4), st.floats(0.6, 60))
def test_round_stroke_is_all_within_its_radius(points: list[tuple[float, float]], radius: float) -> None:
    line = shapely.LineString([(c, r) for r, c in points]) if len(points) > 1 else shapely.Point(points[0][::-1])
    distance = shapely.distance(line, middles())
    got = covered(Stroke(tuple(points), radius), Sheet())
    sure = np.abs(distance - radius) > 1e-6
    assert np.array_equal(got[sure], (distance <= radius)[sure])


def test_square_stroke_is_the_swept_square() -> None:
    points = ((100.0, 100.0), (180.0, 300.0))
    got = covered(Stroke(points, 20, "square"), Sheet())
    corners = [(c + dc, r + dr) for r, c in points for dr in (-20, 20) for dc in (-20, 20)]
    wanted = shapely.contains_properly(shapely.MultiPoint(corners).convex_hull, middles())
    assert (got != wanted).sum() <= 2


def test_line_ends_flat_and_is_as_wide_as_asked() -> None:
    got = covered(Stroke(((50.0, 100.0), (50.0, 200.0)), 5, flat=True), Sheet())
    rows, cols = np.nonzero(got)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (45, 54, 100, 199)
    assert got.sum() == 1000


def test_brush_is_round_on_the_ground_where_pixels_are_not_square() -> None:
    got = covered(Stroke(((300.0, 300.0),), 40, aspect=2.0), Sheet())
    rows, cols = np.nonzero(got)
    assert (rows.max() - rows.min() + 1, cols.max() - cols.min() + 1) == (40, 80)


@settings(max_examples=30, deadline=None)
@given(st.lists(coordinates, min_size=3, max_size=7))
def test_polygon_is_what_gdal_burns(points: list[tuple[float, float]]) -> None:
    polygon = shapely.Polygon([(c, r) for r, c in points])
    got = covered(Polygon((tuple(points),)), Sheet())
    if polygon.is_valid and polygon.area > 0:
        assert (got != rasterize([polygon], SIZE).astype(bool)).sum() <= 3  # GDAL rounds middles that lie on an edge


def test_polygon_with_a_hole_leaves_it_out() -> None:
    outer = ((10.0, 10.0), (10.0, 110.0), (110.0, 110.0), (110.0, 10.0))
    hole = ((40.0, 40.0), (40.0, 60.0), (60.0, 60.0), (60.0, 40.0))
    got = covered(Polygon((outer, hole)), Sheet())
    assert got.sum() == 100 * 100 - 20 * 20
    assert not got[50, 50]


def test_rectangle_over_the_edge_is_cut() -> None:
    assert covered(Rectangle(-5, 690, 20, 50), Sheet()).sum() == 15 * 10


def test_contiguous_fill_is_the_connected_component_across_chunks() -> None:
    rng = np.random.default_rng(1)
    noise = ndimage.gaussian_filter(rng.random(SIZE), 6) > 0.5
    sheet = Sheet(noise.astype(np.uint8))
    components, _ = ndimage.label(noise)
    row, col = map(int, np.argwhere(noise)[5000])
    assert np.array_equal(covered(Fill(row, col), sheet), components == components[row, col])
    assert np.array_equal(covered(Fill(row, col, everywhere=True), sheet), noise)


def test_fill_outside_the_image_is_refused() -> None:
    with pytest.raises(MapError, match="outside"):
        covered(Fill(-1, 5), Sheet())


@pytest.mark.parametrize(
    "shape",
    [
        Stroke(((1.5, 2.0), (3.0, 4.0)), 5.0, "square", 1.25, True),
        Polygon((((0.0, 0.0), (0.0, 9.0), (9.0, 9.0)),)),
        Rectangle(1, 2, 3, 4),
        Fill(1, 2, True),
    ],
)
def test_edits_survive_json(shape: Shape) -> None:
    for edit in (Edit(shape, 3, frozenset({1, 2})), Edit(shape, None)):
        assert Edit.from_json(json.loads(json.dumps(edit.to_json()))) == edit


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"shape": "star", "with": {}, "class": 1},
        {"shape": "stroke", "with": {"points": [], "radius": 2}, "class": 1},
        {"shape": "stroke", "with": {"points": [[float("nan"), 1]], "radius": 2}, "class": 1},
        {"shape": "rectangle", "with": {"row": 1}, "class": 1},
    ],
)
def test_nonsense_edits_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(MapError, match="cannot be understood"):
        Edit.from_json(data)
