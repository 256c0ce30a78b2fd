"""Shared memory between a worker and the program that runs it: a few blocks, used again and again, never left behind.

`multiprocessing.shared_memory` is not used: before Python 3.13 its resource tracker starts `sys.executable`, which
inside QGIS may be QGIS itself, and unlinks blocks that others still read.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cimgen_qt.core.disk import unsupported
from cimgen_qt.core.errors import WorkerError
from cimgen_qt.core.liveness import ProcessMark, this_process

SLOTS = 4
"""Messages with arrays that may be under way at once; the sender waits for the fifth."""
KEEP_BYTES = 64 * 2**20
"""A larger block is given back to the system as soon as it was read."""
_STEP = 2**20
_ALIGN = 64
_KINDS = "biufc"
_NAME = re.compile(r"cimgen-([0-9a-f]{6})-(\d{1,10})-([0-9a-f]*)-[0-9a-f]{12}-\d+")

Arrays = Sequence[npt.NDArray[Any]]


def new_prefix() -> str:
    """For the names of all blocks of one worker; tells the process that runs it, so that leftovers can be told."""
    mark = this_process()
    return f"cimgen-{mark.place}-{mark.pid}-{mark.start}-{os.urandom(6).hex()}"


def folders() -> list[Path]:
    """Where blocks lie: in memory where the system has such a folder, else (or if it is full) among temporary files."""
    memory = Path("/dev/shm")
    temporary = Path(tempfile.gettempdir())
    return [memory, temporary] if memory.is_dir() and os.access(memory, os.W_OK) else [temporary]


def sweep(prefix: str) -> None:
    """Remove the blocks of a worker that has ended."""
    for folder in folders():
        for path in folder.glob(f"{prefix}-*"):
            path.unlink(missing_ok=True)


def sweep_stale() -> None:
    """Remove blocks of programs of this machine that are dead."""
    for folder in folders():
        for path in folder.glob("cimgen-*"):
            found = _NAME.fullmatch(path.name)
            if found and ProcessMark(found[1], int(found[2]), found[3]).is_dead():
                with contextlib.suppress(OSError):  # somebody else's, or gone
                    path.unlink()


@dataclass(slots=True)
class _Block:
    name: str
    folder: int
    memory: mmap.mmap
    busy: bool = False


class Outbox:
    """Copies arrays into blocks for the other side. `put` may run in one thread and `release` in another."""

    def __init__(self, prefix: str, slots: int = SLOTS) -> None:
        self._prefix = prefix
        self._blocks: list[_Block | None] = [None] * slots
        self._made = 0
        self._freed = threading.Condition()

    def put(self, arrays: Arrays, give_up: Callable[[], bool] = lambda: False) -> dict[str, Any] | None:
        """What the other side needs to `take` the arrays; None if `give_up` came true while all blocks were in use.

        Raises WorkerError if there is no memory for them.
        """
        offsets, size = _layout(arrays)
        slot = self._wait_for_slot(give_up)
        if slot is None:
            return None
        block = self._block(slot, size)
        for array, offset in zip(arrays, offsets, strict=True):
            np.ndarray(array.shape, array.dtype, block.memory, offset)[...] = array
        shapes = [[array.dtype.str, list(array.shape), offset] for array, offset in zip(arrays, offsets, strict=True)]
        return {"slot": slot, "name": block.name, "folder": block.folder, "size": len(block.memory), "arrays": shapes}

    def release(self, slot: int) -> None:
        """The other side has copied what was in `slot`."""
        with self._freed:
            block = self._blocks[slot] if 0 <= slot < len(self._blocks) else None
            if block is not None:
                block.busy = False
                if len(block.memory) > KEEP_BYTES:
                    self._drop(slot)
            self._freed.notify_all()

    def wake(self) -> None:
        """Let a waiting `put` ask `give_up` again."""
        with self._freed:
            self._freed.notify_all()

    def close(self) -> None:
        """Remove every block, taken or not."""
        with self._freed:
            for slot in range(len(self._blocks)):
                self._drop(slot)

    def _wait_for_slot(self, give_up: Callable[[], bool]) -> int | None:
        with self._freed:
            while True:
                free = [slot for slot, block in enumerate(self._blocks) if block is None or not block.busy]
                if free:
                    return free[0]
                if give_up():
                    return None
                self._freed.wait()

    def _block(self, slot: int, size: int) -> _Block:
        with self._freed:
            block = self._blocks[slot]
            if block is None or len(block.memory) < size:
                self._drop(slot)
                self._made += 1
                block = self._blocks[slot] = _create(f"{self._prefix}-{self._made}", size)
            block.busy = True
            return block

    def _drop(self, slot: int) -> None:
        block, self._blocks[slot] = self._blocks[slot], None
        if block is not None:
            with contextlib.suppress(
                BufferError
            ):  # at the end of a job that never stopped, an array may still be written
                block.memory.close()
            if sys.platform != "win32":
                (folders()[block.folder] / block.name).unlink(missing_ok=True)


class Inbox:
    """Copies arrays out of the other side's blocks. Trusts nothing that a message says. For one thread."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._open: dict[int, tuple[str, mmap.mmap]] = {}

    def take(self, message: dict[str, Any]) -> list[npt.NDArray[Any]]:
        """Copies of the arrays; the sender may then be told to reuse the block. Raises WorkerError for nonsense."""
        try:
            memory = self._memory(message)
            arrays = [_copy(memory, *entry) for entry in message["arrays"]]
        except (KeyError, TypeError, ValueError, IndexError, OSError, OverflowError) as error:
            raise WorkerError("The worker sent pixels that cannot be read", "Please try again.") from error
        if len(memory) > KEEP_BYTES:
            self._forget(message["slot"])
        return arrays

    def close(self) -> None:
        """Let go of all blocks; the sender, or `sweep`, removes them."""
        for slot in list(self._open):
            self._forget(slot)

    def _memory(self, message: dict[str, Any]) -> mmap.mmap:
        slot, name = int(message["slot"]), str(message["name"])
        known = self._open.get(slot)
        if known is not None and known[0] == name:
            return known[1]
        self._forget(slot)
        if not re.fullmatch(re.escape(self._prefix) + r"-\d+", name):
            raise ValueError(f"foreign block {name}")
        memory = _attach(name, folders()[message["folder"]], int(message["size"]))
        self._open[slot] = (name, memory)
        return memory

    def _forget(self, slot: int) -> None:
        known = self._open.pop(slot, None)
        if known is not None:
            known[1].close()


def _layout(arrays: Arrays) -> tuple[list[int], int]:
    offsets, size = [], 0
    for array in arrays:
        if array.dtype.kind not in _KINDS:
            raise WorkerError(f"Arrays of {array.dtype} cannot be sent", "Only numbers and truth values can.")
        offsets.append(size)
        size += -(-array.nbytes // _ALIGN) * _ALIGN
    return offsets, max(1, -(-size // _STEP)) * _STEP


def _copy(memory: mmap.mmap, dtype: str, shape: list[int], offset: int) -> npt.NDArray[Any]:
    kind = np.dtype(dtype)
    if kind.kind not in _KINDS or offset < 0 or any(length < 0 for length in shape):
        raise ValueError("no array of numbers")
    copied: npt.NDArray[Any] = np.ndarray(tuple(shape), kind, memory, offset).copy()
    return copied


def _create(name: str, size: int) -> _Block:
    if sys.platform == "win32":
        return _Block(name, 0, mmap.mmap(-1, size, tagname=name))
    failure: OSError | None = None
    for number, folder in enumerate(folders()):
        path = folder / name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            try:
                _reserve(descriptor, size)
                return _Block(name, number, mmap.mmap(descriptor, size))
            finally:
                os.close(descriptor)
        except OSError as error:
            path.unlink(missing_ok=True)
            failure = error
    raise WorkerError(f"No room for {size / 1e6:,.0f} MB of pixels in memory", "Close other programs.") from failure


def _reserve(descriptor: int, size: int) -> None:
    """Real memory at once: a hole that cannot be filled later would end the process by SIGBUS."""
    if sys.platform == "darwin":
        os.ftruncate(descriptor, size)
    elif sys.platform != "win32":
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if not unsupported(error):
                raise
            os.ftruncate(descriptor, size)


def _attach(name: str, folder: Path, size: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size, tagname=name)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_size < size:
            raise ValueError("the block is smaller than the worker says")
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
