"""Words of the command line in which something is learned."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from cimgen_qt import learning
from cimgen_qt.cli.console import Console
from cimgen_qt.datasets.request import with_preset

OK = 0
_DATASET = (
    "images", "maps", "project", "palette", "name", "side", "smallest", "test", "validation", "held_out", "seed",
    "table", "field", "class_name", "layer", "tolerance", "urban", "dominant", "blur", "seam",
)  # fmt: skip
"""Options that stand for fields of the request, where they are given."""


def dataset(options: argparse.Namespace, console: Console) -> int:
    """Cut tiles, and say what was kept and why the rest was not."""
    named = {name: getattr(options, name) for name in _DATASET}
    given: dict[str, Any] = {k: str(v) if isinstance(v, Path) else v for k, v in named.items() if v is not None}
    request = learning.DatasetRequest(str(options.out), **given)
    if options.preset:
        request = replace(with_preset(request, options.preset), **given)
    if options.keep_copies:
        request = replace(request, duplicates=False)
    facts = console.run(learning.run_dataset(request))
    console.warn(*facts["notes"])
    tiles = ", ".join(f"{split} {count}" for split, count in facts["tiles"].items())
    removed = ", ".join(f"{reason} {count}" for reason, count in facts["removed"].items()) or "nothing"
    shares = ", ".join(f"{name} {share:.1%}" for name, share in facts["shares"].items())
    console.result(facts, f"made {facts['dataset']}: {tiles}", f"classes: {shares}",
                   f"left out: {removed}; see removed.csv and contact.png there")  # fmt: skip
    return OK


def recipe(options: argparse.Namespace, console: Console) -> int:
    """Print a configuration for `train`."""
    text = learning.recipe_template(options.recipe)
    console.result({"recipe": options.recipe, "template": text}, text.rstrip("\n"))
    return OK


def train(options: argparse.Namespace, console: Console) -> int:
    """Learn, and say where the model lies and how good it is on ground that was held out."""
    dataset = None if options.dataset is None else str(options.dataset)
    request = learning.TrainRequest(
        str(options.config), str(options.out), dataset, options.steps, options.device, options.threads, options.resume
    )
    facts = console.run(learning.run_train(request))
    if not facts["first"]:  # one of several processes, of which the first speaks for all
        return OK
    console.warn(*facts["notes"])
    ended = "ended early" if facts["early"] else "done"
    console.result(
        facts,
        f"{ended} after {facts['steps']} steps, {facts['seconds'] / 60:.1f} minutes, in {facts['precision']}"
        f" ({facts['why']})",
        f"held out: {facts['best']:.4f} at step {facts['best_step']} (lower is better)",
        f"the model: {facts['card']}",
        f"use it: cimgen render P.cimgen --model {facts['card']}",
    )
    return OK


def evaluate(options: argparse.Namespace, console: Console) -> int:
    """Compare ways to fill holes on ground that was held out."""
    request = learning.EvaluateRequest(
        str(options.dataset), str(options.out), tuple(options.way), options.split, options.each, options.seed,
        options.device, options.features,
    )  # fmt: skip
    facts = console.run(learning.run_evaluate(request))
    console.result(facts, facts["table"], f"figures and a contact sheet: {facts['out']}")
    return OK


def adapt(options: argparse.Namespace, console: Console) -> int:
    """Adapt, or drop the adapter; say what was gained."""
    request = learning.AdaptRequest(
        str(options.project), options.model, options.mode, options.steps, options.seed, options.device, options.threads,
        options.drop, options.warp,
    )  # fmt: skip
    facts = console.run(learning.run_adapt(request))
    console.warn(*facts.get("notes", ()))
    size = (
        [f"the adapter has {facts['bytes'] / 1e6:.2f} MB; cimgen render uses it from now on"] if facts["kept"] else []
    )
    console.result(facts, facts["said"], *size)
    return OK
