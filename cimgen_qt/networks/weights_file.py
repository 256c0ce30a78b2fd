"""Read the tensors of a weights file, and nothing else that a file may try to do."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
from pathlib import Path

import torch
from torch import Tensor

from cimgen_qt.core.errors import ModelError

_BROKEN = (
    pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError,
    AssertionError, ImportError, OverflowError, struct.error,
)  # fmt: skip
"""What reading bytes that are no checkpoint has been seen to raise."""


def read_tensors(path: Path, content: bytes | None = None) -> dict[str, Tensor]:
    """By name, on the CPU. A `.pth` may hold tensors and plain containers alone: no code of a file is ever run.

    `content` is what the file holds, if it was read before. Raises ModelError if the file cannot be read, wants code to
    be run, or is no flat table of finite tensors.
    """
    found = (_safetensors if path.suffix.lower() == ".safetensors" else _pickled)(path, content)
    if not isinstance(found, dict) or not found:
        raise ModelError(f"{path.name} holds no table of weights", hint="A plain state dict is wanted.")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ModelError(
                f"{path.name} holds more than weights ({str(name)[:60]!r})",
                hint="Save `module.state_dict()` alone, not an optimiser or a training state with it.",
            )
        _require_plain(path.name, name, value)
    return found


def _require_plain(file: str, name: str, value: Tensor) -> None:
    """A tensor may claim any shape over a single stored value, or be sparse; one that is all there cannot."""
    whole = value.layout == torch.strided and not value.is_quantized and value.device.type == "cpu"
    if not whole or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise ModelError(f"{file}: {name[:60]!r} is no plain tensor", hint="Save dense weights, each stored in full.")
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        raise ModelError(f"{file} holds values that are no numbers in {name[:60]!r}", hint="Is the file damaged?")


def _safetensors(path: Path, content: bytes | None) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load, load_file

    try:
        return load_file(path) if content is None else load(content)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}", hint="Is it a whole safetensors file?") from error


def _pickled(path: Path, content: bytes | None) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols that torch itself does not write
            source = path if content is None else io.BytesIO(content)
            found: object = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path.name} is refused: it is damaged, or wants code to be run when it is read",
            hint="Weights need no code. Ask its author for a plain state dict or a safetensors file.",
        ) from error
    except _BROKEN as error:
        raise ModelError(f"{path.name} cannot be read as weights", hint="Is it a whole .pth of PyTorch?") from error
    return found
