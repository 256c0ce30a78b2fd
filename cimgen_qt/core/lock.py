"""Keep two programs from working on one file: a lock file beside it that says who holds it."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from cimgen_qt.core.disk import DISK, Disk, explained, remove_quietly, write_all
from cimgen_qt.core.errors import ProjectError
from cimgen_qt.core.liveness import ProcessMark, part_path, remove_stale, this_process

TORN_AFTER_S = 5.0
"""A lock file without readable content is being written, or, when older than this, was left by a crash."""
_PATIENCE_S = 0.5
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, as the lock file says it."""

    pid: int
    host: str
    user: str
    program: str
    time: str
    place: str
    start: str
    token: str

    def is_dead(self) -> bool:
        """True only if it is certain."""
        return ProcessMark(self.place, self.pid, self.start).is_dead()

    def __str__(self) -> str:
        return f"{self.program} (user {self.user}, process {self.pid} on {self.host}, since {self.time})"


class Lock:
    """The right to write `path`, kept in the file `<path>.lock` from `acquire` to `release`.

    It is advisory: it keeps out programs that ask. It belongs to the process that acquired it; a forked child does not
    release it. A holder on this machine that has died loses it at once.
    """

    def __init__(self, path: Path, program: str = "CIMGen", disk: Disk = DISK) -> None:
        self.path = path
        self.file = path.with_name(path.name + ".lock")
        self._program = program
        self._disk = disk
        self._mine: Holder | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._mine is not None and self._mine.pid == os.getpid()

    def holder(self) -> Holder | None:
        """Who the lock file names; None without a lock file or with one that cannot be understood."""
        with explained(self.file, "read", ProjectError):
            try:
                return _parse(self._disk.read(self.file))
            except FileNotFoundError:
                return None

    def acquire(self, force: bool = False) -> None:
        """Take the lock. `force` takes it from a living holder, after the user said so.

        Raises ProjectError that names the holder, or says why no lock file can be written.
        """
        if self.held:
            return
        mine = _this_holder(self._program)
        try:
            with explained(self.file, "locked", ProjectError):
                self._acquire(mine, force)
        except BaseException:
            self._withdraw(mine)
            raise
        self._mine = mine

    def release(self) -> None:
        """Give the lock back; does nothing unless the lock file is ours."""
        if self.held and self.holder() == self._mine:
            remove_quietly(self.file, self._disk)
        self._mine = None

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _acquire(self, mine: Holder, force: bool) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not self._create(self.file, mine):
            other = self.holder()
            if (force or self._is_abandoned(other)) and self._take_over(mine, force):
                return
            if (other is not None and not other.is_dead()) or time.monotonic() > deadline:
                raise self._refusal(other)
            time.sleep(0.01)

    def _withdraw(self, mine: Holder) -> None:
        """After a failure: no lock file of ours stays."""
        with contextlib.suppress(ProjectError):
            if self.holder() == mine:
                remove_quietly(self.file, self._disk)

    def _create(self, file: Path, mine: Holder) -> bool:
        """False if there is a lock file already."""
        try:
            descriptor = self._disk.create(file, 0o644)
        except FileExistsError:
            return False
        try:
            try:
                write_all(self._disk, descriptor, json.dumps(asdict(mine)).encode())
                self._disk.sync(descriptor)
            finally:
                self._disk.close(descriptor)
        except BaseException:
            remove_quietly(file, self._disk)
            raise
        return True

    def _take_over(self, mine: Holder, force: bool) -> bool:
        """Replace the lock file of a dead holder; True if it is ours now.

        Of several programs that find the same dead lock one wins: the file is judged and replaced while it is held by
        `flock`, and whoever waited for a file that is no longer at its path begins anew.
        """
        try:
            with self._guarded() as current:
                if not (current and (force or self._is_abandoned(self.holder()))):
                    return False
                self._put_in_place(mine)
                return True
        except FileNotFoundError:  # released in the meantime
            return False

    def _put_in_place(self, mine: Holder) -> None:
        remove_stale(self.file.parent, self._disk)
        fresh = part_path(self.file)
        self._create(fresh, mine)
        try:
            self._disk.replace(fresh, self.file)
        except BaseException:
            remove_quietly(fresh, self._disk)
            raise

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[bool]:
        """Whether the lock file is still the one that we hold by `flock`; Windows lets nobody replace an open file."""
        if sys.platform == "win32":
            yield True
            return
        import fcntl

        descriptor = self._disk.look_into(self.file)
        try:
            with contextlib.suppress(OSError):  # some network disks have no flock: then the race is as small as it gets
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            here, there = os.fstat(descriptor), self._disk.stat(self.file)
            yield (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
        finally:
            self._disk.close(descriptor)

    def _is_abandoned(self, holder: Holder | None) -> bool:
        if holder is not None:
            return holder.is_dead()
        try:
            return time.time() - self._disk.stat(self.file).st_mtime > TORN_AFTER_S
        except FileNotFoundError:  # released in the meantime
            return False

    def _refusal(self, other: Holder | None) -> ProjectError:
        who = str(other) if other is not None else "another program"
        hint = "Close it there, or open the file read-only here."
        if other is None or not ProcessMark(other.place, other.pid, other.start).is_here():
            hint += f" If you are certain that nobody uses it any more, delete {self.file}."
        return ProjectError(f"{self.path.name} is in use by {who}", hint)


def _this_holder(program: str) -> Holder:
    mark = this_process()
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may run under a number without a name
        user = "unknown"
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    return Holder(mark.pid, socket.gethostname(), user, program, now, mark.place, mark.start, os.urandom(8).hex())


def _parse(data: bytes) -> Holder | None:
    """None for what no CIMGen wrote, or wrote only in part."""
    if len(data) > _LARGEST:
        return None
    try:
        fields = json.loads(data)
        holder = Holder(**fields)
    except (ValueError, TypeError):
        return None
    return holder if isinstance(holder.pid, int) else None
