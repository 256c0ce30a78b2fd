"""The calls on the file system that safe writing needs, in one place, and their failures in words a user can follow."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from cimgen_qt.core.errors import CimgenError, ExportError

log = logging.getLogger(__name__)

_BINARY: int = getattr(os, "O_BINARY", 0)
_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM}


class Disk:
    """The operating system as it is. A test hands over a child of it whose N-th call fails."""

    def stat(self, path: Path) -> os.stat_result:
        """Follows symbolic links."""
        return path.stat()

    def create(self, path: Path, mode: int) -> int:
        """A descriptor on a new file; FileExistsError if there is one, even a dangling link."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY | _NO_FOLLOW, mode)

    def reopen(self, path: Path, truncate: bool = False) -> int:
        """A descriptor on a file that is there, for reading and writing."""
        return os.open(path, os.O_RDWR | (os.O_TRUNC if truncate else 0) | _BINARY | _NO_FOLLOW)

    def look_into(self, path: Path) -> int:
        """A descriptor on a file that is there, for reading."""
        return os.open(path, os.O_RDONLY | _BINARY)

    def write(self, descriptor: int, data: memoryview) -> int:
        """May write less than it was given."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Back once the data are on the medium; macOS needs a special call to empty the drive's cache."""
        if sys.platform == "darwin":
            import fcntl

            try:
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
                return
            except OSError:  # a network disk does not know the call; fsync is what it has
                pass
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Network disks may report a failed write only here."""
        os.close(descriptor)

    def read(self, path: Path) -> bytes:
        """The whole file."""
        return path.read_bytes()

    def set_mode(self, path: Path, mode: int) -> None:
        """Permission bits only."""
        path.chmod(mode)

    def set_group(self, path: Path, group: int) -> None:
        """Nothing on Windows."""
        if sys.platform != "win32":
            os.chown(path, -1, group)

    def replace(self, source: Path, target: Path) -> None:
        """In one step, also over a file that is there."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove one file."""
        path.unlink()

    def names(self, folder: Path) -> list[str]:
        """Names of what lies in `folder`."""
        return [entry.name for entry in folder.iterdir()]

    def sync_folder(self, folder: Path) -> None:
        """Makes a rename last; a disk that cannot do it is left alone, and so is Windows, which has no such call."""
        if sys.platform == "win32":
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        finally:
            os.close(descriptor)

    def free_bytes(self, folder: Path) -> int:
        """Space that this user may still fill."""
        return shutil.disk_usage(folder).free


DISK = Disk()


def write_all(disk: Disk, descriptor: int, data: bytes | memoryview) -> None:
    """Write until nothing is left."""
    rest = memoryview(data).cast("B")
    while len(rest):
        rest = rest[disk.write(descriptor, rest) :]


def sync_file(disk: Disk, path: Path) -> None:
    """Back once what was written to a file that is closed again is on the medium."""
    descriptor = disk.reopen(path)
    try:
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)


def unsupported(error: OSError) -> bool:
    """Whether the disk does not know the operation at all (FAT has no permission bits, for example)."""
    return error.errno in _UNSUPPORTED


_ADVICE: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "Free some space on that disk or choose a folder on another one."),
    errno.EDQUOT: ("your disk quota is used up", "Delete files you no longer need or choose a folder on another disk."),
    errno.EACCES: (
        "permission is denied",
        "Choose a folder you may write to; close other programs that use it.",
    ),
    errno.EPERM: (
        "the operation is not permitted",
        "Choose a folder and a file that you may write to.",
    ),
    errno.EROFS: ("the disk is mounted read-only", "Choose a folder on a disk that can be written."),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter file name or a folder less deep."),
    errno.ENOENT: ("the folder or file does not exist", "Create the folder first, or choose another one."),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "Check the path."),
    errno.EISDIR: ("it is a folder", "Give the name of a file."),
    errno.ELOOP: ("its symbolic links go round in a circle", "Repair the link or give the file itself."),
    errno.EIO: ("the disk reports a hardware fault", "Save to another disk and have this one checked."),
    errno.EFBIG: (
        "the file is larger than this disk allows",
        "Choose a disk with another file system.",
    ),
    errno.EBUSY: ("it is in use", "Close the other program that uses it and try again."),
    errno.EMFILE: ("too many files are open", "Close some files or windows and try again."),
}


def describe(error: OSError, path: Path, doing: str, kind: type[CimgenError] = ExportError) -> CimgenError:
    """The error to raise for `error`, met while `doing` ("written") something with `path`."""
    what, hint = _ADVICE.get(error.errno or 0, (error.strerror or str(error), "Try another folder or disk."))
    return kind(f"{path} cannot be {doing}: {what}", hint)


@contextlib.contextmanager
def explained(path: Path, doing: str, kind: type[CimgenError] = ExportError) -> Iterator[None]:
    """Turns an OSError from inside into a CimgenError that names `path`."""
    try:
        yield
    except OSError as error:
        raise describe(error, path, doing, kind) from error


def remove_quietly(path: Path, disk: Disk = DISK) -> bool:
    """Remove a file of our own where that is possible; True if it is gone. A failure goes to the log alone."""
    for _attempt in range(2):  # a virus scanner may hold a fresh file for a moment
        try:
            disk.unlink(path)
            return True
        except FileNotFoundError:
            return True
        except OSError as error:
            failure = error
    log.warning("%s could not be removed: %s", path, failure)
    return False
