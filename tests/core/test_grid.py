"""Windows and grids: rectangles, affine transforms and metres on the ground."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from cimgen_qt.core.crs import Crs
from cimgen_qt.core.grid import Grid, Window

windows = st.builds(Window, *[st.integers(-50, 50)] * 2, *[st.integers(0, 60)] * 2)


@given(windows, windows)
def test_intersection_lies_in_both_and_union_round_both(one: Window, other: Window) -> None:
    common = one.intersect(other)
    if common:
        assert one.contains(common)
        assert other.contains(common)
    both = one.union(other)
    assert not one or both.contains(one)
    assert not other or both.contains(other)


def test_slices_are_relative_to_the_origin() -> None:
    assert Window(5, 7, 2, 3).slices(Window(4, 4, 9, 9)) == (slice(1, 3), slice(3, 6))


@pytest.mark.parametrize(
    "transform",
    [
        (0.5, 0, 1000, 0, -0.5, 2000),
        (0.5, 0, 1000, 0, 0.5, 2000),
        (0.3, 0.4, 1000, 0.4, -0.3, 2000),
        (2.0, 0.1, -5, 0.0, -3.0, 7),
    ],
    ids=["north-up", "south-up", "rotated", "sheared"],
)
def test_pixel_and_map_coordinates_are_inverse(transform: tuple[float, ...]) -> None:
    grid = Grid(100, 80, transform)  # type: ignore[arg-type]
    row, col = grid.row_col(*grid.xy(12.25, 33.5))
    assert (row, col) == pytest.approx((12.25, 33.5), abs=1e-9)


def test_geographic_pixels_are_measured_on_the_ellipsoid() -> None:
    step = 1e-5
    grid = Grid(2, 2, (step, 0, 10, 0, -step, 60 + step), CRS.from_epsg(4326).to_wkt())
    assert grid.pixel_size is not None
    # A degree at 60 degrees north on WGS 84 is 111 412 m along the meridian and 55 800 m along the parallel.
    assert grid.pixel_size == pytest.approx((1.11412, 0.55800), rel=1e-4)


@pytest.mark.parametrize("version", ["WKT1_GDAL", "WKT2_2019"])
@pytest.mark.parametrize(
    ("epsg", "kind", "size"),
    [(32633, "projected", 0.5), (2225, "projected", 0.5 * 1200 / 3937), (2056, "projected", 0.5)],
)
def test_projected_pixels_are_taken_in_their_unit(version: str, epsg: int, kind: str, size: float) -> None:
    wkt = CRS.from_epsg(epsg).to_wkt(version=version)
    assert Crs(wkt).kind == kind
    grid = Grid(10, 10, (0.5, 0, 5e5, 0, -0.5, 4e6), wkt)
    assert grid.pixel_size == pytest.approx((size, size), rel=1e-6)


def test_web_mercator_is_freed_of_its_stretch() -> None:
    y = 6378137 * math.log(math.tan(math.pi / 4 + math.radians(60) / 2))
    grid = Grid(2, 2, (1, 0, 0, 0, -1, y + 1), CRS.from_epsg(3857).to_wkt())
    assert grid.metres_per_pixel == pytest.approx(0.5, rel=1e-6)


def test_mars_has_its_own_radius() -> None:
    wkt = (
        'GEOGCS["GCS_Mars_2000",DATUM["D_Mars_2000",SPHEROID["Mars_2000_IAU_IAG",3396190,169.894447224]],'
        'PRIMEM["Reference_Meridian",0],UNIT["degree",0.0174532925199433]]'
    )
    grid = Grid(2, 2, (1, 0, 0, 0, -1, 1), wkt)
    assert grid.pixel_size is not None
    assert grid.pixel_size[1] == pytest.approx(math.pi / 180 * 3396190, rel=1e-6)


def test_no_position_has_no_metres() -> None:
    assert Grid(4, 4).metres_per_pixel is None
    assert Grid(4, 4, (1, 0, 5, 0, -1, 5), 'LOCAL_CS["drawing",UNIT["metre",1]]').pixel_area is None


def test_grids_are_the_same_place_only_with_the_same_corners() -> None:
    grid = Grid(10, 10, (1, 0, 0, 0, -1, 0))
    assert grid.same_place(Grid(10, 10, (1, 0, 0.0005, 0, -1, 0)))
    assert not grid.same_place(Grid(10, 10, (1, 0, 0.5, 0, -1, 0)))
    assert not grid.same_place(Grid(10, 11, (1, 0, 0, 0, -1, 0)))
