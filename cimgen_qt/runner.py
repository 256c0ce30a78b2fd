"""Run jobs in a worker process from a plain thread: start it, follow it, cancel it, survive its death."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from cimgen_qt.blocks import sweep_stale
from cimgen_qt.child import Child, Ended, Woken, worker_command
from cimgen_qt.core.errors import WorkerError
from cimgen_qt.core.jobs import Cancelled, Progress
from cimgen_qt.core.liveness import remove_stale
from cimgen_qt.wire import PROTOCOL, Language, error_of, travellers

OnProgress = Callable[[Progress], bool]


class WorkerRunner:
    """One worker process, started when it is needed and again after it died. One job at a time; a second call waits.

    `types` are the dataclasses that come back (`wire.travellers` if left out). A worker that says nothing for
    `hang_s` is killed, and so is a job that has not stopped `grace_s` after it was cancelled. `spare` keeps a second
    worker warm, so that a death costs no start. `command` replaces the whole command line before the block prefix.
    """

    def __init__(
        self,
        python: str | None = None,
        types: Iterable[type] | None = None,
        command: Sequence[str] | None = None,
        grace_s: float = 1.0,
        hang_s: float = 60.0,
        start_s: float = 60.0,
        memory_mb: int = 0,
        spare: bool = False,
    ) -> None:
        self._language = Language(travellers() if types is None else types)
        self._command = [*command] if command is not None else worker_command(python)
        self._options = ["--memory-mb", str(memory_mb)] if memory_mb else []
        self._grace_s, self._hang_s, self._start_s = grace_s, hang_s, start_s
        self._keeps_spare = spare
        self._children: list[Child] = []
        self._one_at_a_time = threading.Lock()
        self._state = threading.Lock()
        self._running: Child | None = None
        self._number = 0
        self._wanted = True
        self._closed = False
        self.seconds_left: float | None = None
        """The worker's guess for the running job."""
        sweep_stale()

    def warm(self) -> None:
        """Start the worker (and the spare) now, without waiting for it."""
        with self._state:
            if self._closed:
                raise WorkerError("The worker was closed", "Please restart the program.")
            alive = [child for child in self._children if child.alive and self._silence(child) <= self._hang_s]
            for child in self._children:
                if child not in alive:
                    child.end(grace_s=0.0)
            while len(alive) < 1 + self._keeps_spare:
                alive.append(Child(self._command, self._options))
            self._children = alive

    def run(
        self,
        kind: str,
        request: Mapping[str, Any],
        on_progress: OnProgress | None = None,
        leaves_in: Iterable[Path] = (),
    ) -> Any:
        """The result of the job that `kind` and the JSON object `request` name. Blocks; not for a GUI thread.

        `on_progress` runs in this thread and answers False to cancel. Progress that brings nothing but a count may be
        left out when it comes faster than 100 a second. If the worker has to be killed, the files it had begun in the
        folders `leaves_in` are removed.

        Raises Cancelled, the job's own CimgenError, or WorkerError if the worker died, hung or answered nonsense; the
        next call has a new worker. A job that was done before it heard of the cancelling returns its result.
        """
        with self._one_at_a_time:
            with self._state:
                self._wanted = True  # before the worker starts, which takes a while: cancelling then counts
            self.warm()
            with self._state:
                child = self._running = self._children[0]
                self._number += 1
                self._wanted = self._wanted and not self._closed
            try:
                return _Run(child, self._number, self).follow(kind, request, on_progress)
            except BaseException:
                if not child.alive or child.busy:
                    self._bury(child, leaves_in)
                raise
            finally:
                self.seconds_left = None
                with self._state:
                    self._running = None

    def cancel(self) -> None:
        """Stop the running job, if there is one. May be called from any thread, and returns at once."""
        with self._state:
            self._wanted = False
            if self._running is not None:
                self._running.wake()

    @property
    def pid(self) -> int | None:
        """Number of the worker process that has the next or the running job; None before the first."""
        return self._children[0].pid if self._children else None

    def close(self) -> None:
        """Cancel what runs and end the worker. A `run` in another thread ends with Cancelled."""
        self._closed = True
        self.cancel()
        with self._one_at_a_time, self._state:
            for child in self._children:
                child.end()
            self._children = []

    def __enter__(self) -> WorkerRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _silence(self, child: Child) -> float:
        """Seconds; a worker that has not said hello is `start_s`' concern."""
        return time.monotonic() - child.heard_at if child.greeted else 0.0

    def _bury(self, child: Child, leaves_in: Iterable[Path]) -> None:
        child.end(grace_s=0.0)
        with self._state:
            self._children = [other for other in self._children if other is not child]
        for folder in leaves_in:
            remove_stale(folder)
        if self._keeps_spare and not self._closed:
            with contextlib.suppress(WorkerError):  # the next run will say it
                self.warm()


class _Run:
    """One job in one child, followed to its end."""

    def __init__(self, child: Child, number: int, runner: WorkerRunner) -> None:
        self._child = child
        self._number = number
        self._runner = runner
        self._kill_at: float | None = None

    def follow(self, kind: str, request: Mapping[str, Any], on_progress: OnProgress | None) -> Any:
        self._child.busy = True
        self._await_hello()
        self._child.say({"id": self._number, "kind": kind, "request": dict(request)})
        while True:
            told = self._next()
            if told.get("id") != self._number:
                continue
            value = self._value(told)
            if "progress" in told:
                progress = self._progress(told["progress"], value)
                if on_progress is not None and self._kill_at is None and on_progress(progress) is False:
                    self._cancel()
                continue
            self._child.busy = False
            if "error" in told:
                raise error_of(told)
            if "result" not in told:
                raise Cancelled
            return value

    def _await_hello(self) -> None:
        deadline = time.monotonic() + self._runner._start_s
        while not self._child.greeted:
            if time.monotonic() > deadline:
                raise WorkerError("The worker process does not start", self._child.last_words())
            told = self._next(deadline - time.monotonic())
            if "hello" in told:
                if told["hello"] != PROTOCOL:
                    raise WorkerError("The worker is of another version", "Install the same version on both sides.")
                self._child.greeted = True

    def _next(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message, `{}` after a wake or a timeout; raises when the worker is dead, hung or to be killed."""
        if not self._runner._wanted and self._kill_at is None:
            self._cancel()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            raise Cancelled
        silent = self._runner._silence(self._child)
        if silent > self._runner._hang_s:
            raise WorkerError(
                f"The worker has not answered for {silent:.0f} s and was ended",
                "Your work is saved. Try again, with a smaller area if it happens again.",
            )
        waits = [self._runner._hang_s - silent]
        if timeout is not None:
            waits.append(timeout)
        if self._kill_at is not None:
            waits.append(self._kill_at - time.monotonic())
        told = self._child.next(max(0.001, min(waits)))
        if isinstance(told, Ended):
            if self._kill_at is not None:
                raise Cancelled
            raise self._child.obituary()
        return {} if isinstance(told, Woken) else told

    def _cancel(self) -> None:
        if not self._child.greeted:
            self._child.busy = False
            raise Cancelled
        self._kill_at = time.monotonic() + self._runner._grace_s
        self._child.say({"cancel": self._number})

    def _value(self, told: dict[str, Any]) -> Any:
        block = told.get("block")
        arrays = []
        if block is not None:
            arrays = self._child.inbox.take(block)
            self._child.say({"free": block["slot"]})
        return self._runner._language.decode(told.get("value"), arrays)

    def _progress(self, fields: Any, payload: Any) -> Progress:
        try:
            done, total, text, left = fields
            self._runner.seconds_left = None if left is None else float(left)
            return Progress(int(done), int(total), str(text), payload)
        except (TypeError, ValueError) as error:
            raise WorkerError("The worker answered nonsense", "Do both sides run the same version?") from error
