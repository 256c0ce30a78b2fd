"""Averaged weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cimgen_qt.training.average import Average


def set_to(module: nn.Module, value: float) -> None:
    with torch.no_grad():
        for weight in module.parameters():
            weight.fill_(value)


def test_late_in_a_run_the_average_moves_by_its_share() -> None:
    module = nn.Linear(2, 1)
    set_to(module, 0)
    average = Average(module, 0.9)
    set_to(module, 1)
    average.update(module, 10_000)
    average.update(module, 10_001)
    average.copy_to(module)
    assert float(module.bias.detach()) == pytest.approx(1 - 0.9**2)


def test_early_on_the_average_follows_faster() -> None:
    module = nn.Linear(2, 1)
    set_to(module, 0)
    average = Average(module, 0.999)
    set_to(module, 1)
    average.update(module, 0)
    average.copy_to(module)
    assert float(module.bias.detach()) == pytest.approx(0.9)


def test_counters_are_taken_over_as_they_are() -> None:
    module = nn.BatchNorm2d(2)
    average = Average(module, 0.5)
    module(torch.rand(2, 2, 4, 4))
    average.update(module, 100)
    assert int(average.state()["num_batches_tracked"]) == 1


def test_an_average_that_was_kept_goes_on_alike() -> None:
    torch.manual_seed(0)
    module = nn.Linear(3, 3)
    average = Average(module)
    average.update(nn.Linear(3, 3), 5)
    kept = {name: value.clone() for name, value in average.state().items()}
    again = Average(module)
    again.load(kept)
    learned = nn.Linear(3, 3)
    for one in (average, again):
        one.update(learned, 6)
    assert all(torch.equal(average.state()[name], value) for name, value in again.state().items())


def test_without_decay_the_last_weights_are_kept() -> None:
    module = nn.Linear(2, 2)
    average = Average(module, 0.0)
    set_to(module, 3)
    average.update(module, 0)
    assert torch.equal(average.state()["weight"], module.weight)
