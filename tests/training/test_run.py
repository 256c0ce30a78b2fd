"""A run from its configuration to a model that paints, and what happens when it is broken off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.generators.card_file import load_card
from cimgen_qt.generators.onnx_weights import weights_of
from cimgen_qt.training.journal import read_curves
from cimgen_qt.training.request import TrainRequest
from cimgen_qt.training.run import train
from tests.training.small import TINY, make_dataset, write_config

PROGRAM = (
    "import sys; from cimgen_qt.training.run import train; from cimgen_qt.training.request import TrainRequest;"
    "from cimgen_qt.core.jobs import run_inline;"
    "run_inline(train(TrainRequest(sys.argv[1], sys.argv[2], sys.argv[3], threads=1, resume=sys.argv[4] == 'yes')))"
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def finished(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("run")
    config = write_config(folder)
    facts = run_inline(train(TrainRequest(str(config), str(folder / "out"), str(dataset), threads=1)))
    return folder / "out", facts


def test_a_run_leaves_a_model_its_card_curves_and_samples(finished: tuple[Path, dict]) -> None:
    folder, facts = finished
    card = load_card(folder / "model" / "card.toml")
    assert card.kind == "map-to-image" and [c.name for c in card.classes] == ["building", "land", "water"]
    assert card.stride == 8 and card.halo % 8 == 0 and not card.unfit
    assert facts["steps"] == 8 and facts["export_difference"] < 1e-4
    names = {name for _, name, _ in read_curves(folder)}
    assert {"train/judges", "train/perceptual", "held_out/held_out"} <= names
    assert [step for step, name, _ in read_curves(folder) if name == "train/judges"] == list(range(8))
    with Image.open(folder / "samples" / "step-0000001.png") as grid:
        assert grid.size == (4 * 32, 4 * 32)
    assert "<polyline" in (folder / "curves.svg").read_text()
    assert json.loads((folder / "run.json").read_text())["step"] == 8
    assert list((folder / "events").iterdir())


def test_the_onnx_file_carries_the_weights_under_their_names(finished: tuple[Path, dict]) -> None:
    folder, _ = finished
    inside = weights_of((folder / "model" / "small.onnx").read_bytes())
    for name, value in load_file(folder / "model" / "weights.safetensors").items():
        assert np.allclose(inside[name], value.numpy(), atol=2e-3, rtol=1e-3), name


def test_the_model_paints_through_the_generator(finished: tuple[Path, dict]) -> None:
    from cimgen_qt.core.grid import Window
    from cimgen_qt.core.palette import SemanticClass, palette_of
    from cimgen_qt.generators import open_generator
    from tests.generators.scenes import MemoryScene
    from tests.training.small import CLASSES, picture

    photo, labels = picture(9)
    palette = palette_of([SemanticClass(i, name, colour) for i, name, colour in CLASSES])
    generator = open_generator(str(finished[0] / "model" / "card.toml"), palette, "cpu")
    wanted = labels.copy()
    wanted[20:40, 20:40] = 3
    scene = MemoryScene(photo, labels, wanted, palette=palette)
    run_inline(generator.prepare(scene))
    request = scene.request(Window(0, 0, 64, 64))
    (made,) = run_inline(generator.generate([request]))
    generator.close()
    assert made.shape == photo.shape and made.dtype == np.uint8 and made[request.mask].std() > 0


@pytest.mark.parametrize("recipe", ["context", "segment"])
def test_a_killed_run_resumes_to_the_same_weights(recipe: str, dataset: Path, tmp_path: Path) -> None:
    options = TINY if recipe == "context" else ""
    config = write_config(tmp_path, recipe, steps=10, keep=1, options=options)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run_inline(train(TrainRequest(str(config), str(whole), str(dataset), threads=1)))
    command = [sys.executable, "-c", PROGRAM, str(config), str(broken), str(dataset)]
    root = Path(__file__).resolve().parents[2]
    child = subprocess.Popen([*command, "no"], cwd=root, stdout=subprocess.DEVNULL)
    checkpoint = broken / "checkpoint.safetensors"
    while not checkpoint.exists() and child.poll() is None:
        time.sleep(0.02)
    time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    child.wait()
    subprocess.run([*command, "yes"], check=True, cwd=root, env=os.environ)
    first, second = (load_file(f / "checkpoint.safetensors") for f in (whole, broken))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert read_curves(whole) == read_curves(broken)


def test_a_stopped_run_keeps_its_last_step_and_resumes(dataset: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, steps=6, keep=100)
    request = TrainRequest(str(config), str(tmp_path / "out"), str(dataset), threads=1)
    job = train(request)
    for progress in job:
        if progress.text.startswith("learning") and progress.done == 3:
            break
    job.close()
    assert json.loads((tmp_path / "out" / "run.json").read_text())["step"] == 3
    with pytest.raises(CimgenError, match="holds a run already"):
        run_inline(train(request))
    whole = run_inline(train(TrainRequest(str(config), str(tmp_path / "whole"), str(dataset), threads=1)))
    again = run_inline(train(TrainRequest(str(config), str(tmp_path / "out"), str(dataset), threads=1, resume=True)))
    assert again["best"] == whole["best"]


def test_resuming_under_another_configuration_is_refused(
    dataset: Path, finished: tuple[Path, dict], tmp_path: Path
) -> None:
    other = write_config(tmp_path, steps=8, options=TINY + "\ncolour = 1.0")
    with pytest.raises(CimgenError, match="another configuration"):
        run_inline(train(TrainRequest(str(other), str(finished[0]), str(dataset), resume=True)))


def test_a_run_goes_on_from_a_shipped_file_and_says_what_came_over(
    dataset: Path, finished: tuple[Path, dict], tmp_path: Path
) -> None:
    start = finished[0] / "model" / "card.toml"
    config = write_config(tmp_path, steps=1, top=f'start = "{start}"\nfreeze = ["stem", "down."]\n')
    facts = run_inline(train(TrainRequest(str(config), str(tmp_path / "out"), str(dataset), threads=1)))
    assert any("weights taken over" in note for note in facts["notes"])
    before = weights_of((finished[0] / "model" / "small.onnx").read_bytes())
    after = load_file(tmp_path / "out" / "checkpoint.safetensors")
    for name, value in before.items():
        same = np.array_equal(after[f"modules/generator/{name}"].numpy(), value)
        assert same == name.startswith(("stem", "down.")), name
    assert "taken over as well: heads, pixel" in facts["notes"]
    judges = load_file(finished[0] / "model" / "judges.safetensors")
    for name, value in judges.items():  # one step of Adam moves a weight by the rate at most, 4e-4 by default
        assert (after["modules/" + name.replace(".", "/", 1)] - value.float()).abs().max() < 1e-3, name


def test_coarse_to_fine_begins_at_half_the_resolution_and_ends_at_all_of_it(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "small")
    facts = dataset / "dataset.toml"
    facts.write_text(facts.read_text().replace('name = "small"\n', 'name = "small"\nmetres_per_pixel = 0.5\n', 1))
    tiny = "ngf = {}\nndf = 4\nn_down = 2\nn_blocks = 1\nn_blocks_local = 1"
    config = write_config(tmp_path, "paired", 2, options=tiny.format(4), more="shrink = 2")
    run_inline(train(TrainRequest(str(config), str(tmp_path / "coarse"), str(dataset), threads=1)))
    assert load_card(tmp_path / "coarse" / "model" / "card.toml").metres_per_pixel == 1.0
    local = tiny.format(2) + '\ngenerator = "local"'
    start = f'start = "{tmp_path / "coarse"}"\n'
    config = write_config(tmp_path, "paired", 2, options=local, top=start)
    told = run_inline(train(TrainRequest(str(config), str(tmp_path / "fine"), str(dataset), threads=1)))
    assert load_card(tmp_path / "fine" / "model" / "card.toml").metres_per_pixel == 0.5
    assert "taken over as well: discriminator" in told["notes"]
    assert any("weights taken over" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('recipe = "context"\n', "does not say dataset"),
        ('recipe = "paint"\ndataset = "x"\n', "no recipe 'paint'"),
        ('recipe = "context"\ndataset = "x"\n[schedule]\nstepz = 3\n', "no setting 'stepz'"),
        ('recipe = "context"\ndataset = "x"\n[schedule]\nsteps = "many"\n', "steps is 'many'"),
        ('recipe = "context"\ndataset = "x"\n[schedule]\ncrop = 100\n', "crop is 100"),
        ('recipe = "context"\ndataset = "nowhere"\n', "is no dataset"),
        ("recipe = \n", "not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_told(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(CimgenError, match=said) as caught:
        run_inline(train(TrainRequest(str(path), str(tmp_path / "out"))))
    assert caught.value.hint
    assert not (tmp_path / "out").exists()
