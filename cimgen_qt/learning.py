"""The jobs in which something is learned; torch is imported when one of them starts, and not before."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from cimgen_qt.core.errors import CimgenError, ModelError
from cimgen_qt.core.jobs import Job
from cimgen_qt.core.render import PristineView
from cimgen_qt.core.scope import changed_scope
from cimgen_qt.core.snapshot import ADAPTER, Snapshot
from cimgen_qt.datasets.job import make_dataset
from cimgen_qt.datasets.request import DatasetRequest
from cimgen_qt.evaluation.request import EvaluateRequest
from cimgen_qt.generators.adapters import unpack
from cimgen_qt.generators.catalog import BUILT_IN, DEFAULT_GENERATOR, model_card
from cimgen_qt.opening import open_project
from cimgen_qt.training.request import MODES, AdaptRequest, TrainRequest

__all__ = [
    "AdaptRequest",
    "DatasetRequest",
    "EvaluateRequest",
    "TrainRequest",
    "adapter_for",
    "recipe_template",
    "run_adapt",
    "run_dataset",
    "run_evaluate",
    "run_train",
]
_INSTALL = "pip install 'cimgen[train]' brings it, several hundred megabytes; rendering does without."


def run_train(request: TrainRequest) -> Job[dict[str, Any]]:
    """Learn as a configuration says. Raises CimgenError where torch is missing."""
    _require_torch()
    from cimgen_qt.training.run import train

    return (yield from train(request))


def recipe_template(recipe: str) -> str:
    """A configuration for `run_train` with all settings of a recipe. Raises CimgenError where there is none."""
    _require_torch()
    from cimgen_qt.training.template import template

    return template(recipe)


def run_adapt(request: AdaptRequest) -> Job[dict[str, Any]]:
    """Adapt a model to the scene of a project and keep the adapter there, as an act that can be undone.

    Nothing is kept where held-out ground says that nothing was gained.
    """
    with open_project(Path(request.project)) as opened:
        project = opened.project
        if request.drop:
            if project.attachment(ADAPTER, project.head) is None:
                raise CimgenError("the project has no adapter", hint="There is nothing to drop.")
            with project.act("adapt", {"dropped": True}) as act:
                act.attach(ADAPTER, None)
            return {"kept": False, "said": "dropped the adapter: models are used as they are"}
        if request.mode not in MODES:
            raise CimgenError(f"there is no mode {request.mode!r}", hint=f"There are: {', '.join(MODES)}.")
        if not 0 <= request.warp <= 1:
            raise CimgenError(f"a share of {request.warp:g} samples cannot be bent", hint="Give 0 to 1.")
        _require_torch()
        from cimgen_qt.training.adapt import adapt

        snapshot = opened.snapshot()
        card = model_card(request.model or DEFAULT_GENERATOR)
        adapted = yield from adapt(request, PristineView(snapshot, changed_scope(snapshot)), card)
        facts = adapted.facts() | {"model": card.name}
        if adapted.adapter is not None:
            data = adapted.adapter.pack()
            facts |= {"bytes": len(data), "adapter": hashlib.sha256(data).hexdigest()}
            with project.act("adapt", facts) as act:
                act.attach(ADAPTER, data)
        return facts


def run_dataset(request: DatasetRequest) -> Job[dict[str, Any]]:
    """Cut tiles to learn from, of folders, files or an open project."""
    if request.project is None:
        return (yield from make_dataset(request))
    with open_project(Path(request.project), read_only=True) as opened:
        return (yield from make_dataset(request, opened.snapshot(), opened.project.palette))


def run_evaluate(request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Compare ways to fill holes on held-out ground. Raises CimgenError where torch is missing."""
    _require_torch()
    from cimgen_qt.evaluation.job import evaluate

    return (yield from evaluate(request))


def adapter_for(snapshot: Snapshot, model: str) -> bytes | None:
    """The adapter in force, if it was made for this very model."""
    data = snapshot.adapter()
    if data is None or model in BUILT_IN:
        return None
    try:
        return data if unpack(data).sha256 == model_card(model).sha256 else None
    except ModelError:
        return None  # the model's own complaint follows when it is opened


def _require_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise CimgenError("learning needs PyTorch, which is not installed", hint=_INSTALL) from error
