"""Examples are looked for near the edits, in a bounded number of blocks, and never where pixels are to be made."""

from __future__ import annotations

import numpy as np

from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.raster import RasterInfo
from cimgen_qt.generators.examples import BLOCK, MOST_BLOCKS, as_data, read_example, spread_blocks, take_census
from tests.generators.scenes import MemoryScene


def scene(rows: int = 4, cols: int = 6) -> MemoryScene:
    classes = np.ones((rows * BLOCK, cols * BLOCK), np.uint8)
    classes[:, ::4] = 2
    photo = np.full((*classes.shape, 1), 9, np.uint8)
    labels = classes.copy()
    labels[10:60, 10:60] = 2
    return MemoryScene(photo, classes, labels)


def test_all_blocks_of_a_small_scene_are_counted() -> None:
    view = scene()
    census = run_inline(take_census(view))
    scope = view.labels != view.map
    assert census.free.sum() == view.map.size - scope.sum()
    assert census.wanted[2] == scope.sum()
    assert census.scoped[0, 1] == scope.sum()


def test_a_huge_scene_is_looked_at_in_a_bounded_number_of_blocks_spread_over_it() -> None:
    window = Window(0, 0, 200_000, 150_000)
    blocks = spread_blocks(window)
    assert MOST_BLOCKS / 4 < len(blocks) <= MOST_BLOCKS
    assert all(window.contains(block) for block in blocks)
    assert min(b.row for b in blocks) < 10_000
    assert max(b.bottom for b in blocks) > 190_000


def test_blocks_near_the_edits_come_first() -> None:
    census = run_inline(take_census(scene()))
    first, *others = census.best_blocks(1, 4)
    assert (first.row, first.col) in {(0, 0), (0, BLOCK), (BLOCK, 0), (BLOCK, BLOCK)}
    assert len({(b.row, b.col) for b in [first, *others]}) == 4


def test_an_example_leaves_out_scope_nodata_and_nan() -> None:
    view = scene(1, 1)
    view.photo = view.photo.astype(np.float32)
    view.photo[100, 100] = np.nan
    view.valid = np.ones(view.map.shape, bool)
    view.valid[200, 200] = False
    classes = read_example(view, Window(-50, -50, 900, 900), ()).classes
    expected = (view.labels == view.map) & view.valid
    expected[100, 100] = False
    assert np.array_equal(classes >= 0, expected)


def test_made_pixels_are_never_nodata_or_transparent() -> None:
    grid = scene(1, 1).grid
    for dtype, nodata in (
        ("uint8", 0.0),
        ("uint8", 255.0),
        ("int16", -32768.0),
        ("float32", 0.0),
        ("float32", -9999.0),
    ):
        info = RasterInfo("x.tif", grid, 2, dtype, (nodata, None), alpha=1)
        made = as_data(np.array([[nodata, 0], [7, 0]], dtype), info)
        assert made[0, 0] != nodata
        assert made[1, 0] == 7
        assert (made[:, 1] == (1 if dtype == "float32" else np.iinfo(dtype).max)).all()
