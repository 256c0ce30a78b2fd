"""What the command line shows: results on standard output, progress and complaints on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import Eta, Job, Progress, run_inline

T = TypeVar("T")
BAR = 28


class Console:
    """`quiet` hides progress; `as_json` makes results one JSON object a command."""

    def __init__(self, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self._show = not quiet and sys.stderr.isatty()
        self._width = 0

    def result(self, facts: Mapping[str, Any], *lines: str) -> None:
        """Print `facts` as JSON, or `lines` for people."""
        text = json.dumps(facts, indent=2, ensure_ascii=False, default=str) if self.as_json else "\n".join(lines)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def warn(self, *warnings: str) -> None:
        for warning in warnings:
            sys.stderr.write(f"note: {warning}\n")

    def fail(self, error: CimgenError) -> None:
        """One line, and a hint."""
        sys.stderr.write(f"cimgen: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"  hint: {error.hint}\n")

    def run(self, job: Job[T]) -> T:
        """Drive a job here, with a bar where somebody is looking."""
        eta = Eta()

        def on_progress(progress: Progress) -> bool:
            if self._show:
                self._draw(progress, eta.seconds_left(progress))
            return True

        try:
            return run_inline(job, on_progress)
        finally:
            if self._show:
                sys.stderr.write("\r" + " " * self._width + "\r")
                sys.stderr.flush()

    def _draw(self, progress: Progress, left: float | None) -> None:
        full = round(progress.fraction * BAR)
        time = "" if left is None else f"  {left:.0f} s left"
        line = f"[{'#' * full}{'.' * (BAR - full)}] {progress.fraction:4.0%}  {progress.text}{time}"
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)


def hectares(square_metres: float | None, pixels: int) -> str:
    """An area as people say it."""
    if square_metres is None:
        return f"{pixels} px"
    return f"{square_metres / 10_000:.2f} ha" if square_metres >= 1000 else f"{square_metres:.1f} m²"
