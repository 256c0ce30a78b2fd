"""A run on a CUDA device: the same command, other digits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cimgen_qt.core.jobs import run_inline
from cimgen_qt.generators.card_file import load_card
from cimgen_qt.training.journal import read_curves
from cimgen_qt.training.request import TrainRequest
from cimgen_qt.training.run import train
from tests.training.small import TINY, make_dataset, write_config

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device for torch on this machine")


@pytest.mark.parametrize("recipe", ["context", "segment", "paired"])
def test_a_run_on_cuda_begins_as_one_on_the_cpu_does_and_leaves_a_model(recipe: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "small")
    options = {"context": TINY, "paired": "ngf = 4\nndf = 4\nn_down = 2\nn_blocks = 1"}.get(recipe, "")
    config = write_config(tmp_path, recipe, steps=3, options=options)
    first = {}
    for device in ("cpu", "cuda"):
        out = tmp_path / device
        run_inline(train(TrainRequest(str(config), str(out), str(dataset), device=device, threads=1)))
        assert load_card(out / "model" / "card.toml").unfit == "" or recipe == "segment"
        first[device] = {name: value for step, name, value in read_curves(out) if step == 0}
    assert first["cpu"].keys() == first["cuda"].keys()
    for name, value in first["cpu"].items():
        assert first["cuda"][name] == pytest.approx(value, rel=0.02, abs=0.02), name
