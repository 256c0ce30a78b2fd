"""What can be asked for, as values, and the job that each request stands for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cimgen_qt import learning
from cimgen_qt.core.blend import BlendSettings
from cimgen_qt.core.durable import stage, write_text
from cimgen_qt.core.errors import CimgenError, ProjectError
from cimgen_qt.core.export import Exported, export, require_target
from cimgen_qt.core.fingerprint import fingerprint
from cimgen_qt.core.generator import Generator
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette import DEFAULT_PALETTE
from cimgen_qt.core.palette_io import to_toml
from cimgen_qt.core.project import Project
from cimgen_qt.core.render import Rendered, render
from cimgen_qt.core.replay import replay
from cimgen_qt.core.scene import Scene
from cimgen_qt.core.scope import scope_of
from cimgen_qt.core.sidecar import read_sidecar
from cimgen_qt.core.verification import report as verification_report
from cimgen_qt.core.verification import verify
from cimgen_qt.generators import open_generator
from cimgen_qt.generators.catalog import DEFAULT_SEGMENTER
from cimgen_qt.generators.devices import Choice
from cimgen_qt.opening import RELINK, open_project, snapshot_of, source_of
from cimgen_qt.raster.delivery import open_composite, open_delivered, open_delivery
from cimgen_qt.raster.maps import MapOptions, open_map
from cimgen_qt.raster.palettes import open_palette
from cimgen_qt.raster.rasterio_io import open_raster
from cimgen_qt.raster.shapes_in import read_polygons
from cimgen_qt.segmentation.job import segment
from cimgen_qt.segmentation.request import SegmentRequest

PROFILES = ("same", "cog", "patch")


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
class ReadMapRequest:
    """Read the classes from the photo of `project` with a model, and make them its map."""

    project: str
    model: str = ""
    """Empty: the shipped segmenter."""
    device: str = "auto"
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
    grow: int = 0
    """Pixels by which changed areas are widened."""
    adapted: bool = True
    """Use the adapter of the project where it was made for this model."""
    precision: str = "fp32"
    """Of the CPU: fp32 gives the same pixels everywhere; auto and bf16 may be faster and differ between machines."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Deliver the head of `project` as `target`; `profile` is same, cog or patch."""

    project: str
    target: str
    profile: str = "same"
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Recompute the proof of a delivered raster, and compare it with `source` where one is given."""

    target: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Make the pixels of an export again. `source` and `model` say where they lie now, if they moved."""

    sidecar: str
    source: str | None = None
    device: str = "auto"
    model: str | None = None


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
    palette = DEFAULT_PALETTE if request.palette is None else open_palette(Path(request.palette))
    with open_raster(Path(request.image)) as reader, stage(target) as staged:
        source = source_of(Path(request.image), target)
        facts: dict[str, Any] = {"project": str(target), "image": request.image, "notes": list(reader.info.notes)}
        with Project.create(staged.path, reader.info, palette, source) as project:
            if request.map is not None:
                facts["map"] = yield from _import(Scene(project, reader), request.map, edited=False)
                project.set_floor()
        yield Progress(1, 1, "saving")
        staged.commit()
    return facts


def run_map(request: MapRequest) -> Job[dict[str, Any]]:
    """Import into an existing project, as one act."""
    path = Path(request.project)
    with open_project(path) as opened:
        return (yield from _import(opened.scene, request.map, request.edited))


def run_segment(request: SegmentRequest) -> Job[dict[str, Any]]:
    """Read the classes of an image into a class raster on its grid."""
    return (yield from segment(replace(request, model=request.model or DEFAULT_SEGMENTER)))


def run_read_map(request: ReadMapRequest) -> Job[dict[str, Any]]:
    """As `run_segment`, and take what comes of it into the project as its map, as one act."""
    with open_project(Path(request.project)) as opened, TemporaryDirectory(prefix="cimgen-") as folder:
        palette, target = Path(folder) / "palette.toml", Path(folder) / "map.tif"
        write_text(palette, to_toml(opened.project.palette))
        asked = SegmentRequest(
            opened.reader.info.path, str(target), request.model or DEFAULT_SEGMENTER, str(palette), request.device
        )
        facts = yield from segment(asked)
        told = {"model": facts["model"], "sha256": facts["sha256"]}
        report = yield from _import(opened.scene, MapSourceRequest(str(target)), request.edited, told)
        return report | {key: facts[key] for key in ("model", "notes", "mean_confidence")}


def _import(
    scene: Scene, source: MapSourceRequest, edited: bool, more: Mapping[str, Any] | None = None
) -> Job[dict[str, Any]]:
    table = None if source.table is None else Path(source.table)
    options = MapOptions(source.field, source.class_name, table, source.layer, source.tolerance)
    with open_map(Path(source.path), scene.grid, scene.palette, scene.reader, options) as opened:
        data = {"map": Path(source.path).name, "options": asdict(source) | {"path": Path(source.path).name}}
        data |= dict(more or {})
        yield from scene.import_map(opened.blocks(), data, edited)
        return opened.report().to_json()


def run_render(request: RenderRequest) -> Job[Rendered]:
    """Make a proposal. The project is only read."""
    blend = BlendSettings.from_json(request.blend)
    with snapshot_of(Path(request.project), request.revision) as snapshot:
        adapter = learning.adapter_for(snapshot, request.model) if request.adapted else None
        generator = open_generator(
            request.model, snapshot.palette, request.device, adapter=adapter, precision=request.precision
        )
        try:
            scope = scope_of(snapshot, request.scope, request.grow)
            return (yield from render(snapshot, scope, generator, request.seed, blend))
        finally:
            generator.close()


def run_export(request: ExportRequest) -> Job[dict[str, Any]]:
    """Write the raster, its companions and its sidecar, and prove them. The project is only read."""
    target = Path(request.target)
    if request.profile not in PROFILES:
        raise CimgenError(f"there is no profile {request.profile!r}", hint=f"There are: {', '.join(PROFILES)}.")
    with snapshot_of(Path(request.project)) as snapshot:
        source = Path(snapshot.info.path)
        require_target(target, source, request.overwrite)
        kept = snapshot.project.source()
        facts = source_of(source, target)
        image = {"name": source.name, "relative": facts.relative, "size": facts.size, "digest": facts.digest}
        if kept is not None and kept.digest != facts.digest:
            raise ProjectError(f"the image {source.name} has changed since the project was made", hint=RELINK)
        delivery = open_delivery(target, snapshot, request.profile, image)
        return export_facts((yield from export(snapshot, delivery)))


def export_facts(exported: Exported) -> dict[str, Any]:
    """Plain values, and `proof`: the line that a person reads."""
    proof = exported.proof
    said = f"0 of {proof.outside_pixels} pixels outside the change differ; {proof.changed_pixels} pixels changed"
    return {
        "target": exported.target,
        "sidecar": exported.sidecar,
        "companions": list(exported.companions),
        "profile": exported.profile,
        "generated": exported.generated,
        "outside_pixels": proof.outside_pixels,
        "changed_pixels": proof.changed_pixels,
        "proof": said,
        "notes": list(exported.notes),
        "lines": [f"exported {exported.target}", f"proved: {said}"],
    }


def run_verify(request: VerifyRequest) -> Job[dict[str, Any]]:
    """Never trusts what it can read again; `passed` is False where a single check fails."""
    with ExitStack() as stack:
        source = None if request.source is None else Path(request.source)
        files = open_delivered(Path(request.target), source, stack)
        return verification_report((yield from verify(files)))


def run_replay(request: ReplayRequest) -> Job[dict[str, Any]]:
    """Render again what the sidecar tells, over the same source, and count the pixels that differ."""
    sidecar = read_sidecar(Path(request.sidecar))
    with ExitStack() as stack:
        source_path = sidecar.source() if request.source is None else Path(request.source)
        if fingerprint(source_path).digest != sidecar.data["source"]["digest"]:
            raise CimgenError(f"{source_path.name} is not the source of this export", hint="Name it with --source.")
        source = stack.enter_context(open_raster(source_path))
        classes = stack.enter_context(open_raster(sidecar.beside(sidecar.data["companions"]["classes"])))
        delivered = open_composite(sidecar, sidecar.beside(sidecar.data["target"]), source_path)
        stack.callback(delivered.close)

        def open_model(model: Mapping[str, Any], adapter: bytes | None) -> Generator:
            name = request.model or str(model["source"] or model["name"])
            used = Choice.like(str(model.get("device", ""))) if request.device == "auto" else Choice(request.device)
            return open_generator(name, sidecar.palette, used.device, adapter=adapter, precision=used.precision)

        done = yield from replay(sidecar, source, classes, delivered, open_model)
    return {
        "pixels": done.pixels,
        "different": done.different,
        "largest_difference": done.largest,
        "notes": list(done.notes),
    }


def polygons_as_geojson(path: Path, project: Path) -> str:
    """The polygons of a vector file as a scope: GeoJSON in the CRS of the project's image."""
    with Project.open(project, read_only=True) as opened:
        polygons = read_polygons(path, opened.grid)
    return json.dumps({"type": "MultiPolygon", "coordinates": polygons})


_JOBS: dict[str, tuple[type[Any], Callable[[Any], Job[Any]]]] = {
    "new": (NewRequest, run_new),
    "map": (MapRequest, run_map),
    "segment": (SegmentRequest, run_segment),
    "read-map": (ReadMapRequest, run_read_map),
    "render": (RenderRequest, run_render),
    "export": (ExportRequest, run_export),
    "verify": (VerifyRequest, run_verify),
    "replay": (ReplayRequest, run_replay),
    "dataset": (learning.DatasetRequest, learning.run_dataset),
    "train": (learning.TrainRequest, learning.run_train),
    "adapt": (learning.AdaptRequest, learning.run_adapt),
    "evaluate": (learning.EvaluateRequest, learning.run_evaluate),
}
