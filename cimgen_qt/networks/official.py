"""Load checkpoints of pix2pixHD and pytorch-CycleGAN-and-pix2pix as they were published, and say what did not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cimgen_qt.core.errors import ModelError
from cimgen_qt.networks.architecture import Architecture
from cimgen_qt.networks.build import build
from cimgen_qt.networks.fingerprints import infer
from cimgen_qt.networks.weights_file import read_tensors

_COUNTER = "num_batches_tracked"
_STATISTICS = ("running_mean", "running_var", _COUNTER)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A tensor of the same name, but of another shape."""

    name: str
    file: tuple[int, ...]
    network: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name}: {'x'.join(map(str, self.file))} in the file, {'x'.join(map(str, self.network))} wanted"


@dataclass(frozen=True, slots=True)
class Fit:
    """What became of every tensor: those of equal name and shape were copied, the rest is listed."""

    copied: tuple[str, ...]
    missing: tuple[str, ...]
    """The network has them, the file has not: they keep the values they had."""
    unexpected: tuple[str, ...]
    """The file has them, the network has no place for them."""
    mismatched: tuple[Mismatch, ...]

    @property
    def complete(self) -> bool:
        return not (self.missing or self.unexpected or self.mismatched)


@dataclass(frozen=True, slots=True)
class Loaded:
    """`dropped` are running statistics of instance norms, which old checkpoints carry and nothing uses."""

    module: nn.Module
    architecture: Architecture
    fit: Fit
    dropped: tuple[str, ...]


def load(path: Path, architecture: Architecture | None = None, content: bytes | None = None) -> Loaded:
    """In float32, on the CPU, in evaluation mode; without `architecture` it is told from names and shapes.

    `content` is what the file holds, if it was read before. Raises ModelError if the file is refused or is of no
    network that is known. With an architecture of the caller's, for other classes say, look at `fit`: some tensors may
    not have found a place.
    """
    state, dropped = tidy(read_tensors(path, content))
    if architecture is None:
        architecture = infer(state, path.name)
        _require_told(architecture, state, path.name)
    module = build(architecture)
    return Loaded(module.eval(), architecture, copy_into(module, state), dropped)


def _require_told(architecture: Architecture, state: Mapping[str, Tensor], file: str) -> None:
    """Before any memory is taken: a few wrong shapes could ask for all of it."""
    with torch.device("meta"):
        fit = compare(build(architecture).state_dict(), state)
    if fit.missing or fit.mismatched:
        first = ", ".join([*map(str, fit.mismatched), *(f"{name} is missing" for name in fit.missing)][:3])
        raise ModelError(
            f"{file} looks like a network of kind {architecture.kind}, but does not fit it: {first}",
            hint="Is it a checkpoint of a changed network? Those can be used as ONNX.",
        )


def copy_into(module: nn.Module, state: Mapping[str, Tensor]) -> Fit:
    """Copy every tensor that has a place of its shape, as pix2pixHD does for fine-tuning, but list the others."""
    places = module.state_dict()
    fit = compare(places, state)
    with torch.no_grad():
        for name in fit.copied:
            places[name].copy_(state[name])
    return fit


def compare(places: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Fit:
    """What `copy_into` would do."""
    mismatched = tuple(
        Mismatch(name, tuple(value.shape), tuple(places[name].shape))
        for name, value in state.items()
        if name in places and value.shape != places[name].shape
    )
    wrong = {mismatch.name for mismatch in mismatched}
    counters = {name for name in places if name.endswith(_COUNTER)}  # no part in what is painted
    return Fit(
        copied=tuple(name for name in state if name in places and name not in wrong),
        missing=tuple(name for name in places if name not in state and name not in counters),
        unexpected=tuple(name for name in state if name not in places),
        mismatched=mismatched,
    )


def tidy(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Without traces of DataParallel, of spectral norm, and of instance norms that kept statistics (named after it)."""
    plain = fold_spectral_norm({name.removeprefix("module."): value for name, value in state.items()})
    dropped = tuple(name for name in plain if name.endswith(_STATISTICS) and not _is_batch_norm(name, plain))
    return {name: value for name, value in plain.items() if name not in dropped}, dropped


def _is_batch_norm(name: str, state: Mapping[str, Tensor]) -> bool:
    return f"{name.rpartition('.')[0]}.weight" in state


def fold_spectral_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`weight` = `weight_orig` / sigma with sigma = u' W v (Miyato et al. 2018), as evaluation mode computes it.

    u runs over the outputs: the first side of a convolution's weights, the second of a transposed one's.
    """
    folded: dict[str, Tensor] = {}
    for name, value in state.items():
        stem, _, kind = name.rpartition("_")
        if kind == "orig" and f"{stem}_u" in state:
            folded[stem] = value / _sigma(value, state[f"{stem}_u"], state.get(f"{stem}_v"))
        elif kind not in ("u", "v") or f"{stem}_orig" not in state:
            folded[name] = value
    return folded


def _sigma(weight: Tensor, u: Tensor, v: Tensor | None) -> Tensor:
    over = 0 if weight.shape[0] == u.numel() else 1
    matrix = weight.movedim(over, 0).flatten(1)
    if v is None:  # PyTorch 0.4 kept u alone
        v = nn.functional.normalize(matrix.t() @ u, dim=0)
    return u @ (matrix @ v)
