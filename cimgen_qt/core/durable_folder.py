"""Write a whole folder so that it stands at its place complete or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType

from cimgen_qt.core.disk import DISK, Disk, explained, sync_file, write_all
from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.liveness import part_path, remove_stale


class StagedFolder:
    """A folder in the making: fill `path`, then `commit`. Leaving `with` without a commit removes it.

    It lies beside its target as `.{name}.{random}.part`. Belongs to one thread.
    """

    def __init__(self, target: Path, path: Path, disk: Disk) -> None:
        self.target = target
        self.path = path
        self._disk = disk

    def fill(self, name: str, data: bytes) -> None:
        """Put a new file `name` into the folder. Raises ExportError."""
        path = self.path / name
        with explained(self.target, "written"):
            descriptor = self._disk.create(path, 0o666)
            try:
                write_all(self._disk, descriptor, data)
            finally:
                self._disk.close(descriptor)

    def commit(self) -> None:
        """Put every file on the disk, then set the folder in place; raises ExportError and leaves nothing."""
        with explained(self.target, "written"):
            for place, _, names in os.walk(self.path):
                for name in names:
                    sync_file(self._disk, Path(place) / name)
                self._disk.sync_folder(Path(place))
            if self.target.exists():
                self.target.rmdir()  # empty when this began; if it is not by now, that is another program's work
            self._disk.replace(self.path, self.target)
            self._disk.sync_folder(self.target.parent)

    def __enter__(self) -> StagedFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def stage_folder(target: Path, disk: Disk = DISK) -> StagedFolder:
    """Begin a folder that will stand at `target`, which may be missing or an empty folder; parents are made.

    What dead processes left half-written beside it is removed. Raises ExportError where something is there already,
    or the place cannot be written.
    """
    target = Path(os.path.realpath(target))
    with explained(target, "made"):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ExportError(f"{target} exists already", "Name a new folder.")
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(target.parent, disk)
        path = part_path(target)
        path.mkdir()
    return StagedFolder(target, path, disk)
