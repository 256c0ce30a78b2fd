"""Which processor PyTorch computes on here, and why not the one that was asked for."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.devices import first_line

_DEVICE = re.compile(r"(auto|cpu|mps|cuda)(?::(\d{1,2}))?")
_ELSEWHERE = re.compile(r"(directml|coreml|openvino)(?::.*)?")
_INSTALL = "Install it: pip install 'cimgen[train]'; or export the model as ONNX, which needs no PyTorch."
_MEMORY = re.compile(r"out of memory|not enough memory|can't allocate memory|alloc", re.IGNORECASE)


def torch_module() -> Any:
    """The module torch. Raises ModelError where it is missing or broken."""
    try:
        import torch
    except (ImportError, OSError) as error:
        raise ModelError(f"this model needs PyTorch, which does not load here: {error}", hint=_INSTALL) from error
    return torch


def choose(wanted: str) -> tuple[str, str]:
    """The name of a device that works, and why it is not the one `wanted` (empty if it is).

    "auto" takes the first NVIDIA card, else the CPU; mps, which computes a little differently, is for who asks. Raises
    ModelError for what is no device.
    """
    torch = torch_module()
    text = wanted.strip().lower()
    found = _DEVICE.fullmatch(text)
    if _ELSEWHERE.fullmatch(text):
        return "cpu", f"{text} is not used: it runs ONNX models only, and this one is PyTorch's"
    if found is None or (found[2] and found[1] != "cuda"):
        raise ModelError(f"there is no device {wanted!r} for a model of PyTorch's", hint="One of auto, cpu, cuda, mps.")
    kind, number = found[1], int(found[2] or 0)
    if kind == "mps":
        works = bool(torch.backends.mps.is_available())
        return ("mps", "") if works else ("cpu", "mps is not used: PyTorch finds none here")
    if kind == "cpu":
        return "cpu", ""
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number < cards:
        return f"cuda:{number}", ""
    return "cpu", "" if kind == "auto" else f"{text} is not used: PyTorch finds {cards} NVIDIA cards here"


@contextlib.contextmanager
def exact(torch: Any) -> Iterator[None]:
    """Full float32 and a fixed choice of algorithms: the same pixels each time. No gradients."""
    fixed = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with torch.inference_mode(), fixed:
        yield


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what PyTorch raises into ModelError; a lack of memory gets advice of its own."""
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as error:
        if isinstance(error, MemoryError) or _MEMORY.search(str(error)):
            raise ModelError(
                f"the memory did not suffice: the model could not be {doing}",
                hint="Use a smaller tile or batch (in the card), or the device cpu.",
            ) from error
        raise ModelError(
            f"the model could not be {doing}: {first_line(error)}", hint="Try the device cpu, or another tile."
        ) from error
