"""From one's own imagery to one's own model and an edit made with it, by the words of the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from cimgen_qt.cli import main
from tests.training.small import CLASSES, picture, write_config


@pytest.fixture
def imagery(tmp_path: Path) -> Path:
    for name in ("photos", "maps"):
        (tmp_path / name).mkdir()
    for number, name in enumerate(("east", "west", "south", "north")):
        photo, labels = picture(number, 512)
        Image.fromarray(photo).save(tmp_path / "photos" / f"{name}.png")
        Image.fromarray(labels).save(tmp_path / "maps" / f"{name}.png")
    lines = [f'[[class]]\nid = {i}\nname = "{name}"\ncolour = {list(colour)}' for i, name, colour in CLASSES]
    (tmp_path / "classes.toml").write_text("\n".join(lines))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_dataset_train_evaluate_adapt_render_export(imagery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, quiet = imagery, ["--json", "--quiet"]
    palette = str(folder / "classes.toml")
    made = ["dataset", str(folder / "tiles"), "--images", str(folder / "photos"), "--maps", str(folder / "maps"),
            "--palette", palette, "--test", "north", "--validation", "south", "--side", "256", "--keep-copies"]  # fmt: skip
    assert main([*made, *quiet]) == 0
    assert said(capsys)["tiles"] == {"train": 8, "validation": 4, "test": 4}
    config = write_config(folder, steps=4, options="widths = [16, 16, 16, 32]\ndilations = [1, 2]\nhidden = 8")
    assert (
        main(["train", str(config), str(folder / "run"), "--dataset", str(folder / "tiles"), "--threads", "1", *quiet])
        == 0
    )
    card = said(capsys)["card"]
    ways = ["--way", f"mine={card}", "--way", f"paper={card},alone,poisson", "--way", "flat=flat"]
    assert main(["evaluate", str(folder / "tiles"), str(folder / "judged"), *ways, "--each", "1", *quiet]) == 0
    figures = said(capsys)["figures"]
    assert {f["way"] for f in figures} == {"mine", "paper", "flat"}
    assert (folder / "judged" / "sheet.png").is_file() and "| mine |" in (folder / "judged" / "figures.md").read_text()
    photo, labels = picture(3, 544)
    for name, pixels in (("photo", photo), ("map", labels[..., None])):
        with rasterio.open(folder / f"{name}.tif", "w", driver="GTiff", width=544, height=544, count=pixels.shape[2],
                           dtype="uint8", crs="EPSG:32640", transform=rasterio.Affine(0.5, 0, 5e5, 0, -0.5, 3e6)) as file:  # fmt: skip
            file.write(pixels.transpose(2, 0, 1))
    project = str(folder / "p.cimgen")
    new = ["new", project, "--image", str(folder / "photo.tif"), "--map", str(folder / "map.tif"), "--palette", palette]
    assert main([*new, *quiet]) == 0
    assert main(["adapt", project, "--model", card, "--steps", "25", "--threads", "1", *quiet]) == 0
    assert main(["paint", project, "--class", "water", "--rect", "100", "100", "140", "150", *quiet]) == 0
    capsys.readouterr()
    assert main(["render", project, "--model", card, "--device", "cpu", "--accept", *quiet]) == 0
    assert said(capsys)["model"]["adapter"]
    assert main(["export", project, str(folder / "out.tif"), *quiet]) == 0
    assert "0 of" in said(capsys)["proof"]
    assert main(["verify", str(folder / "out.tif"), "--source", str(folder / "photo.tif"), *quiet]) == 0


def test_the_shipped_models_work_on_a_photo_without_a_map(imagery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = imagery / "photos" / "east.png"
    target = imagery / "east.tif"
    assert main(["map", str(photo), str(target), "--json", "--quiet", "--device", "cpu"]) == 0
    facts = said(capsys)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        file = rasterio.open(target)
    with file:
        labels = file.read(1)
        assert file.shape == (512, 512) and np.unique(labels).size > 1
    assert sum(facts["shares"].values()) == pytest.approx(1)
    project = str(imagery / "p.cimgen")
    assert main(["new", project, "--image", str(photo), "--json", "--quiet"]) == 0
    assert main(["map", project, "--json", "--quiet", "--device", "cpu"]) == 0
    assert main(["paint", project, "--class", "water", "--rect", "10", "10", "30", "40", "--json", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["render", project, "--model", "cimgen-context", "--device", "cpu", "--json", "--quiet"]) == 0
    facts = said(capsys)
    assert facts["model"]["trained"] and facts["pixels"] == 20 * 30


@pytest.mark.parametrize("command", [
    ["train", "nowhere.toml", "out"], ["dataset", "out"], ["evaluate", "nowhere", "out", "--way", "a=flat"],
    ["adapt", "nowhere.cimgen"], ["map", "nowhere.tif", "out.tif"], ["evaluate", ".", "out", "--way", "nonsense"],
])  # fmt: skip
def test_bad_input_gets_a_line_and_a_hint(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                          monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main([*command, "--quiet"]) == 2
    told = capsys.readouterr().err
    assert told.strip() and "Traceback" not in told and not list(tmp_path.iterdir())


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    heavy = (
        "torch",
        "onnxruntime",
        "openvino",
        "onnx",
        "safetensors",
        "lightning_fabric",
        "scipy",
        "PIL",
        "numba",
        "cv2",
    )
    code = f"import sys, cimgen_qt.cli, cimgen_qt.tasks; print([m for m in {heavy} if m in sys.modules])"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_checkpoint_of_pytorch_gets_its_card_and_paints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from cimgen_qt.networks.resnet import ResnetGenerator

    torch.manual_seed(1)
    torch.save(ResnetGenerator(3, 3, 8, 2, 2).state_dict(), tmp_path / "latest_net_G.pth")
    add = ["models", "add", str(tmp_path / "latest_net_G.pth"), "--json"]
    assert main(add) == 2
    assert "--classes" in capsys.readouterr().err
    assert main([*add, "--classes", "building,bare land,water", "--licence", "CC0"]) == 0
    name = said(capsys)["name"]
    Image.fromarray(picture(1, 128)[0]).save(tmp_path / "photo.png")
    Image.fromarray(picture(1, 128)[1]).save(tmp_path / "map.png")
    project = str(tmp_path / "p.cimgen")
    assert (
        main(["new", project, "--image", str(tmp_path / "photo.png"), "--map", str(tmp_path / "map.png"), "--quiet"])
        == 0
    )
    assert main(["paint", project, "--class", "water", "--rect", "10", "10", "40", "40", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["render", project, "--model", name, "--device", "cpu", "--json", "--quiet"]) == 0
    assert said(capsys)["pixels"] > 0
