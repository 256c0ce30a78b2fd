"""A worker that runs the jobs of the tests: started as a program of its own, like the real one."""

from __future__ import annotations

import ctypes
import enum
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cimgen_qt.core.durable import stage
from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.worker import serve


class Mode(enum.Enum):
    """An enumeration that travels."""

    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True)
class Piece:
    """A dataclass with an array that travels."""

    window: Window
    pixels: Any
    mode: Mode = Mode.SOFT


class Unknown:
    """Not among the types."""


TYPES = (Window, Piece, Mode)


def pieces(request: Mapping[str, Any]) -> Job[Any]:
    """`count` pieces of `size` px, each of one tone, `pause` seconds apart; returns their sums."""
    size, sums = int(request.get("size", 64)), []
    for number in range(int(request["count"])):
        time.sleep(request.get("pause", 0))
        pixels = np.full((size, size, 3), number % 256, np.uint8)
        sums.append(int(pixels.sum()))
        payload = Piece(Window(number, 0, size, size), pixels, Mode.HARD)
        yield Progress(number + 1, int(request["count"]), f"piece {number}", payload)
    return {"sums": tuple(sums), "pid": os.getpid(), "where": Path("a/b")}


def spin(request: Mapping[str, Any]) -> Job[str]:
    """Yields every `tick` seconds; with `target` a staged file lies about meanwhile; `told` gets a line at the end."""
    try:
        if "target" in request:
            with stage(Path(request["target"])) as staged:
                staged.path.write_bytes(b"x" * 1000)
                yield from _ticks(request)
        yield from _ticks(request)
    finally:
        if "told" in request:
            Path(request["told"]).write_text("cleaned")
    return "done"


def _ticks(request: Mapping[str, Any]) -> Job[None]:
    for number in range(int(request.get("steps", 10**9))):
        time.sleep(request.get("tick", 0.001))
        yield Progress(number, 0, "spinning", np.zeros(1000, np.uint8) if request.get("pixels") else None)


def deaf(request: Mapping[str, Any]) -> Job[None]:
    """One step that does not end soon."""
    yield Progress(0, 2, "begin")
    time.sleep(60)
    yield Progress(1, 2, "never")


def die(request: Mapping[str, Any]) -> Job[None]:
    """Ends itself by a signal, an exit, or without the interpreter's knowledge."""
    yield Progress(0, 1, "begin", np.zeros((64, 64), np.float32))
    way = request["way"]
    if way == "segv":
        ctypes.string_at(0)
    elif way == "exit":
        os._exit(7)
    elif way == "lock":
        ctypes.PyDLL(None).sleep(60)
    else:
        os.kill(os.getpid(), getattr(signal, way))
        time.sleep(60)


def fail(request: Mapping[str, Any]) -> Job[None]:
    """Errors of all kinds."""
    yield Progress(0, 1)
    way = request["way"]
    if way == "export":
        raise ExportError("the disk is full", "free some space")
    if way == "child":
        raise type("Odd", (ExportError,), {})("odd", "hint")
    if way == "memory":
        hoard = [np.ones(2**27) for _ in range(64)]
        raise AssertionError(len(hoard))
    if way == "pipe":
        raise BrokenPipeError("a socket of the job")
    raise ZeroDivisionError("by nothing")


def chatter(request: Mapping[str, Any]) -> Job[str]:
    """Prints, as libraries do."""
    print("stray print")
    os.write(1, b"stray write\n")
    os.system("echo stray child")
    print(f"read: {sys.stdin.read()!r}")
    yield Progress(1, 1)
    return "still understood"


def nonsense(request: Mapping[str, Any]) -> Job[Any]:
    """Says what no worker should; `line` goes straight to the program."""
    yield Progress(0, 1)
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, request["line"].encode() + b"\n")
        except OSError:
            continue
    time.sleep(30)


def values(request: Mapping[str, Any]) -> Job[Any]:
    """A bit of everything that may travel."""
    yield Progress(1, 1)
    if request.get("unknown"):
        return Unknown()
    return {
        "none": None,
        "text": "ä\n@",
        "numbers": [1, 2.5, True, float("inf"), np.float32(0.5), np.int64(7)],
        ("a", 1): frozenset({1, 2}),
        "bytes": b"\x00\xff",
        "empty": (b"", np.zeros((0, 3), np.int16), ()),
        "scalar": np.array(3.5),
        "big endian": np.arange(5, dtype=">u2"),
        "columns": np.asfortranarray(np.arange(12).reshape(3, 4)),
        "complex": np.array([1 + 2j], np.complex64),
        "truth": np.array([True, False]),
        "@": "a key of ours",
        "tree": Piece(Window(1, 2, 3, 4), [np.ones(3, np.float32)], Mode.HARD),
    }


def environment(request: Mapping[str, Any]) -> Job[Any]:
    """What the worker sees."""
    yield Progress(1, 1)
    return {"environment": dict(os.environ), "path": list(sys.path)}


JOBS = {job.__name__: job for job in (pieces, spin, deaf, die, fail, chatter, nonsense, values, environment)}


if __name__ == "__main__":
    serve(lambda kind, request: JOBS[kind](request), TYPES)
