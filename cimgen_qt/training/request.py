"""What can be asked of the training room. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

MODES = ("lora", "decoder", "full")


@dataclass(frozen=True, slots=True)
class AdaptRequest:
    """Adapt a model to the pristine scene of `project`, or `drop` the adapter that is there.

    `mode` is what learns: lora (small changes beside the trunk and the way up), decoder (the way up), full.
    """

    project: str
    model: str = ""
    """Empty: the shipped default."""
    mode: str = "lora"
    steps: int = 200
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    drop: bool = False
    warp: float = 0.0
    """Share of samples that are bent by thin-plate splines, so that few shapes teach more."""


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Learn as the file `config` says, into the folder `out`; `resume` goes on with a run that lies there.

    `device` is auto, cpu, cuda or cuda:1; `threads` 0: one a core. `dataset` and `steps` replace what the file says.
    """

    config: str
    out: str
    dataset: str | None = None
    steps: int | None = None
    device: str = "auto"
    threads: int = 0
    resume: bool = False
