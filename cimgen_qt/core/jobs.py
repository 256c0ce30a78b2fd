"""Long tasks as plain generators: what they yield, and the runner that drives one where it stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` steps are over (`total` 0: not known); `text` says what is being done.

    `payload` carries what is ready already, such as a patch to show; a runner hands it on untouched.
    """

    done: int
    total: int
    text: str = ""
    payload: Any = None

    @property
    def fraction(self) -> float:
        """From 0 to 1; 0 while the total is not known."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0


Job = Generator[Progress, None, T]
"""A long task: yields `Progress`, returns its result, cleans up in `finally` when it is closed."""


class Cancelled(BaseException):
    """The user stopped the job; everything it had begun is cleaned up."""


def run_inline(job: Job[T], on_progress: Callable[[Progress], bool] | None = None) -> T:
    """Run `job` in this thread. Raises `Cancelled` once `on_progress` answers False."""
    try:
        while True:
            progress = next(job)
            if on_progress is not None and on_progress(progress) is False:
                raise Cancelled
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        job.close()


@dataclass(slots=True)
class Eta:
    """Time left, from the pace of the last steps."""

    clock: Callable[[], float] = time.monotonic
    _start: float | None = field(default=None, repr=False)

    def seconds_left(self, progress: Progress) -> float | None:
        """None until the pace is known."""
        now = self.clock()
        if self._start is None:
            self._start = now
            return None
        fraction = progress.fraction
        if fraction <= 0.0 or now <= self._start:
            return None
        return (now - self._start) * (1.0 - fraction) / fraction
