"""Words of the command line in which something is learned."""

from __future__ import annotations

import argparse

from cimgen_qt import learning
from cimgen_qt.cli.console import Console

OK = 0


def train(options: argparse.Namespace, console: Console) -> int:
    """Learn, and say where the model lies and how good it is on ground that was held out."""
    dataset = None if options.dataset is None else str(options.dataset)
    request = learning.TrainRequest(
        str(options.config), str(options.out), dataset, options.steps, options.device, options.threads, options.resume
    )
    facts = console.run(learning.run_train(request))
    console.warn(*facts["notes"])
    ended = "ended early" if facts["early"] else "done"
    console.result(
        facts,
        f"{ended} after {facts['steps']} steps, {facts['seconds'] / 60:.1f} minutes, in {facts['precision']}"
        f" ({facts['why']})",
        f"held out: {facts['best']:.4f} at step {facts['best_step']} (lower is better)",
        f"the model: {facts.get('card', options.out)}",
        f"use it: cimgen render P.cimgen --model {facts.get('card', options.out)}",
    )
    return OK


def evaluate(options: argparse.Namespace, console: Console) -> int:
    """Compare ways to fill holes on ground that was held out."""
    request = learning.EvaluateRequest(
        str(options.dataset), str(options.out), tuple(options.way), options.split, options.each, options.seed,
        options.device,
    )  # fmt: skip
    facts = console.run(learning.run_evaluate(request))
    console.result(facts, facts["table"], f"figures and a contact sheet: {facts['out']}")
    return OK


def adapt(options: argparse.Namespace, console: Console) -> int:
    """Adapt, or drop the adapter; say what was gained."""
    request = learning.AdaptRequest(
        str(options.project), options.model, options.mode, options.steps, options.seed, options.device, options.threads,
        options.drop,
    )  # fmt: skip
    facts = console.run(learning.run_adapt(request))
    console.warn(*facts.get("notes", ()))
    size = (
        [f"the adapter has {facts['bytes'] / 1e6:.2f} MB; cimgen render uses it from now on"] if facts["kept"] else []
    )
    console.result(facts, facts["said"], *size)
    return OK
