"""Cut a grid into 256-pixel chunks: the unit that is read, kept as a version and written."""

from __future__ import annotations

from collections.abc import Iterator

from cimgen_qt.core.grid import Grid, Window

CHUNK = 256

Key = tuple[int, int]
"""(chunk row, chunk column)."""


def chunk_window(key: Key, grid: Grid) -> Window:
    """The pixels of a chunk, cut off at the grid's edge."""
    return Window(key[0] * CHUNK, key[1] * CHUNK, CHUNK, CHUNK).intersect(grid.window)


def chunk_keys(window: Window) -> Iterator[Key]:
    """Chunks that `window` touches, row by row."""
    if not window:
        return
    for row in range(window.row // CHUNK, (window.bottom - 1) // CHUNK + 1):
        for col in range(window.col // CHUNK, (window.right - 1) // CHUNK + 1):
            yield row, col
