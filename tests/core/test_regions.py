"""Connected areas and outlines, beside scipy, shapely and rasterio."""

import numpy as np
import shapely.geometry as sg
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.features import rasterize
from scipy import ndimage

from cimgen_qt.core.grid import Window
from cimgen_qt.core.outline import outline
from cimgen_qt.core.raster import Mask
from cimgen_qt.core.regions import find_areas

masks = arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))


@settings(max_examples=200, deadline=None)
@given(masks, st.booleans())
def test_areas_are_those_of_scipy_however_the_mask_is_cut(mask: Mask, diagonal: bool) -> None:
    blocks = [
        (Window(r, c, *mask[r : r + 7, c : c + 5].shape), mask[r : r + 7, c : c + 5])
        for r in range(0, mask.shape[0], 7)
        for c in range(0, mask.shape[1], 5)
    ]
    runs = find_areas(blocks, diagonal)
    labels, count = ndimage.label(mask, np.ones((3, 3)) if diagonal else None)
    assert runs.count == count
    whole = Window(0, 0, *mask.shape)
    for number, window in enumerate(runs.windows()):
        found = runs.mask([number], whole)
        (label,) = np.unique(labels[found])
        assert np.array_equal(found, labels == label)
        assert runs.sizes()[number] == found.sum()
        rows, cols = np.nonzero(found)
        assert (window.row, window.col, window.bottom - 1, window.right - 1) == (
            rows.min(), cols.min(), rows.max(), cols.max(),
        )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(masks)
def test_outlines_are_valid_polygons_that_cover_the_mask_exactly(mask: Mask) -> None:
    polygons = [
        sg.Polygon([(c, r) for r, c in rings[0]], [[(c, r) for r, c in hole] for hole in rings[1:]])
        for rings in outline(mask, Window(0, 0, *mask.shape))
    ]
    assert all(polygon.is_valid for polygon in polygons)
    assert sum(polygon.area for polygon in polygons) == mask.sum()
    if polygons:
        assert np.array_equal(rasterize(polygons, mask.shape).astype(bool), mask)


def test_area_at_is_minus_one_outside() -> None:
    runs = find_areas([(Window(10, 10, 2, 2), np.ones((2, 2), bool))])
    assert runs.area_at([10, 9, 12, 10], [10, 10, 10, 12]).tolist() == [0, -1, -1, -1]


def test_no_block_has_no_area() -> None:
    assert find_areas([]).count == 0
    assert outline(np.zeros((3, 3), bool), Window(0, 0, 3, 3)) == []
