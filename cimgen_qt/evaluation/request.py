"""What can be asked of the evaluation room."""

from __future__ import annotations

from dataclasses import dataclass

FEATURES = ("efficientnet", "inception", "inception-legacy")
"""FID and KID are of "inception" (its resizing as in clean-fid); "inception-legacy" resizes as pytorch-fid does."""


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """Compare ways to fill holes on held-out tiles of a dataset, and write figures and a contact sheet into `out`.

    Each of `ways` is "NAME=MODEL", with options after commas: `alone` (the model is shown the map only), and a blend
    mode: "paper=my-model,alone,poisson".
    """

    dataset: str
    out: str
    ways: tuple[str, ...]
    split: str = "test"
    each: int = 2
    """Edits in every tile."""
    seed: int = 1
    device: str = "auto"
    features: str = "efficientnet"
    """What distances of distributions are taken on, one of `FEATURES`."""
