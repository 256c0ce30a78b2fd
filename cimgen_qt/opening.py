"""Open a project together with the image it refers to, and notice when that image has moved or changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cimgen_qt.core.errors import ProjectError
from cimgen_qt.core.fingerprint import Fingerprint, fingerprint
from cimgen_qt.core.project import Project
from cimgen_qt.core.raster import RasterInfo
from cimgen_qt.core.scene import Scene
from cimgen_qt.core.schema import Source
from cimgen_qt.core.snapshot import Snapshot
from cimgen_qt.raster.rasterio_io import RasterioReader, open_raster

RELINK = "Tell where it is: `cimgen info PROJECT --relink IMAGE`."


@dataclass
class Opened:
    """An open project and its image. Close it, or use it in `with`."""

    project: Project
    reader: RasterioReader

    @property
    def scene(self) -> Scene:
        return Scene(self.project, self.reader)

    def snapshot(self, revision: int | None = None) -> Snapshot:
        """The scene at an act, or at the present."""
        return Snapshot(self.project, self.reader, self.project.head if revision is None else revision)

    def close(self) -> None:
        self.reader.close()
        self.project.close()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_project(path: Path, read_only: bool = False) -> Opened:
    """Open `path` and its image. Raises `ProjectError`, with a hint, where the image is gone or another one."""
    project = Project.open(path, read_only)
    try:
        reader = open_raster(image_of(project))
        if not reader.info.grid.same_place(project.grid) or reader.info.bands != project.info.bands:
            reader.close()
            raise ProjectError(f"the image of {path.name} has another grid or other bands now", hint=RELINK)
        return Opened(project, reader)
    except BaseException:
        project.close()
        raise


def image_of(project: Project) -> Path:
    """The image as it was: same size and time, or else same content. Raises `ProjectError`."""
    source = project.source()
    if source is None:
        raise ProjectError(f"{project.path.name} names no image", hint="Is it damaged?")
    changed: Path | None = None
    for path in source.candidates(project.path):
        if path.is_file():
            if _is_same(path, source):
                return path
            changed = changed or path
    if changed is not None:
        raise ProjectError(
            f"the image {changed.name} has changed since the project was made",
            hint="Put the old file back, or accept the new one: `cimgen info PROJECT --relink IMAGE`.",
        )
    raise ProjectError(
        f"the image {Path(source.absolute).name} of {project.path.name} is not where it was", hint=RELINK
    )


def source_of(path: Path, project: Path) -> Source:
    """What a project has to remember of a file."""
    print_ = fingerprint(path)
    absolute = path.resolve()
    try:
        relative = Path(os.path.relpath(absolute, project.resolve().parent)).as_posix()
    except ValueError:  # another drive on Windows
        relative = str(absolute)
    return Source(str(absolute), relative, print_.size, print_.mtime_ns, print_.digest)


def relink(project_path: Path, image: Path) -> None:
    """Let a project refer to `image`, which must have the same grid, bands and dtype. Raises `ProjectError`."""
    with Project.open(project_path) as project:
        with open_raster(image) as reader:
            info, known = reader.info, project.info
            if not info.grid.same_place(known.grid) or (info.bands, info.dtype) != (known.bands, known.dtype):
                raise ProjectError(
                    f"{image.name} does not fit: {_shape(info)}, where the project has {_shape(known)}",
                    hint="Choose the image that the project was made with, or make a new project.",
                )
        project.set_source("image", source_of(image, project_path))


@contextmanager
def snapshot_of(path: Path, revision: int | None = None) -> Iterator[Snapshot]:
    """A read-only snapshot, for jobs that may run beside the program that holds the project."""
    with open_project(path, read_only=True) as opened:
        yield opened.snapshot(revision)


def _shape(info: RasterInfo) -> str:
    return f"{info.grid.width} x {info.grid.height} px, {info.bands} bands {info.dtype}"


def _is_same(path: Path, source: Source) -> bool:
    known = Fingerprint(source.size, source.mtime_ns, source.digest)
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) == (known.size, known.mtime_ns):
        return True
    return status.st_size == known.size and fingerprint(path).digest == known.digest
