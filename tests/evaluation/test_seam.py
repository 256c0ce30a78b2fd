"""Seams: an untouched photo has none, a paste has one; colour differences are those of CIEDE2000."""

from pathlib import Path

import numpy as np
import pytest

from cimgen_qt.evaluation.seam import ciede2000, jump_ratio, ring_gap

SHARMA = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0009), 7.1792),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0011), 7.2195),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((50.0, 2.5, 0.0), (50.0, 3.1736, 0.5854), 1.0000),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]
"""Pairs of colours and their difference: Sharma, Wu and Dalal 2005, table 1."""


@pytest.mark.parametrize(("one", "other", "wanted"), SHARMA)
def test_colour_difference_is_that_of_the_published_table(one, other, wanted) -> None:  # type: ignore[no-untyped-def]
    assert ciede2000(np.array(one), np.array(other)) == pytest.approx(wanted, abs=6e-5)
    assert ciede2000(np.array(other), np.array(one)) == pytest.approx(wanted, abs=6e-5)


def photo_of(shared_data: Path) -> np.ndarray:  # type: ignore[type-arg]
    from PIL import Image

    found = np.array(Image.open(sorted((shared_data / "dubai" / "images").glob("*.jpg"))[0]).convert("RGB"))
    return found[:256, :256]


def disc() -> np.ndarray:  # type: ignore[type-arg]
    rows, cols = np.mgrid[:256, :256]
    return np.asarray((rows - 128) ** 2 + (cols - 120) ** 2 < 70**2)


def test_a_brighter_paste_shows_as_a_seam_and_the_photo_does_not(shared_data: Path) -> None:
    photo, mask = photo_of(shared_data), disc()
    pasted = photo.copy()
    pasted[mask] = np.minimum(pasted[mask].astype(int) + 60, 255)
    assert jump_ratio(photo, mask) == pytest.approx(1, abs=0.15)
    assert jump_ratio(pasted, mask) > 2
    assert ring_gap(pasted, mask) > ring_gap(photo, mask) + 5


def test_a_jump_as_high_as_every_other_is_no_seam_and_a_double_one_is() -> None:
    """On a diagonal ramp all neighbours are one level apart; a step of one more across the rim doubles it there."""
    ramp = np.add.outer(np.arange(80), np.arange(120)).astype(np.uint8)[..., None].repeat(3, 2)
    mask = np.zeros((80, 120), bool)
    mask[:, 60:] = True
    assert jump_ratio(ramp, mask) == pytest.approx(1)
    assert jump_ratio(ramp + mask[..., None].astype(np.uint8), mask) == pytest.approx(2)


@pytest.mark.parametrize("full", [False, True])
def test_without_a_rim_there_is_nothing_to_say(full: bool) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    mask = np.full((64, 64), full)
    assert np.isnan(jump_ratio(picture, mask))
    assert np.isnan(ring_gap(picture, mask))
