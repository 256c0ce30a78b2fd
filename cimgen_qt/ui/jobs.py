"""The bridge between blocking work and the window: calls in threads, jobs in the worker, told by signals."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cimgen_qt.core.errors import CimgenError, WorkerError
from cimgen_qt.core.jobs import Cancelled, Progress
from cimgen_qt.runner import WorkerRunner
from cimgen_qt.ui.compat import QtCore, Signal

log = logging.getLogger(__name__)


class Call(QtCore.QThread):
    """One blocking call in a thread of its own. `over` is told in the thread of the receiver: (result, error or None).

    A call that was cancelled has the error `Cancelled`.
    """

    over = Signal(object, object)

    def __init__(self, function: Callable[[], Any], parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._function = function

    def run(self) -> None:
        """Runs in the new thread."""
        try:
            result = self._function()
        except (CimgenError, Cancelled) as error:
            self.over.emit(None, error)
        except Exception as error:
            log.exception("a call in the background failed")
            text = f"{type(error).__name__}: {error}"
            self.over.emit(None, WorkerError(f"That failed: {text}", "This is a fault of the program; see the log."))
        else:
            self.over.emit(result, None)


class Calls(QtCore.QObject):
    """Starts calls and keeps them until they are over; `in_turn`, each begins when the one before is over."""

    activity = Signal()
    """A call began or ended."""

    def __init__(self, parent: QtCore.QObject | None = None, in_turn: bool = False) -> None:
        super().__init__(parent)
        self._open: list[Call] = []
        self._waiting: list[Call] = []
        self._in_turn = in_turn
        self._closed = False

    @property
    def busy(self) -> bool:
        return bool(self._open)

    def start(
        self, function: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[BaseException], None]
    ) -> None:
        """`done` or `failed` is called in this object's thread, once, unless the program closes first."""
        call = Call(function, self)

        def over(result: Any, error: BaseException | None) -> None:
            call.wait()
            self._open.remove(call)
            call.deleteLater()
            if self._closed:
                return
            if error is None:
                done(result)
            else:
                failed(error)
            self._next()
            self.activity.emit()

        call.over.connect(_Receiver(over, call).take)
        self._waiting.append(call)
        self._next()
        self.activity.emit()

    def close(self) -> None:
        """Wait for what runs and drop its result; what waits is not begun."""
        self._closed = True
        for call in list(self._open):
            call.wait()

    def _next(self) -> None:
        if self._waiting and not (self._in_turn and self._open):
            call = self._waiting.pop(0)
            self._open.append(call)
            call.start()


class _Receiver(QtCore.QObject):
    """Lives in the starter's thread, so that a signal from another one is queued to it."""

    def __init__(self, function: Callable[[Any, Any], None], parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._function = function

    def take(self, result: Any, error: Any) -> None:
        """Called by the signal."""
        self._function(result, error)


class Jobs(QtCore.QObject):
    """Runs one job at a time in the worker process. `kind` is the one that runs, "" while nothing does."""

    started = Signal(str)
    progressed = Signal(object, object)
    """Progress; seconds left or None."""
    done = Signal(str, object)
    failed = Signal(str, object)
    cancelled = Signal(str)

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.kind = ""
        self._runner = WorkerRunner()
        self._calls = Calls(self)
        self._wanted = True

    def warm(self) -> None:
        """Start the worker before it is needed."""
        self._calls.start(self._runner.warm, lambda _: None, lambda error: log.warning("no worker: %s", error))

    def start(self, kind: str, request: Mapping[str, Any], leaves_in: Iterable[Path] = ()) -> bool:
        """False where another job runs already."""
        if self.kind:
            return False
        self.kind, self._wanted = kind, True
        folders = tuple(leaves_in)
        self._calls.start(
            lambda: self._run(kind, request, folders),
            lambda result: self._end(self.done, result),
            self._fail,
        )
        self.started.emit(kind)
        return True

    def cancel(self) -> None:
        """Returns at once; `cancelled` follows, or `done` if it was too late."""
        if self.kind:
            self._wanted = False
            self._runner.cancel()

    def close(self) -> None:
        """Cancel what runs and end the worker process."""
        self._runner.close()
        self._calls.close()

    def _run(self, kind: str, request: Mapping[str, Any], folders: tuple[Path, ...]) -> Any:
        """In the thread of the call; it may be cancelled before it has begun."""
        if not self._wanted:
            raise Cancelled
        return self._runner.run(kind, request, self._tell, folders)

    def _tell(self, progress: Progress) -> bool:
        self.progressed.emit(progress, self._runner.seconds_left)
        return self._wanted

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, Cancelled):
            kind, self.kind = self.kind, ""
            self.cancelled.emit(kind)
        else:
            self._end(self.failed, error)

    def _end(self, signal: Any, value: Any) -> None:
        kind, self.kind = self.kind, ""
        signal.emit(kind, value)
