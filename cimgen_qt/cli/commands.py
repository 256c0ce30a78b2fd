"""What each word of the command line does: build a request, run its job here, say what came of it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cimgen_qt import tasks
from cimgen_qt.cli.console import Console, hectares
from cimgen_qt.cli.painting import edits_of
from cimgen_qt.core.errors import CimgenError, MapError
from cimgen_qt.core.render import Rendered
from cimgen_qt.opening import open_project, relink
from cimgen_qt.segmentation.request import SegmentRequest

OK, FAILED, BAD_INPUT = 0, 1, 2
OpenWindow = Callable[[Path | None], int]


def new(options: argparse.Namespace, console: Console) -> int:
    request = tasks.NewRequest(str(options.project), str(options.image), _text(options.palette), _map_source(options))
    facts = console.run(tasks.run_new(request))
    console.warn(*facts["notes"])
    _tell_map(console, facts.get("map"))
    console.result(facts, f"made {options.project} over {options.image}", *_map_lines(facts.get("map")))
    return OK


def map_(options: argparse.Namespace, console: Console) -> int:
    source = _map_source(options)
    if options.target is not None and source is not None:
        raise MapError(
            "both a map and a target were named", hint="Give --map FILE for a project, or OUT.tif, not both."
        )
    if source is not None:
        facts = console.run(tasks.run_map(tasks.MapRequest(str(options.source), source, options.edited)))
        _tell_map(console, facts)
        console.result(facts, f"took {options.map} into {options.source}", *_map_lines(facts))
    elif options.target is None:
        request = tasks.ReadMapRequest(str(options.source), options.model, options.device, options.edited)
        facts = console.run(tasks.run_read_map(request))
        console.warn(*facts["notes"])
        said = f"read the map of {options.source} with {facts['model']}, {facts['mean_confidence']:.0%} sure on average"
        console.result(facts, said, *_map_lines(facts))
    else:
        facts = console.run(tasks.run_segment(_segment_request(options)))
        console.warn(*facts["notes"])
        shares = ", ".join(f"{name} {share:.1%}" for name, share in facts["shares"].items())
        console.result(facts, f"read classes into {facts['target']} ({facts['device']}): {shares}",
                       f"how sure: {facts['confidence']}, {facts['mean_confidence']:.0%} on average")  # fmt: skip
    return OK


def _segment_request(options: argparse.Namespace) -> SegmentRequest:
    return SegmentRequest(
        str(options.source), str(options.target), options.model, _text(options.palette), options.device,
        overwrite=options.overwrite,
    )  # fmt: skip


def paint(options: argparse.Namespace, console: Console) -> int:
    with open_project(options.project) as opened:
        scene = opened.scene
        if options.undo or options.redo:
            change = scene.undo() if options.undo else scene.redo()
            acts = int(change is not None)
        else:
            changes = [scene.paint(edit) for edit in edits_of(options, scene)]
            acts = sum(change is not None for change in changes)
        areas = scene.areas()
        pixels = sum(area.pixels for area in areas)
        metres = None if any(a.square_metres is None for a in areas) else sum(a.square_metres or 0.0 for a in areas)
    word = "undone" if options.undo else "redone" if options.redo else "painted"
    facts = {"acts": acts, "areas": len(areas), "pixels": pixels, "square_metres": metres}
    said = f"{word}; to be generated: {len(areas)} areas, {hectares(metres, pixels)}" if acts else f"nothing {word}"
    console.result(facts, said)
    return OK


def render(options: argparse.Namespace, console: Console) -> int:
    if options.preview is not None and options.preview.suffix.lower() != ".png":
        raise CimgenError(f"{options.preview.name} is no PNG", hint="Give --preview a name that ends in .png.")
    blend: dict[str, Any] = {
        "mode": options.blend,
        "colour_match": options.colour_match,
        "hard_edges": not options.soft_edges,
    }
    if options.feather is not None:
        blend["feather"] = options.feather
    if options.feather_m is not None:
        blend["feather_metres"] = options.feather_m
    request = tasks.RenderRequest(
        str(options.project), options.model, options.seed, options.device, _scope(options), blend, grow=options.grow,
        adapted=not options.plain, precision=options.precision,
    )  # fmt: skip
    rendered = console.run(tasks.run_render(request))
    console.warn(*rendered.warnings)
    if options.preview is not None:
        from cimgen_qt.cli.picture import preview

        preview(options.project, rendered, options.preview)
    if options.accept:
        accept(options.project, rendered)
    facts = {**rendered.facts(), "accepted": options.accept, "areas": len(rendered.patches)}
    console.result(facts, *_render_lines(rendered, options.accept))
    return OK


def accept(project: Path, rendered: Rendered) -> None:
    """Make a proposal part of its project."""
    with open_project(project) as opened:
        opened.scene.lay(rendered)


def export(options: argparse.Namespace, console: Console) -> int:
    request = tasks.ExportRequest(str(options.project), str(options.target), options.profile, options.overwrite)
    facts = console.run(tasks.run_export(request))
    console.warn(*facts["notes"])
    console.result(facts, *facts["lines"])
    return OK


def verify(options: argparse.Namespace, console: Console) -> int:
    facts = console.run(tasks.run_verify(tasks.VerifyRequest(str(options.target), _text(options.source))))
    lines = [f"{'ok  ' if check['ok'] else 'FAIL'} {check['name']}: {check['detail']}" for check in facts["checks"]]
    console.result(facts, *lines, "verified" if facts["passed"] else "NOT verified")
    return OK if facts["passed"] else FAILED


def replay(options: argparse.Namespace, console: Console) -> int:
    request = tasks.ReplayRequest(str(options.sidecar), _text(options.source), options.device)
    facts = console.run(tasks.run_replay(request))
    console.warn(*facts["notes"])
    same = facts["different"] == 0
    said = "the same" if same else f"{facts['different']} differ, by {facts['largest_difference']} at the most"
    console.result(facts, f"made {facts['pixels']} pixels again: {said}")
    return OK if same else FAILED


def info(options: argparse.Namespace, console: Console) -> int:
    from cimgen_qt.cli.describe import describe_file

    if options.relink is not None:
        relink(options.path, options.relink)
    facts, lines = describe_file(options.path)
    console.result(facts, *lines)
    return OK


def models(options: argparse.Namespace, console: Console) -> int:
    from cimgen_qt.cli.describe import models_report

    if options.action == "add" and options.model and options.classes:
        from cimgen_qt.cli.describe import write_draft

        write_draft(Path(options.model), options.classes, options.licence)
    ok, facts, lines = models_report(options.action, options.model)
    console.result(facts, *lines)
    return OK if ok else FAILED


def doctor(_options: argparse.Namespace, console: Console) -> int:
    from cimgen_qt.cli.doctor import examine

    facts, lines, healthy = examine()
    console.result(facts, *lines)
    return OK if healthy else FAILED


def demo(options: argparse.Namespace, console: Console) -> int:
    from cimgen_qt.cli.demo import run_demo

    project = run_demo(options.out, options.seed, console)
    if options.no_window or options.open_window is None or not has_display():
        return OK
    opener: OpenWindow = options.open_window
    return opener(project)


def window(options: argparse.Namespace, _console: Console) -> int:
    if options.open_window is None:
        raise CimgenError("there is no window here", hint="Run `cimgen` from a terminal.")
    if not has_display():
        raise CimgenError("there is no display for a window", hint="See `cimgen --help` for what works without one.")
    opener: OpenWindow = options.open_window
    return opener(options.path)


def has_display() -> bool:
    """Whether a window would be seen by somebody."""
    if os.name == "nt" or os.uname().sysname == "Darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _map_source(options: argparse.Namespace) -> tasks.MapSourceRequest | None:
    if options.map is None:
        return None
    return tasks.MapSourceRequest(
        str(options.map), options.field, options.class_name, _text(options.table), options.layer, options.tolerance
    )


def _scope(options: argparse.Namespace) -> str:
    if options.scope in ("changed", "edited", "all"):
        return str(options.scope)
    return tasks.polygons_as_geojson(Path(options.scope), options.project)


def _tell_map(console: Console, facts: Mapping[str, Any] | None) -> None:
    if facts is not None:
        console.warn(*facts["notes"])


def _map_lines(facts: Mapping[str, Any] | None) -> list[str]:
    if facts is None:
        return []
    counts = ", ".join(f"{name} {share:.1%}" for name, share in facts["shares"].items())
    lines = [f"map: {counts}"]
    if facts["unmapped_pixels"]:
        lines.append(f"not understood, left unlabelled: {facts['unmapped_pixels']} px")
    return lines


def _render_lines(rendered: Rendered, accepted: bool) -> list[str]:
    model = rendered.model
    device = f"{model['device']}" + (f" ({model['device_note']})" if model["device_note"] else "")
    area = hectares(rendered.square_metres, rendered.pixels)
    return [
        f"made {len(rendered.patches)} areas, {area}, in {rendered.seconds:.1f} s with {model['name']} on {device}",
        "accepted" if accepted else "a proposal only: add --accept to keep it, --preview F.png to look at it",
    ]
