"""The only module that writes files a user can see: written beside, put on the disk, then set in place in one step."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from pathlib import Path
from types import TracebackType

from cimgen_qt.core.disk import DISK, Disk, explained, remove_quietly, sync_file, unsupported, write_all
from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.liveness import part_path, remove_stale
from cimgen_qt.core.lock import Lock

__all__ = [
    "Lock",
    "Staged",
    "check_space",
    "identity",
    "remove_quietly",
    "require_writable",
    "stage",
    "write_bytes",
    "write_text",
]

log = logging.getLogger(__name__)

RESERVE_BYTES = 64 * 2**20
"""What stays free on the disk beside a file that is written: other programs, and the project's journal, need some."""


class Staged:
    """A file in the making: fill `path`, then `commit`. Leaving `with` without a commit removes it.

    `target` is where it will stand (symbolic links resolved); `notes` tells what the user may want to know.
    A writer may delete and create `path` anew, as rasterio does; what it leaves beside it under the same name with
    something appended (".aux.xml", ".ovr") goes the same way as the file. Belongs to one thread.
    """

    def __init__(self, target: Path, path: Path, before: os.stat_result | None, disk: Disk) -> None:
        self.target = target
        self.path = path
        self.notes: tuple[str, ...] = ()
        self._before = before
        self._disk = disk
        self._open = True
        if before is not None and before.st_nlink > 1:
            self.notes = (f"{target} has other names (hard links); they will keep the old content",)
            log.warning(self.notes[0])

    def commit(self) -> None:
        """Set the file in place; when this is back, it is there also after a power cut.

        Sidecars go first, one by one, the file itself last. Raises ExportError: the target is then what it was, except
        where the message says that only the disk's confirmation is missing. A target that another program has changed
        since `stage` is not overwritten.
        """
        if not self._open:
            raise ExportError(f"{self.target} was finished already")
        try:
            with explained(self.target, "written"):
                self._require_unchanged()
                sidecars = self._sidecars()
                for path in (*sidecars, self.path):
                    self._keep_permissions(path)
                    sync_file(self._disk, path)
                for sidecar in sidecars:
                    appended = sidecar.name[len(self.path.name) :]
                    self._disk.replace(sidecar, self.target.with_name(self.target.name + appended))
                self._disk.replace(self.path, self.target)
        except BaseException:
            self.discard()
            raise
        self._open = False
        with explained(self.target, "confirmed by the disk; it is complete, but a power cut now might undo it"):
            self._disk.sync_folder(self.target.parent)

    def fill(self, data: bytes | memoryview) -> None:
        """Put `data` into the staged file, as its whole content."""
        with explained(self.target, "written"):
            descriptor = self._disk.reopen(self.path, truncate=True)
            try:
                write_all(self._disk, descriptor, data)
            finally:
                self._disk.close(descriptor)

    def discard(self) -> None:
        """Remove what was written; does nothing after a commit. Raises nothing."""
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(OSError):  # no folder, no sidecars
            for sidecar in self._sidecars():
                remove_quietly(sidecar, self._disk)
        remove_quietly(self.path, self._disk)

    def __enter__(self) -> Staged:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def _sidecars(self) -> list[Path]:
        name = self.path.name
        names = sorted(n for n in self._disk.names(self.path.parent) if n.startswith(name) and n != name)
        return [self.path.with_name(n) for n in names]

    def _require_unchanged(self) -> None:
        now = _look(self.target, self._disk)
        if _identity(now) != _identity(self._before):
            raise ExportError(
                f"{self.target} was changed by another program in the meantime",
                "It was left as it is. Save under another name, or try again.",
            )

    def _keep_permissions(self, path: Path) -> None:
        if self._before is None:
            return
        try:
            with contextlib.suppress(PermissionError):  # a group one is not a member of
                self._disk.set_group(path, self._before.st_gid)
            self._disk.set_mode(path, stat.S_IMODE(self._before.st_mode))
        except OSError as error:
            if not unsupported(error):
                raise


def stage(target: Path, keep_suffix: bool = False, disk: Disk = DISK) -> Staged:
    """Begin a file that will replace `target`, or be new there, when it is committed.

    The empty file lies beside the target as `.{name}.{random}.part`; with `keep_suffix` the target's suffix follows,
    for writers that judge by it (GeoPackage). What dead processes left half-written in that folder is removed.
    Raises ExportError if the folder is missing or read-only, the target is no plain file or write-protected.
    """
    target = Path(os.path.realpath(target))
    with explained(target, "written"):
        before = _require_replaceable(target, disk)
        remove_stale(target.parent, disk)
        path = part_path(target, keep_suffix)
        descriptor = disk.create(path, 0o666 if before is None else stat.S_IMODE(before.st_mode) & 0o777)
        try:
            disk.close(descriptor)
        except BaseException:
            remove_quietly(path, disk)
            raise
    return Staged(target, path, before, disk)


def write_bytes(target: Path, data: bytes | memoryview, disk: Disk = DISK) -> None:
    """Set `data` in place as a whole file. Raises ExportError, as `stage` and `commit` do."""
    with stage(target, disk=disk) as staged:
        staged.fill(data)
        staged.commit()


def write_text(target: Path, text: str, disk: Disk = DISK) -> None:
    """As UTF-8 with the line ends that `text` has."""
    write_bytes(target, text.encode(), disk)


def check_space(target: Path, needed_bytes: int, disk: Disk = DISK) -> None:
    """Raise ExportError with both figures unless the target's disk takes `needed_bytes` and keeps a reserve."""
    folder = Path(os.path.realpath(target)).parent
    with explained(folder, "measured"):
        free = disk.free_bytes(folder)
    if needed_bytes + RESERVE_BYTES > free:
        raise ExportError(
            f"{target} needs about {_megabytes(needed_bytes)}, but its disk has {_megabytes(free)} left",
            f"Free some space or choose another disk; {_megabytes(RESERVE_BYTES)} are kept in reserve.",
        )


def require_writable(target: Path, disk: Disk = DISK) -> None:
    """Raise ExportError if `stage(target)` would fail; leaves nothing behind. To be asked before long work."""
    stage(target, disk=disk).discard()


def identity(target: Path, disk: Disk = DISK) -> tuple[int, ...] | None:
    """Tells a file from the one that replaced it; None where there is none."""
    return _identity(_look(target, disk))


def _look(target: Path, disk: Disk) -> os.stat_result | None:
    try:
        return disk.stat(target)
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result | None) -> tuple[int, ...] | None:
    if status is None:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _require_replaceable(target: Path, disk: Disk) -> os.stat_result | None:
    """What `target` is now, None if it is new."""
    status = _look(target, disk)
    if status is None:
        if _look(target.parent, disk) is None:
            raise ExportError(f"The folder {target.parent} does not exist", "Create it first, or choose another one.")
        return None
    if stat.S_ISDIR(status.st_mode):
        raise ExportError(f"{target} is a folder", "Give the name of a file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise ExportError(f"{target} is no plain file", "Choose another name.")
    if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise ExportError(f"{target} is write-protected", "Choose another name, or allow writing to the file.")
    return status


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
