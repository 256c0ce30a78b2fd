"""One worker process as its parent sees it: a command line, two pipes, a sign of life, a death with a reason."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from cimgen_qt.blocks import Inbox, new_prefix, sweep
from cimgen_qt.core.errors import WorkerError
from cimgen_qt.wire import LONGEST_LINE, line, message

log = logging.getLogger("cimgen_qt.worker")

FOREIGN = {
    *("PYTHONPATH", "PYTHONHOME", "PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH", "GDAL_PAM_PROXY_DIR"),
    *("QT_PLUGIN_PATH", "LD_LIBRARY_PATH"),
}
"""What QGIS, conda or a frozen program set for themselves; in the worker it would load the wrong libraries."""

_LAUNCH = """
import importlib.util, sys
root = sys.argv.pop(1)
sys.path[:] = [entry for entry in sys.path if entry]
spec = importlib.util.spec_from_file_location("cimgen_qt", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["cimgen_qt"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from cimgen_qt.worker import main
main()
"""
"""The worker's code is that of the program that starts it, and nothing else comes from the program's folders."""

_LAST_LINES = 100
_ASLEEP_S = 5.0
"""A wait that takes so much longer than asked means that the machine slept; the worker could say nothing, either."""


class Ended:
    """The worker's output has come to its end."""


class Woken:
    """Nothing was said; somebody called `wake`, or time is up."""


def worker_command(python: str | None = None) -> list[str]:
    """What starts a worker under the interpreter `python`, the present one if left out; a frozen program starts itself.

    Raises WorkerError inside QGIS, where `sys.executable` may be QGIS.
    """
    if getattr(sys, "frozen", False):
        return [sys.executable, "--worker"]
    if python is None and "qgis.core" in sys.modules:
        raise WorkerError("No Python is chosen for CIMGen's worker", "Choose one in the settings of the plugin.")
    return [python or sys.executable, "-E", "-X", "utf8", "-c", _LAUNCH, str(Path(__file__).resolve().parent)]


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what would lead the worker to libraries that are not its own."""
    return {name: value for name, value in environment.items() if name.upper() not in FOREIGN}


class Lines:
    """Reads a worker's output in a thread of its own, so that its signs of life are noticed whatever the others do."""

    def __init__(self, output: IO[bytes]) -> None:
        self.said: queue.SimpleQueue[dict[str, Any] | WorkerError | Ended | Woken] = queue.SimpleQueue()
        self.heard_at = time.monotonic()
        self.thread = threading.Thread(target=self._read, args=(output,), name="worker output", daemon=True)
        self.thread.start()

    def _read(self, output: IO[bytes]) -> None:
        while raw := output.readline(LONGEST_LINE):
            self.heard_at = time.monotonic()
            try:
                told = message(raw)
            except WorkerError as error:
                self.said.put(error)
                continue
            if "beat" not in told:
                self.said.put(told)
        self.said.put(Ended())


class Child:
    """A worker from its start to its end. All but `wake` belong to one thread at a time."""

    def __init__(self, command: Sequence[str], options: Sequence[str] = ()) -> None:
        prefix = new_prefix()
        self._process = _start([*command, prefix, *options])
        pipes = self._process.stdin, self._process.stdout, self._process.stderr
        stdin, stdout, stderr = (pipe for pipe in pipes if pipe is not None)
        self._words: deque[str] = deque(maxlen=_LAST_LINES)
        self._orders: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lines = Lines(stdout)
        self._threads = [self._lines.thread, _thread(_write, stdin, self._orders), _thread(_note, stderr, self._words)]
        self._pipes = [stdout, stderr]
        self._over = False
        self._finish = weakref.finalize(self, _kill, self._process, prefix)
        self.inbox = Inbox(prefix)
        self.greeted = False
        self.busy = False

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """False from its death, or from `end`, on."""
        return not self._over and self._process.poll() is None

    @property
    def heard_at(self) -> float:
        """When it last said anything, on the monotonic clock."""
        return self._lines.heard_at

    def say(self, told: Mapping[str, Any]) -> None:
        """Send a message; never blocks. That a dead worker does not get it shows when it is read from."""
        self._orders.put(line(told))

    def next(self, timeout: float) -> dict[str, Any] | Ended | Woken:
        """What it says within `timeout` seconds. Raises WorkerError for a line that makes no sense."""
        begin = time.monotonic()
        try:
            told = self._lines.said.get(timeout=timeout)
        except queue.Empty:
            if time.monotonic() - begin > timeout + _ASLEEP_S:
                self._lines.heard_at = time.monotonic()
            if self._process.poll() is None:
                return Woken()
            self._lines.thread.join(0.2)  # a process of its own may keep the pipe open after its death
            told = self._lines.said.get_nowait() if not self._lines.said.empty() else Ended()
        if isinstance(told, WorkerError):
            raise told
        return told

    def wake(self) -> None:
        """Let a waiting `next` return. From any thread."""
        self._lines.said.put(Woken())

    def end(self, grace_s: float = 2.0) -> None:
        """Ask it to leave, kill it after `grace_s` seconds, and remove what it left in memory. May be called again."""
        if self._over:
            return
        self._over = True
        self._orders.put(None)
        if grace_s > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        self.inbox.close()
        self._finish()
        for thread in self._threads:
            thread.join(1.0)
        for pipe in self._pipes:
            pipe.close()

    def last_words(self) -> str:
        """The end of its error output, or the place of a crash, for a hint."""
        words = [*self._words]
        places = [number for number, text in enumerate(words[:-1]) if text.startswith("Current thread")]
        said = words[places[-1] + 1].strip() if places else " | ".join(words[-3:])
        return f"It said: {said}" if said else "It said nothing."

    def obituary(self) -> WorkerError:
        """Why it died, as far as can be told."""
        try:
            code = self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            return WorkerError("The worker closed its output", "Please try again.")
        self._threads[2].join(0.5)
        if code == -9:
            return WorkerError(
                "The worker was ended by the system, probably out of memory",
                "Your work is saved. Close other programs, or choose a smaller area.",
            )
        if code < 0:
            name = signal.Signals(-code).name if -code in {*signal.Signals} else str(-code)
            return WorkerError(f"The worker crashed ({name})", f"Your work is saved. {self.last_words()}")
        return WorkerError(f"The worker ended with code {code}", f"Your work is saved. {self.last_words()}")


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(os.environ),
            start_new_session=sys.platform != "win32",  # Ctrl+C in a terminal is for the program, and killpg for us
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise WorkerError(
            f"{command[0]} cannot be started: {error.strerror}", "Choose another Python in the settings."
        ) from error


def _thread(target: Any, *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name=f"worker {target.__name__}", daemon=True)
    thread.start()
    return thread


def _write(stdin: IO[bytes], orders: queue.SimpleQueue[bytes | None]) -> None:
    """In a thread of its own, for a stopped worker reads nothing and its pipe gets full."""
    with contextlib.suppress(OSError), stdin:  # OSError: it is dead, as its output tells
        while (order := orders.get()) is not None:
            stdin.write(order)
            stdin.flush()


def _note(stderr: IO[bytes], words: deque[str]) -> None:
    for raw in stderr:
        text = raw.decode(errors="replace").rstrip()
        words.append(text)
        log.log(logging.INFO if text.startswith(("INFO ", "DEBUG ")) else logging.WARNING, "%s", text)


def _kill(process: subprocess.Popen[bytes], prefix: str) -> None:
    """With all that it started; then its shared memory goes."""
    if process.poll() is None:
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
    sweep(prefix)
