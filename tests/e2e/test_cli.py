"""The command line as a user meets it: the whole job, its exit codes, and errors one can follow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from cimgen_qt.cli import main
from cimgen_qt.paths import resources

SAMPLE = resources() / "samples" / "village.tif"
CLASSES = resources() / "samples" / "village_map.tif"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "ein Dörfchen.cimgen"
    assert main(["new", str(path), "--image", str(SAMPLE), "--map", str(CLASSES)]) == 0
    return path


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, object]:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def complaint(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert main([*map(str, words)]) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert said.err.startswith("cimgen: ")
    assert "hint:" in said.err
    assert len(said.err.strip().splitlines()) == 2
    return said.err


def test_the_main_job_from_one_end_to_the_other(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    painted = answer(capsys, "paint", project, "--class", "water", "--rect", 400, 450, 440, 520)
    assert painted["areas"] == 1
    (tmp_path / "s.json").write_text(json.dumps({"points": [[500, 20], [520, 200]]}))
    assert answer(capsys, "paint", project, "--class", "road", "--stroke", tmp_path / "s.json")["areas"] == 2
    preview = tmp_path / "preview.png"
    looked = answer(capsys, "render", project, "--model", "flat", "--preview", preview)
    assert looked["accepted"] is False
    assert preview.read_bytes()[:4] == b"\x89PNG"
    made = answer(capsys, "render", project, "--seed", 4, "--accept")
    assert made["accepted"] is True
    assert made["model"]["name"] == "exemplar"
    for profile in ("same", "cog", "patch"):
        target = tmp_path / profile / "out.tif"
        target.parent.mkdir()
        answer(capsys, "export", project, target, "--profile", profile)
        assert answer(capsys, "verify", target, "--source", SAMPLE)["passed"]
        assert answer(capsys, "replay", f"{target}.json")["different"] == 0
    facts = answer(capsys, "info", project)
    assert facts["to_generate"]["areas"] == 0
    assert facts["acts"] == {"import": 1, "paint": 2, "generate": 1}


def test_undo_and_redo(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "paint", project, "--class", "water", "--fill", 325, 346)
    assert answer(capsys, "paint", project, "--undo")["areas"] == 0
    assert answer(capsys, "paint", project, "--redo")["areas"] == 1
    assert answer(capsys, "paint", project, "--redo")["acts"] == 0
    assert answer(capsys, "paint", project, "--undo")["acts"] == 1
    assert answer(capsys, "paint", project, "--undo")["acts"] == 0, "the map that the project was made with stays"


def test_a_failed_check_ends_with_one(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "paint", project, "--class", "water", "--rect", 400, 450, 440, 520)
    answer(capsys, "render", project, "--model", "flat", "--accept")
    answer(capsys, "export", project, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif", "r+") as out:
        out.write(np.zeros((3, 2, 2), np.uint8), window=((0, 2), (0, 2)))
    assert main(["verify", str(tmp_path / "out.tif")]) == 1
    assert "NOT verified" in capsys.readouterr().out


def test_input_errors_end_with_two_one_line_and_a_hint(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "cannot be found" in complaint(capsys, "info", tmp_path / "nothing.tif")
    assert "there is no project" in complaint(capsys, "info", tmp_path / "nothing.cimgen")
    assert "no class 'lava'" in complaint(capsys, "paint", project, "--class", "lava", "--rect", 0, 0, 9, 9)
    assert "what shall be painted" in complaint(capsys, "paint", project, "--rect", 0, 0, 9, 9)
    assert "nothing to generate" in complaint(capsys, "render", project)
    assert "exists already" in complaint(capsys, "new", project, "--image", SAMPLE)
    assert "source image" in complaint(capsys, "export", project, SAMPLE, "--overwrite")
    assert "does not end in .tif" in complaint(capsys, "export", project, tmp_path / "out.png")
    assert "cannot be read" in complaint(capsys, "replay", tmp_path / "x.json")
    (tmp_path / "plain.txt").write_text("hello")
    assert "no GeoTIFF" in complaint(capsys, "new", tmp_path / "q.cimgen", "--image", tmp_path / "plain.txt")
    assert "CIMGen project" in complaint(capsys, "paint", tmp_path / "plain.txt", "--undo")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ein Dörfchen.cimgen", "plain.txt"]


def test_a_moved_image_is_noticed_and_relinked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "here" / "i.tif"
    image.parent.mkdir()
    image.write_bytes(SAMPLE.read_bytes())
    project = tmp_path / "p.cimgen"
    assert main(["new", str(project), "--image", str(image)]) == 0
    moved = tmp_path / "there.tif"
    image.rename(moved)
    assert "not where it was" in complaint(capsys, "info", project)
    assert "does not fit" in complaint(capsys, "info", project, "--relink", CLASSES)
    assert answer(capsys, "info", project, "--relink", moved)["image"]["path"] == str(moved)
    with rasterio.open(moved, "r+") as out:
        out.write(np.full((3, 1, 1), 7, np.uint8), window=((0, 1), (0, 1)))
    assert "has changed" in complaint(capsys, "info", project)


def test_read_only_folder_leaves_nothing_and_says_why(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/out.tif")
    else:
        target = tmp_path / "ro" / "out.tif"
        target.parent.mkdir(mode=0o500)
    assert str(target.parent) in complaint(capsys, "export", project, target)


def test_demo_does_it_all_and_can_be_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        facts = answer(capsys, "demo", "--out", tmp_path / "demo", "--no-window")
    assert len(facts["steps"]) == 9
    assert (tmp_path / "demo" / "before_after.png").stat().st_size > 100_000
    assert not list((tmp_path / "demo").glob(".*"))


def test_doctor_and_models_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "doctor")["checks"]["packages"] is True
    names = [m["name"] for m in answer(capsys, "models")["models"]]
    assert {"exemplar", "flat"} <= set(names)
    assert "which one" in complaint(capsys, "models", "show")


@pytest.mark.parametrize("word", ["", "demo", "new", "map", "paint", "render", "export", "verify", "replay", "info",
                                  "models", "doctor"])  # fmt: skip
def test_every_command_has_help(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([*([word] if word else []), "--help"])
    assert left.value.code == 0
    assert "usage: cimgen" in capsys.readouterr().out


def test_it_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cimgen_qt", "info", str(SAMPLE)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "640 x 640" in done.stdout


def test_command_line_imports_no_heavy_package_for_info() -> None:
    code = ("import sys; from cimgen_qt.cli import main; main(['info', sys.argv[1]]); "
            "print([m for m in ('numba', 'torch', 'onnxruntime', 'PyQt6', 'scipy', 'cv2') if m in sys.modules])")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, str(SAMPLE)], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
