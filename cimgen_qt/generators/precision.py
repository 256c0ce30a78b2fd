"""Find out on the spot whether a faster way to compute is truly faster here, and says the same."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

AGREEMENT_DB = 38.0
"""The least peak signal-to-noise ratio to float32: three levels of 255 apart, root mean square."""
GAIN = 1.5
"""Less of a gain is not worth other pixels."""
BUDGET_S = 0.05
MOST_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """One batch as the network will be fed, the output that counts, and how far its values range."""

    feeds: Mapping[str, NDArray[Any]]
    output: str
    span: float = 2.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found: times faster (median of rounds in turn), and the agreement in decibels."""

    gain: float
    decibels: float
    rounds: int

    @property
    def refusal(self) -> str:
        """Why not to take the candidate; empty if it is good."""
        if not self.decibels >= AGREEMENT_DB:
            return f"it agrees with fp32 to {self.decibels:.0f} dB only"
        return "" if self.gain >= GAIN else f"it is {self.gain:.1f} times as fast as fp32 only"


def probe(reference: Any, candidate: Any, sample: Sample, clock: Callable[[], float] = time.perf_counter) -> Probe:
    """Run two sessions on the sample: once to warm up and compare, then in turn until the budget is used.

    A candidate that does not agree is not timed.
    """
    one, other = (session.run([sample.output], sample.feeds)[0] for session in (reference, candidate))
    decibels = agreement(one, other, sample.span)
    if not decibels >= AGREEMENT_DB:
        return Probe(0.0, decibels, 0)
    gains: list[float] = []
    begun = clock()
    while len(gains) < MOST_ROUNDS and (not gains or clock() - begun < BUDGET_S):
        times = []
        for session in (reference, candidate):
            start = clock()
            session.run([sample.output], sample.feeds)
            times.append(max(clock() - start, 1e-9))
        gains.append(times[0] / times[1])
    return Probe(float(np.median(gains)), decibels, len(gains))


def agreement(one: NDArray[Any], other: NDArray[Any], span: float) -> float:
    """Peak signal-to-noise ratio in decibels: infinite for the same, minus infinite where something is no number."""
    wrong = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    if wrong == 0.0:
        return math.inf
    return 10.0 * math.log10(span**2 / wrong) if math.isfinite(wrong) else -math.inf
