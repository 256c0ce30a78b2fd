"""Figures of filled holes, with what they were taken on and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Pixels
from cimgen_qt.evaluation.distances import Estimate, Features, frechet, kernel, sliced
from cimgen_qt.evaluation.features import EffNetFeatures, Eye
from cimgen_qt.evaluation.held_out import Case, Filled
from cimgen_qt.evaluation.patches import cut, places_inside, places_outside
from cimgen_qt.evaluation.seam import jump_ratio, ring_gap
from cimgen_qt.evaluation.structure import ssim

REPLICATES = 100
SLOW_REPLICATES, SUBSETS = 30, 4
"""Of distances that take long, and subsets of patches in each replicate of a kernel distance."""
NEAR_ONE = 0.15
FEWEST, FEW = 10, 200
"""Below so many patches a distance of distributions says nothing, and little."""
BRACKETS = "In brackets: 95 % of bootstrap replicates by tile."
WARNINGS = (
    "A generator that was trained with EfficientNet as its judge looks better to it than to other eyes.",
    "The raw kernel distance takes its sets for independent, but they are pairs: the photo itself is far below 0.",
)
"""What a reader has to know of the figures."""


@dataclass(frozen=True)
class Figure:
    """`low` and `high`: 95 % of bootstrap replicates that draw tiles, not patches; None where there is one tile."""

    value: float
    low: float | None = None
    high: float | None = None
    count: int = 0


@dataclass(frozen=True)
class Figures:
    """Of one way on one group of tiles. Lower is better but for `raw_ssim`; `jump` is best at 1.

    None where a figure cannot be taken, as distances of distributions from fewer than `FEWEST` patches.
    """

    way: str
    group: str
    edits: int
    jump: Figure | None
    jump_near_one: Figure | None
    ring: Figure | None
    colour: Figure | None
    perceptual: Figure | None
    sliced_excess: Figure | None
    kernel_excess: Figure | None
    frechet_excess: Figure | None
    raw_ssim: Figure | None = None
    raw_kernel: Figure | None = None
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Real:
    """Features of the photo: inside the holes, and elsewhere in the same tiles."""

    inside: list[Features]
    elsewhere: list[Features]
    patches: list[Pixels]

    @classmethod
    def of(cls, cases: Sequence[Case], eye: Eye) -> Real:
        inside = [eye(cut(c.ground.photo, places_inside(c.hole))) for c in cases]
        patches = [cut(c.ground.photo, places_outside(c.hole)) for c in cases]
        return cls(inside, [eye(p) for p in patches], patches)


def figures_of(
    way: str,
    group: str,
    cases: Sequence[Case],
    filled: Sequence[Filled],
    real: Real,
    judge: EffNetFeatures,
    eye: Eye | None = None,
) -> Figures:
    """Every figure of a way; lists go along the cases.

    `judge` tells how far pictures are apart, `eye` (also that of `real`) how far distributions are; None: the judge.
    """
    eye = eye or judge
    made = [eye(cut(f.picture, places_inside(c.hole))) for c, f in zip(cases, filled, strict=True)]
    jumps = np.array([jump_ratio(f.picture, c.hole) for c, f in zip(cases, filled, strict=True)])
    near = np.where(np.isnan(jumps), np.nan, np.abs(jumps - 1) <= NEAR_ONE)
    rings = np.array(
        [ring_gap(f.picture, c.hole) - ring_gap(c.ground.photo, c.hole) for c, f in zip(cases, filled, strict=True)]
    )
    colours = np.array([_colour(c, f.picture) for c, f in zip(cases, filled, strict=True)])
    gaps = np.array([judge.gap(c.ground.photo, f.picture) / c.hole.mean() for c, f in zip(cases, filled, strict=True)])
    tiles = np.array([c.tile for c in cases])
    count = sum(map(len, made))

    def distance(measure: Callable[[Features, Features], float]) -> Callable[[NDArray[np.int64]], float]:
        def of(picked: NDArray[np.int64]) -> float:
            there = [np.concatenate([part[int(n)] for n in picked]) for part in (made, real.inside, real.elsewhere)]
            if min(map(len, there)) < FEWEST:
                return float("nan")
            return measure(there[0], there[2]) - measure(there[1], there[2])

        return of

    raw_ssim = raw_kernel = None
    if all(f.raw is not None for f in filled) and sum(map(len, real.patches)) >= FEWEST:
        raws = [cut(f.raw, places_outside(c.hole)) for c, f in zip(cases, filled, strict=True) if f.raw is not None]
        alike = [ssim(r, p) if len(r) else np.empty(0) for r, p in zip(raws, real.patches, strict=True)]
        raw_ssim = _figure(
            tiles,
            lambda picked: float(np.concatenate([alike[int(n)] for n in picked]).mean()),
            len(np.concatenate(alike)),
        )
        features = [eye(r) for r in raws]
        raw_kernel = Figure(
            kernel(np.concatenate(features), np.concatenate(real.elsewhere)).mean, count=sum(map(len, raws))
        )
    notes = (f"{count} patches are few for distances of distributions",) if count < FEW else ()
    return Figures(
        way, group, len(cases),
        _figure(tiles, lambda picked: _mean(jumps[picked])),
        _figure(tiles, lambda picked: _mean(near[picked])),
        _figure(tiles, lambda picked: _mean(rings[picked])),
        _figure(tiles, lambda picked: float(colours[picked].mean())),
        _figure(tiles, lambda picked: float(gaps[picked].mean())),
        _figure(tiles, distance(sliced), count),
        _figure(tiles, distance(_kernel), count, SLOW_REPLICATES, distance(lambda a, b: kernel(a, b).mean)),
        _figure(tiles, distance(frechet), count, SLOW_REPLICATES),
        raw_ssim, raw_kernel, notes,
    )  # fmt: skip


def _colour(case: Case, picture: Pixels) -> float:
    """Mean absolute difference in the hole of colours averaged over 8 x 8 pixels, in levels."""
    off = (picture.astype(np.float64) - case.ground.photo) * case.hole[..., None]
    height, width = (size // 8 * 8 for size in case.hole.shape)
    blocks = off[:height, :width].reshape(height // 8, 8, width // 8, 8, -1).mean((1, 3))
    cover = case.hole[:height, :width].mean()
    return float(np.abs(blocks).mean() / cover)


def _mean(values: NDArray[np.float64]) -> float:
    """Of those that are numbers; NaN where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _kernel(one: Features, other: Features) -> float:
    return kernel(one, other, subsets=SUBSETS).mean


def _figure(
    tiles: NDArray[np.str_],
    measure: Callable[[NDArray[np.int64]], float],
    count: int = 0,
    replicates: int = REPLICATES,
    exactly: Callable[[NDArray[np.int64]], float] | None = None,
) -> Figure | None:
    """`exactly` measures the value itself, where replicates do with less. None where that is no number."""
    everything = np.arange(len(tiles))
    value = (exactly or measure)(everything)
    if not np.isfinite(value):
        return None
    names = np.unique(tiles)
    if len(names) < 2 or not replicates:
        return Figure(value, count=count or len(tiles))
    rng = np.random.default_rng(5)
    groups = [np.flatnonzero(tiles == name) for name in names]
    found = [
        measure(np.concatenate([groups[int(n)] for n in rng.integers(len(groups), size=len(groups))]))
        for _ in range(replicates)
    ]
    known = [one for one in found if np.isfinite(one)]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (None, None)
    return Figure(
        value, None if low is None else float(low), None if high is None else float(high), count or len(tiles)
    )


def table(rows: Sequence[Figures], eye: Eye, floor: Estimate | None = None) -> str:
    """Markdown for people. `floor` is what the photos are apart among themselves, in sliced W2."""
    head = ("way", "tiles", "edits", "sliced W2 excess", "kernel excess x1000", "Frechet excess", "perceptual",
            "colour", "jump (1 is best)", "within 0.15", "ring gap", "raw SSIM", "raw kernel x1000")  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [row.way, row.group, str(row.edits), _said(row.sliced_excess, 1), _said(row.kernel_excess, 2, 1000),
                 _said(row.frechet_excess, 1),
                 _said(row.perceptual, 3), _said(row.colour, 1), _said(row.jump, 2), _said(row.jump_near_one, 2),
                 _said(row.ring, 2), _said(row.raw_ssim, 3), _said(row.raw_kernel, 2, 1000)]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    said = () if floor is None else (f"Real tiles are {floor.mean:.1f} (sd {floor.deviation:.1f}) apart, by halves.",)
    return "\n\n".join(("\n".join(lines), f"Distances on {eye.name}. {BRACKETS}", *said, *WARNINGS)) + "\n"


def _said(figure: Figure | None, digits: int, factor: float = 1.0) -> str:
    if figure is None:
        return "-"
    text = f"{figure.value * factor:.{digits}f}"
    if figure.low is None or figure.high is None:
        return text
    return f"{text} ({figure.low * factor:.{digits}f}-{figure.high * factor:.{digits}f})"
