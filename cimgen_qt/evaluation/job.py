"""From a request to figures, a table for people and a contact sheet."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cimgen_qt.core.blend import BlendMode, BlendSettings
from cimgen_qt.core.durable import write_bytes, write_text
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import Job, Progress, run_inline
from cimgen_qt.datasets.store import open_dataset
from cimgen_qt.evaluation.distances import sliced
from cimgen_qt.evaluation.features import EffNetFeatures, Eye
from cimgen_qt.evaluation.figures import Figures, Real, figures_of, table
from cimgen_qt.evaluation.floors import split_half
from cimgen_qt.evaluation.held_out import Case, Filled, Way, cases_of, colours_of, fill
from cimgen_qt.evaluation.inception import InceptionFeatures
from cimgen_qt.evaluation.request import FEATURES, EvaluateRequest
from cimgen_qt.generators import open_generator

MOST_GROUPS = 8
"""Scenes up to which each gets figures of its own."""
SHOWN = 16
"""Rows of the contact sheet."""


def way_of(text: str) -> Way:
    """Read "NAME=MODEL[,alone][,MODE]". Raises CimgenError for anything else."""
    name, equals, rest = text.partition("=")
    model, *options = rest.split(",")
    modes = {mode.value: mode for mode in BlendMode}
    strange = [o for o in options if o != "alone" and o not in modes]
    if not equals or not name or not model or strange:
        raise CimgenError(
            f"{text!r} is no way to fill a hole", hint=f"NAME=MODEL, then ,alone or one of: {', '.join(modes)}."
        )
    mode = next((modes[o] for o in options if o in modes), BlendMode.MEMBRANE)
    return Way(name, model, BlendSettings(mode=mode), "alone" in options)


def evaluate(request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Fill every hole in every way, measure, write. Closing it leaves nothing half-written."""
    ways = [way_of(text) for text in request.ways]
    if not ways:
        raise CimgenError("no way to fill holes was named", hint="Such as --way mine=my-model --way exemplar=exemplar.")
    folder = Path(request.out)
    dataset = open_dataset(Path(request.dataset))
    judge = EffNetFeatures()
    eye = _eye(request.features, judge)
    cases = yield from cases_of(dataset, request.split, request.each, request.seed)
    yield Progress(0, 1, "looking at the photo")
    real = Real.of(cases, eye)
    floor = split_half(real.elsewhere, [c.tile for c in cases], sliced)
    rows: list[Figures] = []
    filled: dict[str, list[Filled]] = {}
    for way in ways:
        filled[way.name] = yield from _fill_all(cases, way, request.device)
        yield Progress(0, 1, f"measuring {way.name}")
        rows += _measured(way.name, cases, filled[way.name], real, judge, eye)
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"dataset": dataset.name, "split": request.split, "edits": len(cases), "seed": request.seed,
             "ways": list(request.ways), "floor": floor and asdict(floor), "features": eye.name,
             "figures": [row.to_json() for row in rows]}  # fmt: skip
    write_text(folder / "figures.json", json.dumps(facts, indent=1) + "\n")
    write_text(folder / "figures.md", table(rows, eye, floor))
    write_bytes(folder / "sheet.png", _sheet(cases, [filled[way.name] for way in ways]))
    return facts | {"table": table(rows, eye, floor), "out": str(folder)}


def _eye(features: str, judge: EffNetFeatures) -> Eye:
    if features not in FEATURES:
        raise CimgenError(f"there are no features {features!r}", hint=f"There are: {', '.join(FEATURES)}.")
    if features == "efficientnet":
        return judge
    return InceptionFeatures("legacy" if features == "inception-legacy" else "clean")


def _fill_all(cases: Sequence[Case], way: Way, device: str) -> Job[list[Filled]]:
    generator = open_generator(way.model, cases[0].ground.palette, device)
    found = []
    try:
        for number, case in enumerate(cases):
            yield Progress(number, len(cases), f"filling holes: {way.name}")
            found.append(run_inline(fill(case, way, generator)))
    finally:
        generator.close()
    return found


def _measured(
    name: str, cases: Sequence[Case], filled: Sequence[Filled], real: Real, judge: EffNetFeatures, eye: Eye
) -> list[Figures]:
    groups = {"all": list(range(len(cases)))}
    scenes = sorted({c.scene for c in cases})
    if 1 < len(scenes) <= MOST_GROUPS:
        groups |= {scene: [n for n, c in enumerate(cases) if c.scene == scene] for scene in scenes}
    rows = []
    for group, picked in groups.items():
        part = Real(*([values[n] for n in picked] for values in (real.inside, real.elsewhere, real.patches)))
        rows.append(figures_of(name, group, [cases[n] for n in picked], [filled[n] for n in picked], part, judge, eye))
    return rows


def _sheet(cases: Sequence[Case], ways: Sequence[Sequence[Filled]]) -> bytes:
    """One row an edit: map, photo, photo with its hole, and what each way made of it."""
    from PIL import Image

    step = max(1, len(cases) // SHOWN)
    rows = []
    for number in range(0, len(cases), step)[:SHOWN]:
        case = cases[number]
        holed = np.where(case.hole[..., None], np.uint8(128), case.ground.photo)
        made = [way[number].picture for way in ways]
        rows.append(
            np.concatenate([colours_of(case.ground.palette, case.ground.labels), case.ground.photo, holed, *made], 1)
        )
    out = io.BytesIO()
    Image.fromarray(np.concatenate(rows, 0)).save(out, "PNG")
    return out.getvalue()
