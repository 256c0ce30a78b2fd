"""The recipe of pix2pixHD, step by step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.networks.official import load
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.training.companions import companions_of, take_over
from cimgen_qt.training.perceptual import PerceptualLoss
from cimgen_qt.training.recipes.paired import PairedOptions, PairedRecipe
from cimgen_qt.training.start import begin_from
from cimgen_qt.training.state import save_state
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

TINY = {"ngf": 4, "ndf": 4, "n_down": 2, "n_blocks": 1}
LOCAL = TINY | {"generator": "local", "ngf": 2, "n_blocks_local": 1, "constant": 4, "decay": 4, "fix_global": 3}


def recipe(**options: object) -> Callable[[], PairedRecipe]:
    return lambda: PairedRecipe(PairedOptions(**(TINY | options)), CLASSES, CPU)  # type: ignore[arg-type]


def globals_of(made: PairedRecipe) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in made.generator.state_dict().items() if name.startswith("model.")}


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(PerceptualLoss(None).state_dict(), path)
    return path


def test_twenty_steps_under_one_seed_are_the_same_twice() -> None:
    runs = [advance(fresh(recipe()), 0, 20, 20) for _ in range(2)]
    assert runs[0] == runs[1]
    assert advance(fresh(recipe(), seed=2), 0, 20, 20) != runs[0]


def test_learning_brings_the_generator_nearer_to_the_photo() -> None:
    made = fresh(recipe(constant=1, decay=0, rate=2e-3))
    batch = batch_of(0)
    before = (made.paint(batch) - batch.image).abs().mean()
    made.begin(0, 1)
    for _ in range(60):
        made.step(batch)
    assert (made.paint(batch) - batch.image).abs().mean() < 0.8 * before


@pytest.mark.parametrize("options", [{}, {"pool": 2, "augment": "color,translation", "warp": 0.5, "tone": 0.2}, LOCAL])
@pytest.mark.parametrize("stop", [2, 3, 5])
def test_a_resumed_run_is_an_uninterrupted_one(options: dict, stop: int, tmp_path: Path) -> None:
    assert resumed_is_uninterrupted(recipe(**options), stop, 8, tmp_path)


def test_losses_are_those_of_the_reference_by_name(vgg: Path) -> None:
    plain = advance(fresh(recipe()), 0, 1, 1)[0]
    assert list(plain) == ["G_GAN", "G_GAN_Feat", "D_real", "D_fake"]
    assert "G_VGG" in advance(fresh(recipe(vgg=str(vgg))), 0, 1, 1)[0]


def test_perceptual_weights_are_no_part_of_a_checkpoint(vgg: Path) -> None:
    made = fresh(recipe(vgg=str(vgg)))
    assert set(made.modules()) == {"generator", "discriminator"}
    before = made.vgg.features[0].weight.clone()
    advance(made, 0, 2, 2)
    assert torch.equal(made.vgg.features[0].weight, before)


def test_while_fixed_the_global_part_is_bit_identical_and_learns_afterwards() -> None:
    made = fresh(recipe(**LOCAL))
    first = globals_of(made)
    for step in range(8):
        own = made.generator.state_dict()["model1_1.1.weight"].clone()
        advance(made, step, step + 1, 8)
        now = globals_of(made)
        assert all(torch.equal(now[name], value) for name, value in first.items()) == (step < 3)
        assert not torch.equal(made.generator.state_dict()["model1_1.1.weight"], own)


def test_when_the_global_part_is_freed_moments_begin_anew_for_all() -> None:
    made = fresh(recipe(**LOCAL))
    advance(made, 0, 3, 8)
    names = [name for name, _ in made.generator.named_parameters()]
    held = {names[number] for number in made.optimizers()["generator"].state_dict()["state"]}
    assert held == {name for name in names if name.startswith("model1_")}
    advance(made, 3, 4, 8)
    states = made.optimizers()["generator"].state_dict()["state"]
    assert len(states) == len(names) and {int(s["step"]) for s in states.values()} == {1}
    judge = made.optimizers()["discriminator"].state_dict()["state"]
    assert {int(s["step"]) for s in judge.values()} == {4}


def test_a_second_stage_begins_with_the_global_part_of_the_first(tmp_path: Path) -> None:
    coarse = fresh(recipe())
    advance(coarse, 0, 2, 2)
    path = tmp_path / "latest_net_G.pth"
    torch.save(coarse.generator.state_dict(), path)
    fine = fresh(recipe(**LOCAL), seed=5)
    said = begin_from(fine.generator, str(path))
    assert "taken over" in said and "model1_1" in said
    wanted = coarse.generator.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in globals_of(fine).items())


def test_an_official_checkpoint_of_other_classes_is_taken_up_but_for_its_first_layer(tmp_path: Path) -> None:
    path = tmp_path / "latest_net_G.pth"
    torch.save(ResnetGenerator(36, 3, 4, 2, 1, bias=True).state_dict(), path)
    assert load(path).architecture.inputs == 36
    made = fresh(recipe())
    said = begin_from(made.generator, str(path))
    assert "model.1.weight" in said
    assert torch.equal(made.generator.state_dict()["model.4.weight"], torch.load(path)["model.4.weight"])
    assert all(torch.isfinite(torch.tensor(list(losses.values()))).all() for losses in advance(made, 0, 2, 2))


def test_rates_stand_still_and_then_fall_to_nothing() -> None:
    made = fresh(recipe(constant=2, decay=2))
    rates = []
    for step in range(8):
        made.begin(step, 8)
        rates.append(made.optimizers()["generator"].param_groups[0]["lr"])
    assert rates == pytest.approx([2e-4] * 6 + [1e-4] * 2)


def test_frozen_layers_of_every_judge_stay_as_they_were() -> None:
    made = fresh(recipe(frozen_judge=2))
    before = {name: value.clone() for name, value in made.discriminator.named_parameters()}
    advance(made, 0, 2, 2)
    still = {
        name.split(".")[0]
        for name, value in made.discriminator.named_parameters()
        if torch.equal(value, before[name]) and "weight" in name
    }
    assert still == {f"scale{scale}_layer{layer}" for scale in (0, 1) for layer in (0, 1)}


def test_a_frozen_generator_layer_stays_as_it_was() -> None:
    made = fresh(recipe())
    made.generator.get_parameter("model.1.weight").requires_grad_(False)
    before = made.generator.get_parameter("model.1.weight").clone()
    advance(made, 0, 2, 2)
    assert torch.equal(made.generator.get_parameter("model.1.weight"), before)


def test_the_discriminator_is_augmented_and_the_painting_is_not() -> None:
    plain, changed = fresh(recipe()), fresh(recipe(augment="translation"))
    assert torch.equal(plain.paint(batch_of(0)), changed.paint(batch_of(0)))
    assert advance(plain, 0, 1, 4)[0] != advance(changed, 0, 1, 4)[0]


def test_looking_changes_nothing() -> None:
    made = fresh(recipe())
    advance(made, 0, 2, 4)
    before = everything(made)
    figures = made.judge(batch_of(7))
    assert figures["held_out"] == pytest.approx(figures["perceptual"] + figures["colour"])
    assert same(everything(made), before) and made.paint(batch_of(7)).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"generator": "big"}, "no generator 'big'"),
        ({"fix_global": 2}, "local generator"),
        (LOCAL | {"fix_global": 9}, "longer than the run"),
    ],
)
def test_options_that_do_not_fit_together_are_told(options: dict, said: str) -> None:
    with pytest.raises(CimgenError, match=said) as caught:
        recipe(**options)()
    assert caught.value.hint


@pytest.mark.parametrize(("name", "channels"), [("generator", CLASSES + 1), ("discriminator", CLASSES + 4)])
def test_gradients_are_true_with_one_sample_a_batch(name: str, channels: int) -> None:
    assert gradient_is_true(fresh(recipe()).modules()[name], channels)


def test_the_discriminator_comes_along_from_official_files_and_from_runs(tmp_path: Path) -> None:
    made = fresh(recipe())
    torch.save(made.generator.state_dict(), tmp_path / "latest_net_G.pth")
    torch.save(made.discriminator.state_dict(), tmp_path / "latest_net_D.pth")
    save_state(tmp_path / "checkpoint.safetensors", made, {"step": 0})
    for start in (tmp_path / "latest_net_G.pth", tmp_path):
        second = fresh(recipe(**LOCAL), seed=5)  # the finer stage judges the same pictures
        assert take_over(second.modules(), companions_of(str(start))) == ["discriminator"]
        assert same(second.discriminator.state_dict(), made.discriminator.state_dict())
    (tmp_path / "latest_net_D.pth").unlink()
    assert companions_of(str(tmp_path / "latest_net_G.pth")) == {}
