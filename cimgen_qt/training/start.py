"""Begin from what a network has learned before: a run, a file of weights, an official checkpoint, a shipped model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.generators.catalog import model_card
from cimgen_qt.generators.onnx_weights import weights_of
from cimgen_qt.networks.official import copy_into, tidy
from cimgen_qt.networks.weights_file import read_tensors
from cimgen_qt.training.state import load_weights

_BEST = "best.safetensors"
_SHOWN = 4


def begin_from(network: nn.Module, start: str) -> str:
    """Fill `network`, and say what came over and what begins anew, such as weights of another shape for other classes.

    `start` is a run folder, .safetensors, .pth, a card or the name of a model. Raises CimgenError where nothing fits.
    """
    fit = copy_into(network, _weights(start))
    name = Path(start).name
    if not fit.copied:
        raise CimgenError(f"nothing in {name} fits this network", hint="Are recipe and options those it was made with?")
    parts = [f"began from {name}: {len(fit.copied)} weights taken over"]
    if fit.mismatched:
        shown = ", ".join(m.name for m in fit.mismatched[:_SHOWN])
        parts.append(f"{len(fit.mismatched)} of another shape begin anew ({shown})")
    if fit.missing:
        parts.append(f"{len(fit.missing)} are not in it ({', '.join(fit.missing[:_SHOWN])})")
    return "; ".join(parts)


def _weights(start: str) -> Mapping[str, Tensor]:
    path = Path(start)
    if path.is_dir() and (path / _BEST).is_file():
        return load_weights(path / _BEST)
    if path.suffix == ".safetensors":
        return load_weights(path)
    if path.suffix == ".pth":
        return tidy(read_tensors(path))[0]
    card = model_card(start)
    found = weights_of((card.folder / card.file).read_bytes())
    return {name: torch.from_numpy(values.copy()) for name, values in found.items()}
