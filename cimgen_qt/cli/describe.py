"""What a project, a raster or a model says of itself, as facts and as lines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from cimgen_qt.cli.console import hectares
from cimgen_qt.core.crs import Crs
from cimgen_qt.core.durable import write_text
from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.project import Project
from cimgen_qt.core.raster import RasterInfo
from cimgen_qt.core.scope import changed_scope
from cimgen_qt.generators import catalog
from cimgen_qt.generators.card_file import card_text
from cimgen_qt.generators.remote_trust import allow, forbid
from cimgen_qt.opening import image_of, open_project
from cimgen_qt.raster.rasterio_io import open_raster

Report = tuple[dict[str, Any], list[str]]


def describe_file(path: Path) -> Report:
    """A project or a raster, by what it is. Raises `CimgenError`."""
    return _project(path) if path.suffix.lower() == ".cimgen" else _raster(path)


def _raster(path: Path) -> Report:
    with open_raster(path) as reader:
        facts = _image_facts(reader.info)
    return facts, _image_lines(path.name, facts)


def _project(path: Path) -> Report:
    with Project.open(path, read_only=True) as project:
        image_of(project)
    with open_project(path, read_only=True) as opened:
        snapshot, project = opened.snapshot(), opened.project
        areas = changed_scope(snapshot).areas
        kinds = Counter(act.kind for act in project.acts() if act.id <= project.head)
        undone = sum(act.id > project.head for act in project.acts())
        pixels = sum(a.pixels for a in areas)
        metres = None if any(a.square_metres is None for a in areas) else sum(a.square_metres or 0 for a in areas)
        image = {"path": snapshot.info.path, **_image_facts(snapshot.info)}
        facts = {
            "project": str(path),
            "image": image,
            "head": project.head,
            "acts": dict(kinds),
            "undone": undone,
            "to_generate": {"areas": len(areas), "pixels": pixels, "square_metres": metres},
            "classes": {c.id: c.name for c in snapshot.palette},
            "generations": [
                {"model": g.model.get("name"), "seed": g.seed, "time": g.time} for g in snapshot.generations
            ],
        }
    lines = _image_lines(f"image {Path(snapshot.info.path).name}", image)
    lines.append(f"acts: {', '.join(f'{n} {kind}' for kind, n in kinds.items()) or 'none'}; undone: {undone}")
    lines.append(f"to be generated: {len(areas)} areas, {hectares(metres, pixels)}")
    return facts, [f"project {path.name}", *lines]


def _image_facts(info: RasterInfo) -> dict[str, Any]:
    grid = info.grid
    return {
        "width": grid.width,
        "height": grid.height,
        "bands": info.bands,
        "dtype": info.dtype,
        "nodata": [None if v is None else repr(v) for v in info.nodata],
        "colours": list(info.colours),
        "crs": None if grid.crs is None else Crs(grid.crs).name,
        "transform": list(grid.transform),
        "metres_per_pixel": grid.metres_per_pixel,
        "overviews": list(info.overviews),
        "lossy": info.lossy,
        "notes": list(info.notes),
    }


def _image_lines(name: str, facts: dict[str, Any]) -> list[str]:
    metres = facts["metres_per_pixel"]
    size = "size of a pixel not known" if metres is None else f"{metres:.3g} m per pixel"
    first = f"{name}: {facts['width']} x {facts['height']} px, {facts['bands']} x {facts['dtype']}, {size}"
    return [first, f"CRS: {facts['crs'] or 'none'}", *(f"note: {note}" for note in facts["notes"])]


def models_report(action: str, model: str | None) -> tuple[bool, dict[str, Any], list[str]]:
    """Do what `cimgen models` was asked for. Raises `ModelError`."""
    if action == "list":
        entries = catalog.list_models()
        rows = [catalog.describe(entry) for entry in entries]
        lines = [f"{e.name} ({e.origin}){_told(e)}" for e in entries]
        return True, {"models": rows}, lines
    if model is None:
        raise ModelError(
            f"which one shall `cimgen models {action}` take?",
            hint="Name the model, its path, or the address of a server.",
        )
    if action == "add":
        entry = catalog.add(Path(model))
        return True, catalog.describe(entry), [f"added {entry.name}"]
    if action == "allow":
        place = allow(model)
        return True, {"allowed": place}, [f"pixels may be sent to {place}"]
    if action == "forbid":
        place = forbid(model)
        return True, {"forbidden": place}, [f"pixels are not sent to {place} any more"]
    if action == "remove":
        folder = catalog.remove(model)
        return True, {"removed": model, "folder": str(folder)}, [f"removed {model}"]
    if model in catalog.BUILT_IN:
        return True, catalog.describe(catalog.find_model(model)), [f"{model} is built in and needs no file"]
    card = catalog.model_card(model)
    if action == "show":
        facts = catalog.describe(card)
        return True, facts, [f"{key}: {value}" for key, value in facts.items()]
    problems = catalog.verify(card)
    return not problems, {"model": card.name, "problems": problems}, problems or [f"{card.name} is sound"]


def write_draft(path: Path, classes: str, licence: str) -> None:
    """Write a card beside a checkpoint of PyTorch's, of the checkpoint's own name. Raises ModelError, ExportError."""
    from cimgen_qt.generators.checkpoints import draft_card

    target = path.with_suffix(".toml")
    if target.exists():
        raise ModelError(f"{target.name} exists already", hint="Leave --classes out to add the model with it.")
    card = draft_card(path, [name.strip() for name in classes.split(",") if name.strip()], licence)
    write_text(target, card_text(card))


def _told(entry: catalog.Entry) -> str:
    if entry.card is not None and entry.card.kind == "image-to-map":
        return ": reads classes from a photo, for `cimgen map`"
    if entry.card is not None and entry.card.remote is not None and not entry.problem:
        return f": computed by {entry.card.remote.url}"
    return f": {entry.problem}" if entry.problem else ""
