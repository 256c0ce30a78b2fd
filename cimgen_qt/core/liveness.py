"""Name the files that a process has begun, tell whether it still lives, and remove what dead ones left."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from cimgen_qt.core.disk import DISK, Disk, remove_quietly

log = logging.getLogger(__name__)

_LONGEST_NAME = 240
"""Bytes; most disks allow 255, and GDAL appends ".aux.xml" and the like to the name it is given."""
_PART = re.compile(r"\.([0-9a-f]{6})-(\d{1,10})-([0-9a-f]*)-[0-9a-f]{12}\.part")


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """One process of one machine: `place` stands for machine and process namespace, `start` for boot and start time.

    `start` is empty where the system does not tell it; then the number alone decides.
    """

    place: str
    pid: int
    start: str

    def is_here(self) -> bool:
        """Whether this machine can judge it at all."""
        return self.place == _place()

    def is_dead(self) -> bool:
        """True only if it is certain: a process of another machine or container counts as alive."""
        if not self.is_here():
            return False
        if not _exists(self.pid):
            return True
        start = _start(self.pid)
        return bool(self.start and start and start != self.start)


def this_process() -> ProcessMark:
    """The mark of the program that asks."""
    return ProcessMark(_place(), os.getpid(), _start(os.getpid()))


def part_path(target: Path, keep_suffix: bool = False) -> Path:
    """A new name beside `target` for what will replace it: `.{name}.{random}.part`; `random` tells the process."""
    mark = this_process()
    suffix = target.suffix if keep_suffix else ""
    tail = f".{mark.place}-{mark.pid}-{mark.start}-{os.urandom(6).hex()}.part{suffix}"
    name = os.fsencode(target.name)[: _LONGEST_NAME - len(tail) - 1]
    return target.with_name(f".{name.decode(errors='ignore')}{tail}")


def remove_stale(folder: Path, disk: Disk = DISK) -> None:
    """Remove what processes of this machine that are dead by now had begun in `folder`."""
    for name in disk.names(folder):
        found = _PART.search(name) if name.startswith(".") else None
        if found and ProcessMark(found[1], int(found[2]), found[3]).is_dead():
            log.info("removing %s, left by a program that did not end well", name)
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                remove_quietly(path, disk)


@functools.cache
def _place() -> str:
    """Six hexadecimal digits; two containers of one machine differ, for they do not see each other's processes."""
    parts = [socket.gethostname()]
    for source in ("/etc/machine-id", "/proc/self/ns/pid"):
        try:
            parts.append(str(Path(source).readlink()) if source.startswith("/proc") else Path(source).read_text())
        except OSError:
            parts.append("")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:6]


@functools.cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:4]
    except OSError:
        return ""


def _stat_fields(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on; empty where there is no /proc or no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _start(pid: int) -> str:
    fields = _stat_fields(pid)
    return f"{_boot()}{int(fields[19]):x}" if len(fields) > 19 else ""


def _exists(pid: int) -> bool:
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _exists_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    fields = _stat_fields(pid)
    return not fields or fields[0] not in {"Z", "X"}  # a zombie runs nothing any more


def _exists_on_windows(pid: int) -> bool:
    """`os.kill(pid, 0)` would send Ctrl+C there, so the process is asked for its exit code."""
    import ctypes

    query_limited_information, still_active, access_denied = 0x1000, 259, 5
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    handle = kernel.OpenProcess(query_limited_information, False, pid)
    if not handle:
        return bool(ctypes.get_last_error() == access_denied)  # type: ignore[attr-defined,unused-ignore]
    code = ctypes.c_ulong()
    known = kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return not known or code.value == still_active
