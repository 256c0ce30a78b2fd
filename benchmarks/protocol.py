"""Measure side by side: the same inputs, rounds in turn, a result that is checked before its time counts."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import platform
import statistics
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

ROUNDS, MANY, SHORT_S = 7, 15, 0.010
SPAN_S = 0.002
"""A round of shorter work calls it again and again for so long: one call alone would be timed with cold caches."""
QUICK = 3
LOOK_S = 0.001
_RESIDENT = Path("/proc/self/statm")


class WrongError(Exception):
    """Our own result is wrong: its time is not worth taking."""


@dataclass(frozen=True)
class Runner:
    """One way to do the work. `check` gets the result and says what is wrong with it, or nothing."""

    name: str
    work: Callable[[], Any]
    check: Callable[[Any], str] = lambda _: ""
    needs: tuple[str, ...] = ()
    """Modules of a peer; where one is missing it is named and skipped."""
    own_clock: bool = False
    """`work` runs in another process and returns its seconds of wall and CPU time."""


@dataclass(frozen=True)
class Target:
    """What we want to reach: time of `over` by time of `under`; without `under`, its time in us or its peak in MB."""

    name: str
    over: str
    limit: float
    under: str | None = None
    at_least: bool = False
    unit: Literal["x", "us", "MB"] = "x"


@dataclass(frozen=True)
class Verdict:
    """`shortfall` is how many times the limit was missed by; 1 or less: it is met."""

    case: str
    target: str
    value: float
    lowest: float
    highest: float
    limit: float
    unit: str
    shortfall: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Case:
    """The same work by several runners, ours first; ratios are theirs over ours."""

    name: str
    runners: tuple[Runner, ...]
    notes: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()


@dataclass
class Measured:
    case: str
    runner: str
    median_s: float
    ratio: float
    """Median of the per-round ratios of this runner's time to ours: above 1 we are faster."""
    lowest: float
    highest: float
    cpu_ratio: float
    rounds: int
    peak_mb: float
    """Memory of the process that one call adds at its height, native memory and the result included."""
    said: str
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(case: Case, quick: bool) -> tuple[list[Measured], list[Verdict]]:
    """Warm up and check, then go round and round, the order turned every time. Raises `WrongError`."""
    runners = [r for r in case.runners if not missing(r)]
    ours = runners[0].name
    said, peaks = {}, {}
    for runner in runners:
        result, peaks[runner.name] = _peak(runner.work)
        said[runner.name] = runner.check(result)
        del result
    if said[ours]:
        raise WrongError(f"{case.name}: {ours} {said[ours]}")
    calls = {runner.name: _calls(runner) for runner in runners}
    rounds = QUICK if quick else MANY if calls[ours] > 1 else ROUNDS
    times: dict[str, list[tuple[float, float]]] = {r.name: [] for r in runners}
    for number in range(rounds):
        for runner in runners if number % 2 == 0 else reversed(runners):
            times[runner.name].append(_time(runner, calls[runner.name]))
    clock = {name: [wall for wall, _ in found] for name, found in times.items()}
    found = []
    for runner in runners:
        ratios = _ratios(clock[runner.name], clock[ours])
        loads = _ratios([cpu for _, cpu in times[runner.name]], [cpu for _, cpu in times[ours]])
        found.append(
            Measured(case.name, runner.name, statistics.median(clock[runner.name]), statistics.median(ratios),
                     min(ratios), max(ratios), statistics.median(loads), rounds, peaks[runner.name],
                     said[runner.name], case.notes)
        )  # fmt: skip
    wanted = [t for t in case.targets if t.over in clock and (t.under is None or t.under in clock)]
    return found, [_verdict(case.name, target, clock, peaks) for target in wanted]


def _calls(runner: Runner) -> int:
    """How often a round calls the work; 1 where it takes 10 ms or longer."""
    wall, _ = _time(runner, 1)
    return 1 if wall >= SHORT_S else max(1, round(SPAN_S / max(wall, 1e-7)))


def _time(runner: Runner, calls: int) -> tuple[float, float]:
    """Wall and CPU seconds of one call, the mean of so many."""
    gc.collect()
    gc.disable()
    try:
        if runner.own_clock:
            own = [runner.work() for _ in range(calls)]
            return sum(wall for wall, _ in own) / calls, sum(cpu for _, cpu in own) / calls
        if calls > 1:
            runner.work()
        wall, process = time.perf_counter(), time.process_time()
        for _ in range(calls):
            runner.work()
        return (time.perf_counter() - wall) / calls, (time.process_time() - process) / calls
    finally:
        gc.enable()


def _ratios(over: list[float], under: list[float]) -> list[float]:
    return [o / max(u, 1e-12) for o, u in zip(over, under, strict=True)]


def _verdict(case: str, target: Target, clock: dict[str, list[float]], peaks: dict[str, float]) -> Verdict:
    if target.unit == "MB":
        values = [peaks[target.over]]
    elif target.under is None:
        values = [wall * 1e6 for wall in clock[target.over]]
    else:
        values = _ratios(clock[target.over], clock[target.under])
    value = statistics.median(values)
    missed_by = target.limit / value if target.at_least else value / target.limit
    return Verdict(case, target.name, value, min(values), max(values), target.limit, target.unit, missed_by)


def missing(runner: Runner) -> tuple[str, ...]:
    """Modules that `runner` needs and this interpreter does not have."""
    return tuple(name for name in runner.needs if importlib.util.find_spec(name) is None)


def circumstances() -> dict[str, Any]:
    """What a figure depends on, when the measuring begins."""
    return {
        "load": load(),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def load() -> tuple[float, float, float]:
    """Of the machine, when the measuring begins."""
    return os.getloadavg() if hasattr(os, "getloadavg") else (0.0, 0.0, 0.0)


def _peak(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of one call, and how much the process grew by at its height, in MB (2^20)."""
    if not _RESIDENT.exists():
        tracemalloc.start()
        result = work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result, peak / 2**20
    _give_back()
    before = highest = _resident()
    done = threading.Event()

    def look() -> None:
        nonlocal highest
        while not done.wait(LOOK_S):
            highest = max(highest, _resident())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        result = work()
    finally:
        done.set()
        watcher.join()
    return result, (max(highest, _resident()) - before) / 2**20


def _resident() -> int:
    return int(_RESIDENT.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _give_back() -> None:
    """Let the C library return what it hoards, so that a call does not hide in memory left by the one before."""
    gc.collect()
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
