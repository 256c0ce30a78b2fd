"""Which processor learns, in which precision, and how several processes learn as one."""

from __future__ import annotations

import atexit
import contextlib
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from cimgen_qt.core.errors import CimgenError

M = TypeVar("M", bound=nn.Module)
_PROBED = 3
_WORTH = 1.2
"""So many times faster the lower precision has to be."""


@dataclass(frozen=True)
class Machine:
    """`fabric` carries gradients between processes; there is one of each process."""

    fabric: Any
    device: torch.device
    precision: str
    why: str
    """What the precision was chosen by."""

    @property
    def rank(self) -> int:
        return int(self.fabric.global_rank)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    @property
    def together(self) -> int:
        """Processes that learn as one."""
        return int(self.fabric.world_size)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """For the steps of learning and for looking."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def agree(self, value: float) -> float:
        """What the first process says, so that all decide alike."""
        return float(self.fabric.broadcast(value)) if self.together > 1 else value

    def share_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        """From now on every step of it uses the mean of all processes' gradients."""
        if self.together == 1:
            return

        def average(given: torch.optim.Optimizer, *_: Any) -> None:
            for group in given.param_groups:
                for weight in group["params"]:
                    if weight.grad is not None:
                        weight.grad.copy_(self.fabric.all_reduce(weight.grad, reduce_op="mean"))

        optimizer.register_step_pre_hook(average)


def open_machine(device: str, precision: str) -> Machine:
    """`device` is auto, cpu, cuda or cuda:1. Under torchrun each process gets its share.

    Raises CimgenError where the device is not there.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises on how to write training programs
        from lightning_fabric import Fabric

        kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device.partition(":")[0]
        if kind == "cuda" and not torch.cuda.is_available():
            raise CimgenError("there is no CUDA device for torch", hint="Use --device cpu, or install torch for CUDA.")
        if kind not in ("cpu", "cuda"):
            raise CimgenError(f"training knows no device {device!r}", hint="One of auto, cpu, cuda, cuda:1.")
        number = int(device.partition(":")[2] or 0)
        together = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        nodes = max(1, int(os.environ.get("WORLD_SIZE", "1")) // together)
        devices: Any = together if together > 1 or kind == "cpu" else [number]
        strategy = "ddp" if together * nodes > 1 else "auto"
        fabric = Fabric(accelerator=kind, devices=devices, num_nodes=nodes, strategy=strategy)
        fabric.launch()
    if strategy == "ddp":
        atexit.register(_part)
    chosen, why = _precision(fabric.device, precision)
    return Machine(fabric, fabric.device, chosen, why)


def _part() -> None:
    """Leave the group of processes: gloo's threads, still running when a process ends, abort it."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _precision(device: torch.device, wanted: str) -> tuple[str, str]:
    if wanted != "auto":
        return wanted, "asked for"
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported()
        return ("bfloat16", "the card has it") if able else ("float32", "the card has no bfloat16")
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return "float32", "this build of torch has no oneDNN"
    full, half = (_seconds(device, enabled) for enabled in (False, True))
    ratio = full / max(half, 1e-9)
    said = f"a probe ran {ratio:.1f} times as fast in bfloat16 as in float32"
    return ("bfloat16" if ratio >= _WORTH else "float32"), said


def _seconds(device: torch.device, half: bool) -> float:
    """The best of a few passes through a convolution, there and back."""
    with torch.random.fork_rng(devices=[]):
        conv = placed(nn.Conv2d(64, 64, 3, padding=1), device)
        x = torch.randn(1, 64, 96, 96, device=device).to(memory_format=torch.channels_last)
    best = float("inf")
    for _ in range(_PROBED):
        began = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            made = conv(x)
        made.float().square().mean().backward()
        best = min(best, time.perf_counter() - began)
    return best


def placed(module: M, device: torch.device) -> M:
    """On the device, channels last: what convolutions on CPUs and tensor cores want."""
    module.to(device)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


@contextlib.contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Only algorithms that give the same each time, and so many threads (0: as torch chooses)."""
    before = torch.are_deterministic_algorithms_enabled()
    count = torch.get_num_threads()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.set_num_threads(count)
