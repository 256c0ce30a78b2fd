"""Run an ONNX model with OpenVINO, the fastest way on a CPU: silent, offline, and without a file of its own.

Its answers depend in the last bits on the width of what is fed and on the number of threads, for it chooses another
kernel for another width; about one value in three thousand is then rounded to the next level (float32).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError

TYPES = {"fp32": "f32", "bf16": "bf16"}
_TELEMETRY = "openvino_telemetry"
_INSTALL = "Install it: pip install 'cimgen[cpu]'."


def package() -> Any:
    """The module openvino. Raises ModelError where it is missing or does not load.

    Importing it reports that to a server and writes an identifier into the home folder, unless the package that does so
    cannot be imported; so that one is made unfindable for the life of the process.
    """
    sys.modules.setdefault(_TELEMETRY, None)  # type: ignore[arg-type]  # None: an import of it fails
    try:
        import openvino
    except ImportError as error:
        raise ModelError(f"OpenVINO cannot be used: {error}", hint=_INSTALL) from error
    if not hasattr(openvino, "Core"):
        raise ModelError("OpenVINO cannot be used: its module is empty", hint=_INSTALL)
    return openvino


def has_bf16(openvino: Any) -> bool:
    """Whether this processor multiplies bfloat16 itself; where it does not, OpenVINO would only imitate it."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class Session:
    """Answers as an InferenceSession of ONNX Runtime does. `low_memory` gives buffers back after every run."""

    def __init__(self, compiled: Any, low_memory: bool) -> None:
        self._compiled = compiled
        self._request = None if low_memory else compiled.create_infer_request()

    def run(self, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        request = self._request or self._compiled.create_infer_request()
        found = request.infer(dict(feeds))
        answers = [found[name] for name in outputs]
        if self._request is None:
            del request, found
            self._compiled.release_memory()
        return answers


def compile_session(
    openvino: Any, model: bytes | Path, precision: str, threads: int = 0, low_memory: bool = False
) -> Session:
    """Compile for the CPU in exactly this precision ("fp32" or "bf16"). Raises what OpenVINO raises: RuntimeError."""
    core = openvino.Core()
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": TYPES[precision],
        "EXECUTION_MODE_HINT": "ACCURACY" if precision == "fp32" else "PERFORMANCE",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_NUM_THREADS": threads,
    }
    parsed = core.read_model(model)
    return Session(core.compile_model(parsed, "CPU", settings), low_memory)
