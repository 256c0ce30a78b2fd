"""How learning rates fall, as factors of the rate that a run begins with."""

from __future__ import annotations


def epoch_of(step: int, steps: int, epochs: int) -> int:
    """How many of `epochs` equal parts of a run are over before step number `step`, counted from 0."""
    return step * epochs // steps


def first_step_of(epoch: int, steps: int, epochs: int) -> int:
    """The first step before which `epoch` parts are over."""
    return -(-epoch * steps // epochs)


def pix2pixhd(over: int, constant: int, decay: int) -> float:
    """After `over` whole epochs: a `decay`-th less after each from number `constant` + 1 on, so the last ends at 0."""
    return 1.0 - max(0, over - constant) / decay if decay else 1.0


def cyclegan(over: int, constant: int, decay: int) -> float:
    """When its scheduler has counted `over` epochs, from 0: it falls an epoch sooner than pix2pixHD's and misses 0.

    Their training program lets it count at the beginning of each epoch, so the first one learns at `over` 1.
    """
    return 1.0 - max(0, over + 1 - constant) / (decay + 1)


def late(step: int, steps: int, decay_from: float) -> float:
    """1 until the share `decay_from` of the run is over, then linearly to 0."""
    begin = decay_from * steps
    return 1.0 if step < begin else max(0.0, (steps - step) / max(1.0, steps - begin))
