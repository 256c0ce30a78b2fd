"""What adapting to a scene is worth: `python -m benchmarks.adaptation DATASET MODEL OUT [--split test] [--steps N]`.

The tiles of each scene are parted in two: the model is adapted to one half and judged on the other, beside the model as it
is and the model that sees the map alone (the paper's way), blended by Poisson's equation.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path

from cimgen_qt.core.blend import BlendMode, BlendSettings
from cimgen_qt.core.jobs import Progress, run_inline
from cimgen_qt.datasets.store import Dataset, open_dataset
from cimgen_qt.evaluation.features import EffNetFeatures
from cimgen_qt.evaluation.figures import Real, figures_of, table
from cimgen_qt.evaluation.held_out import Case, Filled, Way, cases_of, fill
from cimgen_qt.generators import open_generator
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.catalog import model_card
from cimgen_qt.generators.encode import class_table
from cimgen_qt.training.adapt import adapt_to
from cimgen_qt.training.crops import Tile
from cimgen_qt.training.request import AdaptRequest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--mode", default="lora")
    parser.add_argument("--scene", default=r"tile\d", help="what of a tile's name tells its scene")
    options = parser.parse_args()
    dataset, card = open_dataset(options.dataset), model_card(options.model)
    scenes: dict[str, list] = {}
    for record in dataset.split(options.split):
        found = re.search(options.scene, record.name)
        scenes.setdefault(found[0] if found else record.scene, []).append(record)
    eye = EffNetFeatures()
    ways = [Way("map alone, Poisson", options.model, BlendSettings(mode=BlendMode.POISSON), alone=True),
            Way("map alone, adapted, Poisson", options.model, BlendSettings(mode=BlendMode.POISSON), alone=True),
            Way("context", options.model, BlendSettings()), Way("context, adapted", options.model, BlendSettings())]  # fmt: skip
    cases: list[Case] = []
    filled: dict[str, list[Filled]] = {way.name: [] for way in ways}
    notes = {}
    for scene, records in scenes.items():
        learned = [_tile(dataset, r, card) for r in records[::2]]
        request = AdaptRequest("", options.model, options.mode, options.steps)
        adapted = run_inline(adapt_to(request, card, learned[1:], learned[:1]), _said)
        notes[scene] = adapted.facts()
        data = None if adapted.adapter is None else adapted.adapter.pack()
        judged = replace(dataset, tiles=tuple(records[1::2]))
        mine = run_inline(cases_of(judged, options.split, 1, 1))
        cases += [replace(case, scene=scene) for case in mine]
        for way in ways:
            generator = open_generator(
                way.model, dataset.palette, "cpu", adapter=data if "adapted" in way.name else None
            )
            filled[way.name] += [run_inline(fill(case, way, generator)) for case in mine]
            generator.close()
    real = Real.of(cases, eye)
    rows = [figures_of(way.name, "all", cases, filled[way.name], real, eye) for way in ways]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "adaptation.md").write_text(table(rows))
    (options.out / "adaptation.json").write_text(
        json.dumps({"adapted": notes, "figures": [r.to_json() for r in rows]}, indent=1)
    )
    print(json.dumps(notes, indent=1))
    print(table(rows))


def _tile(dataset: Dataset, record: object, card: ModelCard) -> Tile:
    photo, labels = dataset.read(record)  # type: ignore[arg-type]
    return Tile(record.name, photo[..., :3], class_table(card, dataset.palette).look_up(labels).astype("int8"))  # type: ignore[attr-defined]


def _said(progress: Progress) -> bool:
    if progress.text.startswith("adapting") and progress.done % 25 == 0:
        print(progress.done, progress.text, flush=True)
    return True


if __name__ == "__main__":
    main()
