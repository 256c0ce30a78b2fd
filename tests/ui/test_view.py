"""Where pixels lie on the screen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimgen_qt.core.grid import Window
from cimgen_qt.ui.view import View, fitted, tile_window, top_level

GRID = Window(0, 0, 2300, 2100)


@given(st.floats(0.01, 50), st.floats(-500, 3000), st.floats(-500, 3000), st.floats(0.1, 10))
def test_zoom_keeps_the_pixel_under_the_pointer(scale: float, top: float, left: float, factor: float) -> None:
    view = View(scale, top, left)
    zoomed = view.zoomed(factor, 321, 234, 0.001)
    assert zoomed.to_pixel(321, 234) == pytest.approx(view.to_pixel(321, 234), abs=1e-6)


@given(st.floats(0.01, 50), st.floats(-100, 100), st.floats(-100, 100))
def test_panning_moves_what_is_seen_by_screen_points(scale: float, dx: float, dy: float) -> None:
    view = View(scale, 100, 200)
    x, y = view.moved(dx, dy).to_screen(150, 250)
    before = view.to_screen(150, 250)
    assert (x - before[0], y - before[1]) == pytest.approx((dx, dy), abs=1e-6)


def test_a_fitted_view_shows_the_whole_image() -> None:
    view = fitted(GRID, 800, 600)
    corners = [view.to_screen(0, 0), view.to_screen(GRID.bottom, GRID.right)]
    assert all(0 <= x <= 800 and 0 <= y <= 600 for x, y in corners)


@pytest.mark.parametrize(("scale", "level"), [(4.0, 0), (1.0, 0), (0.5, 1), (0.26, 2), (0.12, 3)])
def test_the_level_has_pixels_as_large_as_those_of_the_screen(scale: float, level: int) -> None:
    assert View(scale).level() == level


def test_the_image_cannot_be_lost_off_the_screen() -> None:
    view = View(1.0, -99999, 99999).kept_near(GRID, 800, 600)
    assert view.to_pixel(400, 300) == (0, 2100)


def test_one_tile_of_the_top_level_holds_all() -> None:
    assert tile_window(top_level(GRID), 0, 0, GRID) == GRID
