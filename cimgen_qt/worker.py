"""The child process that runs jobs: takes requests from its input, tells progress and pixels, stops when told.

`python -m cimgen_qt.worker PREFIX`; PREFIX names its shared memory. cimgen_qt.runner starts it. The language is in
cimgen_qt.wire. It ends when its input ends, so it never outlives the program that started it.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cimgen_qt.blocks import Outbox
from cimgen_qt.core.errors import CimgenError, WorkerError
from cimgen_qt.core.jobs import Eta, Job, Progress
from cimgen_qt.wire import PROTOCOL, Language, error_message, line, message, travellers

log = logging.getLogger(__name__)

BEAT_S = 0.5
"""A sign of life at least this often, also while a job says nothing."""
LEAVE_S = 5.0
"""How long a job may take to clean up after the program that asked for it is gone."""
QUIET_S = 0.01
"""Progress without a payload is told at most this often."""

JobOf = Callable[[str, Mapping[str, Any]], Job[Any]]
"""Makes the job for a kind and a request; raises CimgenError if there is none."""


class Stopped(BaseException):
    """The job is no longer wanted."""


class Alone(BaseException):
    """The program that started this worker is gone."""


class Worker:
    """One job at a time in the main thread; a second thread listens, a third gives signs of life."""

    def __init__(self, job_of: JobOf, types: Iterable[type], prefix: str, receive: int, send: int) -> None:
        self._job_of = job_of
        self._language = Language(types)
        self._outbox = Outbox(prefix)
        self._receive = receive
        self._send = send
        self._writing = threading.Lock()
        self._requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._cancelled = 0
        self._ended = False

    def serve(self) -> None:
        """Run requests until the input ends."""
        try:
            self._say({"hello": PROTOCOL, "pid": os.getpid(), "python": sys.version.split()[0]})
            threading.Thread(target=self._listen, name="listen", daemon=True).start()
            threading.Thread(target=self._beat, name="beat", daemon=True).start()
            while (request := self._requests.get()) is not None:
                self._run(request)
        except Alone:
            log.info("the program that started this worker is gone")
        finally:
            self._outbox.close()

    def _run(self, request: dict[str, Any]) -> None:
        number = int(request["id"])
        self._stop.clear()
        if self._ended or self._cancelled >= number:
            self._say({"id": number, "cancelled": True})
            return
        try:
            result = self._drive(number, self._job_of(str(request["kind"]), request["request"]))
            self._tell(number, {"result": True}, result)
        except Stopped:
            self._say({"id": number, "cancelled": True})
        except CimgenError as error:
            self._say({"id": number, **error_message(error)})
        except MemoryError:
            self._say({"id": number, **error_message(_OUT_OF_MEMORY)})
        except Exception as error:
            log.exception("job %s failed", request.get("kind"))
            text = f"{type(error).__name__}: {error}"
            failure = WorkerError(f"The job failed: {text}", "This is a fault of the program; the log tells where.")
            self._say({"id": number, **error_message(failure)})

    def _drive(self, number: int, job: Job[Any]) -> Any:
        eta = Eta()
        told = 0.0
        try:
            while not self._stop.is_set():
                progress = next(job)
                now = time.monotonic()
                left = eta.seconds_left(progress)
                if progress.payload is not None or progress.done >= progress.total or now - told >= QUIET_S:
                    told = now
                    self._tell_progress(number, progress, left)
            raise Stopped
        except StopIteration as stop:
            return stop.value
        finally:
            job.close()

    def _tell_progress(self, number: int, progress: Progress, left: float | None) -> None:
        fields = {"progress": [progress.done, progress.total, progress.text, left]}
        if progress.payload is None:
            self._say({"id": number, **fields})
        else:
            self._tell(number, fields, progress.payload)

    def _tell(self, number: int, fields: dict[str, Any], value: Any) -> None:
        """Raises Stopped if the job is stopped while the other side reads no pixels."""
        tree, arrays = self._language.encode(value)
        block = self._outbox.put(arrays, self._stop.is_set) if arrays else None
        if arrays and block is None:
            raise Stopped
        self._say({"id": number, **fields, "value": tree, "block": block})

    def _say(self, fields: dict[str, Any]) -> None:
        rest = memoryview(line(fields))
        with self._writing:
            try:
                while rest:
                    rest = rest[os.write(self._send, rest) :]
            except OSError as error:
                raise Alone from error

    def _listen(self) -> None:
        with os.fdopen(self._receive, "rb") as lines:
            for raw in lines:
                try:
                    self._heed(message(raw))
                except (WorkerError, KeyError, TypeError, ValueError):
                    log.warning("not understood: %r", raw[:200])
        self._ended = True
        self._cancelled = sys.maxsize
        self._halt()
        self._requests.put(None)
        time.sleep(LEAVE_S)
        log.warning("the job did not stop; leaving all the same")
        self._outbox.close()
        os._exit(1)

    def _heed(self, told: dict[str, Any]) -> None:
        if "free" in told:
            self._outbox.release(int(told["free"]))
        elif "cancel" in told:
            self._cancelled = max(self._cancelled, int(told["cancel"]))
            self._halt()
        else:
            self._requests.put({"id": int(told["id"]), "kind": told["kind"], "request": told["request"]})

    def _halt(self) -> None:
        self._stop.set()
        self._outbox.wake()

    def _beat(self) -> None:
        number = 0
        try:
            while True:
                time.sleep(BEAT_S)
                number += 1
                self._say({"beat": number})
        except Alone:  # the end of the input says so, too
            return


_OUT_OF_MEMORY = WorkerError("There is not enough memory for this", "Choose a smaller area, or close other programs.")


def serve(job_of: JobOf, types: Iterable[type], arguments: Sequence[str] | None = None) -> None:
    """Be a worker: take over standard input and output, and return when the input ends."""
    parser = argparse.ArgumentParser(prog="cimgen --worker")
    parser.add_argument("prefix")
    parser.add_argument("--memory-mb", type=int, default=0, help="give up rather than take more")
    options = parser.parse_args(arguments)
    receive, send = _private_pipes()
    faulthandler.enable(sys.stderr)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal reaches us too; the runner decides
    if options.memory_mb:
        _limit_memory(options.memory_mb)
    Worker(job_of, types, options.prefix, receive, send).serve()


def _private_pipes() -> tuple[int, int]:
    """Copies of input and output that no library can print to: its prints go to the error stream."""
    receive, send = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(receive, os.O_BINARY)
        msvcrt.setmode(send, os.O_BINARY)
    return receive, send


def _limit_memory(megabytes: int) -> None:
    """Address space; Windows has no such limit, and macOS does not keep to it."""
    if sys.platform == "win32":
        return
    import resource

    size = megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def main(arguments: Sequence[str] | None = None) -> None:
    """The worker of the program itself."""
    from cimgen_qt.tasks import job_of

    serve(job_of, travellers(), arguments)


if __name__ == "__main__":
    main()
