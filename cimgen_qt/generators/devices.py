"""Which processor and which runtime compute here, in which precision, and why not those that were asked for.

On a CPU float32 means ONNX Runtime: its answer does not change by one bit with the window or the number of threads, so
tiles agree to 0 levels and an export can be made again anywhere. OpenVINO is there for who asks for speed.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators import openvino_session
from cimgen_qt.generators.precision import Sample, probe

PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
KINDS = (*PROVIDERS, "openvino")
AUTOMATIC = ("cuda", "directml") if sys.platform == "win32" else ("cuda",)
"""Tried in this order by "auto". CoreML may compute in lower precision, so it is for who asks."""
PRECISIONS = ("fp32", "auto", "bf16")
PACKAGES = {
    "cuda": "the extra gpu (onnxruntime-gpu)",
    "directml": "onnxruntime-directml, on Windows",
    "coreml": "onnxruntime for macOS",
}
_DEVICE = re.compile(r"(auto|cpu|cuda|directml|coreml|openvino)(?::(\d{1,2}))?")
_SPOKEN = re.compile(r"([a-z]+(?::\d{1,2})?) \((ONNX Runtime|OpenVINO) (fp32|bf16)\)")
_DRIVERS = {"linux": ("libcuda.so.1",), "win32": ("nvcuda.dll",)}
_INSTALL = "Install it: pip install 'cimgen[cpu]' (or 'cimgen[gpu]' with an NVIDIA card; only one of the two)."
_REPAIR = "Remove all of them (pip uninstall onnxruntime onnxruntime-gpu ...), then pip install 'cimgen[cpu]'."
_MEMORY = re.compile(
    r"out of memory|failed to allocate|bad_alloc|bad allocation|bfcarena|cudnn_status_alloc", re.IGNORECASE
)
_QUIET = 4
"""Nothing but fatal lines on stderr: what a user has to know we say ourselves."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user may set. `threads` 0: one a core. `low_memory` gives memory back after every tile, and is slower.

    `precision` is of the CPU alone. "fp32", the default, gives the same pixels on every machine, so that an export can
    be proven by making it again. "auto" takes bfloat16 where this processor has it, is much faster with it and answers
    nearly the same: for previews and large areas, for what comes out then depends on the machine. "bf16" insists on it.
    """

    device: str = "auto"
    threads: int = 0
    low_memory: bool = False
    precision: str = "fp32"

    @classmethod
    def like(cls, device: str, threads: int = 0, low_memory: bool = False) -> Choice:
        """The choice that computes as `GeneratorSpec.device` says of an earlier time; else the default for it."""
        found = _SPOKEN.fullmatch(device)
        if found is None:
            return cls(device if _DEVICE.fullmatch(device) else "auto", threads, low_memory)
        kind = "openvino" if found[2] == "OpenVINO" else found[1]
        return cls(kind, threads, low_memory, found[3])


@dataclass(frozen=True)
class Opened:
    """A session of the module `runtime`, and device, runtime and precision in words, as "cpu (OpenVINO bf16)".

    `note` tells why they are not those that were asked for.
    """

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
    """The module onnxruntime, quiet and without telemetry. Raises ModelError where it is missing or broken.

    Importing it would leave an identifier and a queue of reports in the home folder unless the environment forbids it.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
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
    if found is None or (found[2] and found[1] in ("auto", "cpu", "openvino")):
        raise ModelError(
            f"there is no device {text!r}", hint="One of auto, cpu, cuda, cuda:1, directml, coreml, openvino."
        )
    return found[1], int(found[2] or 0)


def open_session(model: bytes | Path, choice: Choice, sample: Sample | None = None) -> Opened:
    """Load a model that has been looked at before (`onnx_graph`). Falls back to the CPU and tells why.

    The precision "auto" needs a `sample` to try bfloat16 on; without one it is float32. Raises ModelError where no
    runtime is installed, or the one in use refuses the model or runs out of memory.
    """
    wanted, number = parse_device(choice.device)
    if choice.precision not in PRECISIONS:
        raise ModelError(f"there is no precision {choice.precision!r}", hint=f"One of {', '.join(PRECISIONS)}.")
    reasons: list[str] = []
    if wanted not in ("cpu", "openvino"):
        opened = _on_card(model, choice, wanted, number, reasons)
        if opened is not None:
            return opened
    fast = wanted == "openvino" or choice.precision == "bf16"
    opened = _openvino(model, choice, reasons) if fast else None
    if opened is None:
        opened = _onnx_runtime(model, choice, reasons)
    if choice.precision == "auto" and sample is not None:
        return _faster(model, choice, sample, opened)
    return opened


def _on_card(model: bytes | Path, choice: Choice, wanted: str, number: int, reasons: list[str]) -> Opened | None:
    """On a device other than the CPU; None, and why in `reasons`, where there is none."""
    try:
        ort = runtime()
    except ModelError as error:
        if wanted != "auto":
            reasons.append(f"{wanted} is not used: {error.message}")
        return None
    for kind in AUTOMATIC if wanted == "auto" else (wanted,):
        why = obstacle(kind, ort.get_available_providers())
        if not why:
            session, why = _try(ort, model, choice, kind, number)
            if session is not None:
                named = f"{kind}:{number}" if number or kind == "cuda" else kind
                only = f"{kind} computes in fp32 whatever precision is asked for"
                notes = [_flavours(), only if choice.precision == "bf16" else ""]
                return Opened(ort, session, _spoken(named), _joined([*reasons, *notes]))
        if kind == wanted or not driver_missing(kind):  # without a driver there is nothing that could be used
            reasons.append(f"{kind} is not used: {why}")
    return None


def _onnx_runtime(model: bytes | Path, choice: Choice, reasons: list[str]) -> Opened:
    """On the CPU in float32; by OpenVINO where ONNX Runtime is not installed."""
    try:
        ort = runtime()
    except ModelError as error:
        opened = _openvino(model, replace(choice, precision="fp32"), [*reasons, error.message])
        if opened is None:
            raise
        return opened
    with explained(ort, "loaded"):
        session = _create(ort, model, choice, ["CPUExecutionProvider"])
    return Opened(ort, session, _spoken("cpu"), _joined([_flavours(), *reasons]))


def _openvino(model: bytes | Path, choice: Choice, reasons: list[str]) -> Opened | None:
    """By OpenVINO in the precision that was asked for ("auto": float32); None, and why, where that cannot be."""
    precision = "bf16" if choice.precision == "bf16" else "fp32"
    try:
        openvino = openvino_session.package()
    except ModelError as error:
        reasons.append(error.message)
        return None
    if precision == "bf16" and not openvino_session.has_bf16(openvino):
        reasons.append("bf16 is not used: this processor does not have it")
        return None
    try:
        session = openvino_session.compile_session(openvino, model, precision, choice.threads, choice.low_memory)
    except RuntimeError as error:
        reasons.append(f"OpenVINO is not used: it does not take the model: {first_line(error)}")
        return None
    return Opened(openvino, session, _spoken("cpu", "OpenVINO", precision), _joined(reasons))


def _faster(model: bytes | Path, choice: Choice, sample: Sample, opened: Opened) -> Opened:
    """By OpenVINO in bfloat16 if that is worth it, else `opened` with a note why not."""
    reasons = [opened.note] if opened.note else []
    other = _openvino(model, replace(choice, precision="bf16"), reasons)
    if other is not None:
        with explained(opened.runtime, "run"):
            why = probe(opened.session, other.session, sample).refusal
        if not why:
            return other
        reasons.append(f"bf16 is not used: {why}")
    return replace(opened, note=_joined(reasons))


def _spoken(device: str, by: str = "ONNX Runtime", precision: str = "fp32") -> str:
    return f"{device} ({by} {precision})"


def _flavours() -> str:
    return flavour_warning(installed_flavours())


def _joined(reasons: Sequence[str]) -> str:
    return "; ".join(reason for reason in reasons if reason)


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
    """Everything that a runtime raises: ONNX Runtime classes of its own, and both a few of Python."""
    state = ort.capi.onnxruntime_pybind11_state if hasattr(ort, "capi") else None
    own = [v for v in vars(state).values() if isinstance(v, type) and issubclass(v, Exception)] if state else []
    return (*own, RuntimeError, ValueError, MemoryError)


@contextlib.contextmanager
def explained(ort: Any, doing: str) -> Iterator[None]:
    """Turn what a runtime raises into ModelError; a lack of memory gets advice of its own."""
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
            hint="Are the model's operators known here? Try the device cpu, or a newer ONNX Runtime.",
        ) from error


def first_line(error: BaseException) -> str:
    """What a message that may be long says first, the places in C++ code that OpenVINO begins with left out."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("Exception from ", "Check '"))]
    first, *more = said or lines or [type(error).__name__]
    return (f"{first} {more[0]}" if first.endswith(":") and more else first)[:300]


def survey() -> list[dict[str, str]]:
    """For `cimgen doctor`: `name` and `said` of the runtimes and of each kind of device. Raises nothing."""
    return [*_survey_onnx_runtime(), {"name": "OpenVINO", "said": _survey_openvino()}]


def _survey_onnx_runtime() -> list[dict[str, str]]:
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


def _survey_openvino() -> str:
    try:
        openvino = openvino_session.package()
    except ModelError as error:
        return f"{error.message}. {error.hint}"
    native = "has bf16" if openvino_session.has_bf16(openvino) else "has no bf16, so precision auto is fp32"
    return f"openvino {openvino.__version__.split('-')[0]}; this processor {native}"
