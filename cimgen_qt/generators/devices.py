"""Which processor ONNX Runtime can use here, which one it truly uses, and why not the one that was asked for."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cimgen_qt.core.errors import ModelError

PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
AUTOMATIC = ("cuda", "directml") if sys.platform == "win32" else ("cuda",)
"""Tried in this order by "auto". CoreML and OpenVINO may compute in lower precision, so they are for who asks."""
PACKAGES = {
    "cuda": "the extra gpu (onnxruntime-gpu)",
    "directml": "onnxruntime-directml, on Windows",
    "coreml": "onnxruntime for macOS",
    "openvino": "onnxruntime-openvino",
}
_DEVICE = re.compile(r"(auto|cpu|cuda|directml|coreml|openvino)(?::(\d{1,2}))?")
_DRIVERS = {"linux": ("libcuda.so.1",), "win32": ("nvcuda.dll",)}
_KINDS = "auto, cpu, cuda, cuda:1 (the second card), directml, coreml, openvino"
_INSTALL = "Install it: pip install 'cimgen[cpu]' (or 'cimgen[gpu]' with an NVIDIA card; only one of the two)."
_REPAIR = "Remove all of them (pip uninstall onnxruntime onnxruntime-gpu ...), then pip install 'cimgen[cpu]'."
_MEMORY = re.compile(
    r"out of memory|failed to allocate|bad_alloc|bad allocation|bfcarena|cudnn_status_alloc", re.IGNORECASE
)
_QUIET = 4
"""Nothing but fatal lines on stderr: what a user has to know we say ourselves."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user may set. `threads` 0: one a core. `low_memory` gives memory back after every tile, and is slower."""

    device: str = "auto"
    threads: int = 0
    low_memory: bool = False


@dataclass(frozen=True)
class Opened:
    """A session of the module `runtime` and the device it runs on; `note` tells why not on the one asked for."""

    runtime: Any
    session: Any
    device: str
    note: str


def installed_flavours() -> tuple[str, ...]:
    """Packages that bring the module onnxruntime, with their versions. Two of them overwrite each other's files."""
    found = set()
    for package in importlib.metadata.distributions():
        name = (package.metadata["Name"] or "").lower().replace("_", "-")
        if name == "onnxruntime" or (name.startswith("onnxruntime-") and _is_flavour(package)):
            found.add(f"{name} {package.version}")
    return tuple(sorted(found))


def _is_flavour(package: importlib.metadata.Distribution) -> bool:
    """onnxruntime-extensions and the like bring modules of other names."""
    files = package.files
    return files is None or any(file.parts[:1] == ("onnxruntime",) for file in files)


def runtime() -> Any:
    """The module onnxruntime, quiet and without telemetry. Raises ModelError where it is missing or broken."""
    try:
        import onnxruntime
    except ImportError as error:
        flavours = installed_flavours()
        if flavours:
            raise ModelError(
                f"ONNX Runtime ({', '.join(flavours)}) is installed but does not load: {error}", hint=_REPAIR
            ) from error
        raise ModelError("ONNX models need ONNX Runtime, which is not installed", hint=_INSTALL) from error
    if not hasattr(onnxruntime, "InferenceSession"):
        raise ModelError(
            "the module onnxruntime is empty, as it is left behind when one of two flavours is removed", hint=_REPAIR
        )
    onnxruntime.set_default_logger_severity(_QUIET)
    if hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()
    return onnxruntime


def flavour_warning(flavours: Sequence[str]) -> str:
    """What to tell where more than one flavour is installed; empty where all is well."""
    if len(flavours) < 2:
        return ""
    return f"{len(flavours)} flavours of ONNX Runtime are installed ({', '.join(flavours)}); they overwrite each other"


def driver_missing(kind: str, platform: str = sys.platform) -> str:
    """Why a device of this kind cannot work here, as far as the driver tells; empty if nothing speaks against it."""
    if kind != "cuda":
        return ""
    names = _DRIVERS.get(platform)
    if names is None:
        return "CUDA does not exist on this system"
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            return f"there is no NVIDIA driver ({name} was not found)"
    return ""


def obstacle(kind: str, available: Sequence[str]) -> str:
    """Why `kind` cannot be tried at all, driver first; empty if it can."""
    missing = driver_missing(kind)
    if missing:
        return missing
    if PROVIDERS[kind] not in available:
        package = PACKAGES.get(kind, "another package")
        return f"the ONNX Runtime installed here cannot use it; that takes {package}"
    return ""


def parse_device(text: str) -> tuple[str, int]:
    """(kind, number) of "auto", "cpu", "cuda", "cuda:1"... Raises ModelError for anything else."""
    found = _DEVICE.fullmatch(text.strip().lower())
    if found is None or (found[2] and found[1] in ("auto", "cpu")):
        raise ModelError(
            f"there is no device {text!r}", hint="One of auto, cpu, cuda, cuda:1, directml, coreml, openvino."
        )
    return found[1], int(found[2] or 0)


def open_session(model: bytes | Path, choice: Choice) -> Opened:
    """Load a model that has been looked at before (`onnx_graph`). Falls back to the CPU and tells why.

    Raises ModelError where ONNX Runtime is missing, refuses the model, or runs out of memory.
    """
    ort = runtime()
    wanted, number = parse_device(choice.device)
    tried = AUTOMATIC if wanted == "auto" else (wanted,) if wanted != "cpu" else ()
    warning = flavour_warning(installed_flavours())
    reasons = [warning] if warning else []
    for kind in tried:
        why = obstacle(kind, ort.get_available_providers())
        if not why:
            session, why = _try(ort, model, choice, kind, number)
            if session is not None:
                return Opened(
                    ort, session, f"{kind}:{number}" if number or kind == "cuda" else kind, "; ".join(reasons)
                )
        if kind == wanted or not driver_missing(kind):  # without a driver there is nothing that could be used
            reasons.append(f"{kind} is not used: {why}")
    with explained(ort, "loaded"):
        session = _create(ort, model, choice, ["CPUExecutionProvider"])
    return Opened(ort, session, "cpu", "; ".join(reasons))


def _try(ort: Any, model: bytes | Path, choice: Choice, kind: str, number: int) -> tuple[Any, str]:
    """A session truly on that device, or None and the reason."""
    if kind == "cuda" and hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints, and a worker's stdout carries messages
            ort.preload_dlls()
    provider = (PROVIDERS[kind], _provider_options(kind, number))
    try:
        session = _create(ort, model, choice, [provider, "CPUExecutionProvider"])
    except failures(ort) as error:
        return None, f"it did not start: {first_line(error)}"
    if PROVIDERS[kind] not in session.get_providers():
        return None, "it did not start; its libraries (CUDA and cuDNN for an NVIDIA card) may be missing or too old"
    return session, ""


def _provider_options(kind: str, number: int) -> Mapping[str, str]:
    if kind == "cuda":  # full float32 and a fixed choice of algorithms: the same pixels each time
        return {"device_id": str(number), "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    return {"device_id": str(number)} if kind == "directml" else {}


def _create(ort: Any, model: bytes | Path, choice: Choice, providers: Sequence[Any]) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = choice.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.load_model_format", "ONNX")
    on_directml = any(p[0] == PROVIDERS["directml"] for p in providers if isinstance(p, tuple))
    options.enable_mem_pattern = not (choice.low_memory or on_directml)
    options.enable_cpu_mem_arena = not choice.low_memory
    source = str(model) if isinstance(model, Path) else model
    return ort.InferenceSession(source, options, providers=list(providers), enable_fallback=0)


def failures(ort: Any) -> tuple[type[Exception], ...]:
    """Everything that ONNX Runtime raises: classes of its own, and a few of Python."""
    state = ort.capi.onnxruntime_pybind11_state
    own = [v for v in vars(state).values() if isinstance(v, type) and issubclass(v, Exception)]
    return (*own, RuntimeError, ValueError, MemoryError)


@contextlib.contextmanager
def explained(ort: Any, doing: str) -> Iterator[None]:
    """Turn what ONNX Runtime raises into ModelError; a lack of memory gets advice of its own."""
    try:
        yield
    except failures(ort) as error:
        if isinstance(error, MemoryError) or _MEMORY.search(str(error)):
            raise ModelError(
                f"the memory did not suffice: the model could not be {doing}",
                hint="Use a smaller tile or batch (in the card), low memory mode or the device cpu.",
            ) from error
        raise ModelError(
            f"the model could not be {doing}: {first_line(error)}",
            hint="Does this ONNX Runtime know the model's operators? Try the device cpu, or a newer ONNX Runtime.",
        ) from error


def first_line(error: BaseException) -> str:
    """The beginning of a message that may be long."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def survey() -> list[dict[str, str]]:
    """For `cimgen doctor`: `name` and `said` of the runtime and of each kind of device. Raises nothing."""
    flavours = installed_flavours()
    try:
        ort = runtime()
    except ModelError as error:
        return [{"name": "ONNX Runtime", "said": f"{error.message}. {error.hint}"}]
    available = ort.get_available_providers()
    said = flavour_warning(flavours) or ", ".join(flavours) or f"onnxruntime {ort.__version__}"
    devices = {kind: obstacle(kind, available) for kind in PROVIDERS}
    lines = [{"name": kind, "said": f"not usable: {why}" if why else "may be used"} for kind, why in devices.items()]
    return [{"name": "ONNX Runtime", "said": said}, *lines]
