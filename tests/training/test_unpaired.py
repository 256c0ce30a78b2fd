"""The recipe of CycleGAN, step by step, and maps as pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.networks.to_onnx import export, require_same
from cimgen_qt.training.coloured import as_picture, class_colours
from cimgen_qt.training.companions import companions_of, take_over
from cimgen_qt.training.recipes.unpaired import UnpairedOptions, UnpairedRecipe
from cimgen_qt.training.start import begin_from
from cimgen_qt.training.state import save_weights
from tests.training.stepping import (
    CLASSES,
    CPU,
    advance,
    batch_of,
    everything,
    fresh,
    gradient_is_true,
    resumed_is_uninterrupted,
    same,
)

TINY = {"ngf": 4, "ndf": 4, "n_blocks": 1, "pool": 2}


def recipe(**options: object) -> Callable[[], UnpairedRecipe]:
    return lambda: UnpairedRecipe(UnpairedOptions(**(TINY | options)), CLASSES, CPU)  # type: ignore[arg-type]


def test_twenty_steps_under_one_seed_are_the_same_twice() -> None:
    runs = [advance(fresh(recipe()), 0, 20, 20) for _ in range(2)]
    assert runs[0] == runs[1]
    assert advance(fresh(recipe(), seed=2), 0, 20, 20) != runs[0]


@pytest.mark.parametrize("stop", [1, 5])
def test_a_resumed_run_is_an_uninterrupted_one_pools_and_all(stop: int, tmp_path: Path) -> None:
    assert resumed_is_uninterrupted(recipe(), stop, 8, tmp_path)


def test_the_way_there_and_back_comes_nearer_to_the_identity() -> None:
    curve = advance(fresh(recipe(rate=2e-3)), 0, 40, 40)
    assert curve[-1]["cycle_A"] < 0.8 * curve[0]["cycle_A"]


def test_losses_are_those_of_the_reference_by_name() -> None:
    found = advance(fresh(recipe()), 0, 1, 1)[0]
    assert set(found) == {"D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"}
    assert "idt_A" not in advance(fresh(recipe(identity=0.0)), 0, 1, 1)[0]


def test_each_optimiser_moves_its_own_networks_alone() -> None:
    made = fresh(recipe())
    for name, still in (("judges", ("generator", "back")), ("generators", ("judge_photo", "judge_map"))):
        before = {n: [w.clone() for w in m.parameters()] for n, m in made.modules().items()}
        for optimizer_name, optimizer in made.optimizers().items():
            optimizer.param_groups[0]["lr"] = 1e-3 if optimizer_name == name else 0.0
        made.step(batch_of(0))
        unmoved = {n for n, m in made.modules().items() if all(map(torch.equal, m.parameters(), before[n]))}
        assert unmoved == set(still)


def test_rates_follow_the_program_of_the_reference() -> None:
    made = fresh(recipe(constant=2, decay=2))
    rates = []
    for step in range(4):
        made.begin(step, 4)
        rates.append(made.optimizers()["judges"].param_groups[0]["lr"])
    assert rates == pytest.approx([2e-4, 2e-4 * 2 / 3, 2e-4 / 3, 0.0])


def test_the_product_takes_classes_and_carries_the_colours_into_onnx() -> None:
    made = fresh(recipe(colours=((255, 0, 0), (0, 255, 0), (0, 0, 255))))
    advance(made, 0, 1, 1)
    batch = batch_of(0)
    with torch.no_grad():
        wanted = made.generator(as_picture(batch.onehot, made.colours))
    assert torch.equal(made.paint(batch), wanted)
    example = {"input": batch.onehot}
    assert require_same(made.product(), export(made.product(), example, ["output"]), example, 1e-3) < 1e-4


def test_a_run_begins_from_the_product_of_another(tmp_path: Path) -> None:
    made, other = fresh(recipe()), fresh(recipe(), seed=9)
    save_weights(tmp_path / "best.safetensors", made.product().state_dict(), {})
    said = begin_from(other.generator, str(tmp_path))
    assert "another shape" not in said and "not in it" not in said
    assert torch.equal(other.paint(batch_of(0)), made.paint(batch_of(0)))


def test_looking_changes_nothing() -> None:
    made = fresh(recipe())
    before = everything(made)
    assert made.judge(batch_of(3))["held_out"] > 0
    assert same(everything(made), before)


def test_classes_are_shown_in_their_colours_and_other_ground_in_grey() -> None:
    colours = class_colours(2, ((255, 0, 0), (0, 0, 255)))
    onehot = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).view(1, 2, 1, 3)
    found = as_picture(onehot, colours)[0, :, 0].T
    assert found.tolist() == [[1, -1, -1], [-1, -1, 1], [0, 0, 0]]


def test_colours_that_nobody_gave_differ() -> None:
    assert len({tuple(colour) for colour in class_colours(12).tolist()}) == 12


def test_a_wrong_number_of_colours_is_told() -> None:
    with pytest.raises(CimgenError, match="1 colours for 3 classes") as caught:
        recipe(colours=((1, 2, 3),))()
    assert caught.value.hint


@pytest.mark.parametrize(("name", "channels"), [("generator", 3), ("back", 3), ("judge_photo", 3), ("judge_map", 3)])
def test_gradients_are_true_with_one_sample_a_batch(name: str, channels: int) -> None:
    assert gradient_is_true(fresh(recipe()).modules()[name], channels)


def test_the_way_back_and_both_judges_come_along_from_official_files(tmp_path: Path) -> None:
    made = fresh(recipe())
    files = {"G_B": made.generator, "G_A": made.back, "D_B": made.judge_photo, "D_A": made.judge_map}
    for name, module in files.items():
        torch.save(module.state_dict(), tmp_path / f"40_net_{name}.pth")
    other = fresh(recipe(), seed=5)
    found = companions_of(str(tmp_path / "40_net_G_B.pth"))
    assert sorted(take_over(other.modules(), found)) == ["back", "judge_map", "judge_photo"]
    for name in ("back", "judge_photo", "judge_map"):
        assert same(getattr(other, name).state_dict(), getattr(made, name).state_dict())
