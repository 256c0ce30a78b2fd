"""Learning rates of both reference repositories, which are not the same."""

from __future__ import annotations

import pytest

from cimgen_qt.training.schedules import cyclegan, epoch_of, first_step_of, late, pix2pixhd


@pytest.mark.parametrize(("over", "rate"), [(0, 2e-4), (100, 2e-4), (101, 1.98e-4), (150, 1e-4), (200, 0.0)])
def test_pix2pixhd_falls_after_each_late_epoch_and_ends_at_nothing(over: int, rate: float) -> None:
    assert 2e-4 * pix2pixhd(over, 100, 100) == pytest.approx(rate, abs=1e-18)


def test_pix2pixhd_is_what_its_program_computes_epoch_by_epoch() -> None:
    rate = old = 2e-4
    for epoch in range(1, 201):
        assert 2e-4 * pix2pixhd(epoch - 1, 100, 100) == pytest.approx(rate, abs=1e-16)
        if epoch > 100:
            rate = old - 2e-4 / 100
            old = rate


@pytest.mark.parametrize(("over", "factor"), [(0, 1), (99, 1), (100, 0.990099), (150, 0.495050), (199, 0.009901)])
def test_cyclegan_falls_by_a_share_more_than_its_late_epochs(over: int, factor: float) -> None:
    assert cyclegan(over, 100, 100) == pytest.approx(factor, abs=1e-6)


def test_a_run_without_late_epochs_keeps_its_rate() -> None:
    assert pix2pixhd(7, 7, 0) == 1


def test_epochs_are_even_parts_of_a_run() -> None:
    assert [epoch_of(step, 10, 4) for step in range(10)] == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
    for steps in (3, 10, 400, 1001):
        for epoch in range(200):
            first = first_step_of(epoch, steps, 200)
            assert epoch_of(first, steps, 200) >= epoch
            assert first == 0 or epoch_of(first - 1, steps, 200) < epoch


def test_late_falls_in_the_last_part_alone() -> None:
    assert [late(step, 10, 0.6) for step in (0, 5, 6, 8, 10)] == [1, 1, 1, 0.5, 0]
    assert late(9, 10, 1.0) == 1
