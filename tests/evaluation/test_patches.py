"""Which patches count as inside an edit and which as outside."""

import numpy as np

from cimgen_qt.evaluation.patches import INSIDE, SIDE, STRIDE, cut, places_inside, places_outside


def some_mask() -> np.ndarray:  # type: ignore[type-arg]
    mask = np.zeros((200, 260), bool)
    mask[70:170, 90:190] = True
    return mask


def by_looking(mask: np.ndarray) -> list[tuple[int, int, float]]:  # type: ignore[type-arg]
    return [
        (row, col, float(mask[row : row + SIDE, col : col + SIDE].mean()))
        for row in range(0, mask.shape[0] - SIDE + 1, STRIDE)
        for col in range(0, mask.shape[1] - SIDE + 1, STRIDE)
    ]


def test_outside_holds_no_changed_pixel_and_inside_mostly_changed_ones() -> None:
    mask = some_mask()
    looked = by_looking(mask)
    assert places_outside(mask).tolist() == [[r, c] for r, c, share in looked if share == 0] != []
    assert places_inside(mask).tolist() == [[r, c] for r, c, share in looked if share >= INSIDE] != []


def test_one_changed_pixel_ends_a_patch() -> None:
    mask = np.zeros((SIDE, SIDE), bool)
    assert len(places_outside(mask)) == 1
    mask[-1, -1] = True
    assert len(places_outside(mask)) == 0


def test_patches_are_the_pixels_at_their_places() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (200, 260, 3), dtype=np.uint8)
    places = places_outside(some_mask())
    found = cut(picture, places)
    assert found.shape == (len(places), SIDE, SIDE, 3)
    row, col = places[3]
    assert np.array_equal(found[3], picture[row : row + SIDE, col : col + SIDE])


def test_a_picture_smaller_than_a_patch_has_none() -> None:
    mask = np.zeros((SIDE - 1, 300), bool)
    assert cut(np.zeros((SIDE - 1, 300, 3), np.uint8), places_outside(mask)).shape == (0, SIDE, SIDE, 3)
