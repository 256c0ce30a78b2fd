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
from typing import Any

ROUNDS, MANY, SHORT_S = 7, 15, 0.010
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


@dataclass(frozen=True)
class Case:
    """The same work by several runners, ours first; ratios are theirs over ours."""

    name: str
    runners: tuple[Runner, ...]
    rounds: int = ROUNDS
    notes: tuple[str, ...] = ()


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


def measure(case: Case, quick: bool) -> list[Measured]:
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
    began = time.perf_counter()
    runners[0].work()
    short = time.perf_counter() - began < SHORT_S
    rounds = QUICK if quick else max(case.rounds, MANY if short else 0)
    clock: dict[str, list[float]] = {r.name: [] for r in runners}
    cpu: dict[str, list[float]] = {r.name: [] for r in runners}
    for number in range(rounds):
        for runner in runners if number % 2 == 0 else reversed(runners):
            gc.collect()
            wall, process = time.perf_counter(), time.process_time()
            runner.work()
            cpu[runner.name].append(max(1e-9, time.process_time() - process))
            clock[runner.name].append(time.perf_counter() - wall)
    found = []
    for runner in runners:
        ratios = [t / o for t, o in zip(clock[runner.name], clock[ours], strict=True)]
        loads = [t / o for t, o in zip(cpu[runner.name], cpu[ours], strict=True)]
        found.append(
            Measured(case.name, runner.name, statistics.median(clock[runner.name]), statistics.median(ratios),
                     min(ratios), max(ratios), statistics.median(loads), rounds, peaks[runner.name],
                     said[runner.name], case.notes)
        )  # fmt: skip
    return found


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
