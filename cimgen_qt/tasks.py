"""What can be asked for, as values, and the job that each request stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from cimgen_qt.core.blend import BlendSettings
from cimgen_qt.core.durable import stage
from cimgen_qt.core.errors import CimgenError, ProjectError
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette import DEFAULT_PALETTE
from cimgen_qt.core.palette_io import load_palette
from cimgen_qt.core.project import Project
from cimgen_qt.core.render import Patch, Rendered, render
from cimgen_qt.core.scene import Change, Scene
from cimgen_qt.core.scope import scope_of
from cimgen_qt.generators import open_generator
from cimgen_qt.opening import open_project, snapshot_of, source_of
from cimgen_qt.raster.rasterio_io import open_raster


@dataclass(frozen=True, slots=True)
class MapSourceRequest:
    """Where a map comes from: a class raster, a coloured map or vectors. See `raster.maps`."""

    path: str
    field: str | None = None
    class_name: str | None = None
    table: str | None = None
    layer: str | None = None
    tolerance: float | None = None


@dataclass(frozen=True, slots=True)
class NewRequest:
    """Make `project` from `image`."""

    project: str
    image: str
    palette: str | None = None
    map: MapSourceRequest | None = None


@dataclass(frozen=True, slots=True)
class MapRequest:
    """Take a map into a project; `edited`: it is the wanted map, not the original one."""

    project: str
    map: MapSourceRequest
    edited: bool = False


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """Make a proposal for `scope` (changed, edited, all, GeoJSON in the image's CRS) at `revision` (None: the head)."""

    project: str
    model: str = "exemplar"
    seed: int = 0
    device: str = "auto"
    scope: str = "changed"
    blend: Mapping[str, Any] = field(default_factory=dict)
    revision: int | None = None


def job_of(kind: str, request: Mapping[str, Any]) -> Job[Any]:
    """The job of a request that came as JSON. Raises `CimgenError` for what is not known."""
    if kind not in _JOBS:
        raise CimgenError(f"there is no job {kind!r}", hint=f"There are: {', '.join(sorted(_JOBS))}.")
    made, run = _JOBS[kind]
    known = {f.name for f in fields(made)}
    if not set(request) <= known:
        raise CimgenError(f"a {kind} request has no {', '.join(sorted(set(request) - known))}", hint=f"It has {known}.")
    values = dict(request)
    if isinstance(values.get("map"), Mapping):
        values["map"] = MapSourceRequest(**values["map"])
    try:
        value = made(**values)
    except TypeError as error:
        raise CimgenError(f"a {kind} request is not complete: {error}") from error
    return run(value)


def run_new(request: NewRequest) -> Job[dict[str, Any]]:
    """Make the project beside its place and set it there when it is complete, map included."""
    target = Path(request.project)
    if target.exists():
        raise ProjectError(f"{target.name} exists already", hint="Choose another name, or open it.")
    palette = DEFAULT_PALETTE if request.palette is None else load_palette(Path(request.palette))
    with open_raster(Path(request.image)) as reader, stage(target) as staged:
        source = source_of(Path(request.image), target)
        facts: dict[str, Any] = {"project": str(target), "image": request.image, "notes": list(reader.info.notes)}
        with Project.create(staged.path, reader.info, palette, source) as project:
            if request.map is not None:
                facts["map"] = yield from _import(Scene(project, reader), request.map, edited=False, target=target)
        yield Progress(1, 1, "saving")
        staged.commit()
    return facts


def run_map(request: MapRequest) -> Job[dict[str, Any]]:
    """Import into an existing project, as one act."""
    path = Path(request.project)
    with open_project(path) as opened:
        return (yield from _import(opened.scene, request.map, request.edited, path))


def run_render(request: RenderRequest) -> Job[Rendered]:
    """Make a proposal. The project is only read."""
    blend = BlendSettings.from_json(request.blend)
    with snapshot_of(Path(request.project), request.revision) as snapshot:
        generator = open_generator(request.model, snapshot.palette, request.device)
        try:
            scope = scope_of(snapshot, request.scope)
            return (yield from render(snapshot, scope, generator, request.seed, blend))
        finally:
            generator.close()
