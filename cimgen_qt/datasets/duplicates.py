"""Find tiles that show the same ground: hashes for copies, phase correlation for shifted cut-outs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.resample import shrink_or_grow

CLOSE = 6
"""Bits of 64 by which the hashes of copies may differ."""
ALIKE = 0.95
"""Correlation of thumbnails that confirms a copy: aerial tiles have like hashes by chance."""
PEAK = 0.3
"""Height of the peak of phase correlation from which two tiles are cut-outs of the same picture, shifted."""
SIDE = 64
Thumbnail = NDArray[np.float32]
"""(SIDE, SIDE), of mean 0 and deviation 1."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Tile `one` shows the ground of `other`."""

    one: int
    other: int
    how: str


def thumbnail(light: NDArray[np.float32]) -> Thumbnail:
    """A small, normalised picture of (height, width) brightness."""
    small = shrink_or_grow(light[..., None].astype(np.float32), SIDE, SIDE)[..., 0]
    found: Thumbnail = ((small - small.mean()) / (small.std() + 1e-6)).astype(np.float32)
    return found


def hashes(small: Thumbnail) -> NDArray[np.uint64]:
    """Difference hashes (64 bit) of the eight ways to turn and mirror a thumbnail; the first is as it stands."""
    found = []
    for mirrored in (small, small[:, ::-1]):
        for quarter in range(4):
            turned = np.rot90(mirrored, quarter)
            rows, cols = (np.linspace(0, SIDE, n + 1).astype(int)[:-1] for n in (8, 9))
            cells = np.add.reduceat(np.add.reduceat(turned, rows, 0), cols, 1) / (SIDE / 8 * SIDE / 9)
            bits = np.packbits((cells[:, 1:] > cells[:, :-1]).ravel())
            found.append(int.from_bytes(bits.tobytes(), "big"))
    return np.array(found, np.uint64)


def find_copies(thumbnails: Sequence[Thumbnail], shifted: bool = True) -> list[Copy]:
    """Pairs that show the same ground. Takes time with the square of the number of tiles."""
    if len(thumbnails) < 2:
        return []
    all_hashes = np.stack([hashes(t) for t in thumbnails])
    spectra = np.stack([np.fft.rfft2(t * _window()) for t in thumbnails]) if shifted else None
    found = []
    for one in range(1, len(thumbnails)):
        bits = _bits(all_hashes[:one, 0, None] ^ all_hashes[one][None])
        copies = [int(n) for n in np.flatnonzero(bits.min(1) <= CLOSE)]
        for other in copies:
            turn = int(bits[other].argmin())
            turned = np.rot90(thumbnails[one] if turn < 4 else thumbnails[one][:, ::-1], turn % 4)
            alike = float((turned * thumbnails[other]).mean())
            if alike >= ALIKE:
                found.append(Copy(one, other, f"correlation {alike:.2f}"))
                break
        else:
            if spectra is not None:
                found += _shifted(one, spectra)
    return found


def _shifted(one: int, spectra: NDArray[np.complex128]) -> list[Copy]:
    cross = spectra[:one] * np.conj(spectra[one])
    peaks = np.fft.irfft2(cross / (np.abs(cross) + 1e-9), s=(SIDE, SIDE)).max((1, 2))
    other = int(peaks.argmax())
    return [Copy(one, other, f"phase correlation {peaks[other]:.2f}")] if peaks[other] > PEAK else []


def _window() -> NDArray[np.float64]:
    ramp = np.hanning(SIDE)
    return np.outer(ramp, ramp)


def _bits(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many bits are set."""
    as_bytes = values[..., None].view(np.uint8)
    found: NDArray[np.int64] = np.unpackbits(as_bytes, axis=-1).sum(-1, dtype=np.int64)
    return found


def to_remove(copies: Sequence[Copy], sharpness: Sequence[float], splits: Sequence[str]) -> dict[int, Copy]:
    """Of each cluster of copies the sharpest stays; tiles that are held out go before tiles that are learned from.

    So nothing that is judged on was learned from.
    """
    leader = list(range(len(sharpness)))

    def find(number: int) -> int:
        while leader[number] != number:
            number = leader[number]
        return number

    for copy in copies:
        leader[find(copy.one)] = find(copy.other)
    clusters: dict[int, list[int]] = {}
    for copy in copies:
        for number in (copy.one, copy.other):
            members = clusters.setdefault(find(number), [])
            if number not in members:
                members.append(number)
    order = {"train": 0, "validation": 1, "test": 2}
    removed = {}
    for members in clusters.values():
        best = max(members, key=lambda n: (order.get(splits[n], 0), sharpness[n]))
        for number in members:
            if number != best:
                how = next(c.how for c in copies if number in (c.one, c.other))
                removed[number] = Copy(number, best, how)
    return removed
