"""The import contracts hold, and they fail on a planted violation."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VIOLATIONS = {
    "core-imports-rasterio": ("core/grid.py", "import rasterio\n"),
    "core-imports-qt-lazily": ("core/blend.py", "def later():\n    import PyQt6\n"),
    "core-looks-up": ("core/scene.py", "from cimgen_qt import tasks\n"),
    "rooms-know-each-other": ("generators/flat.py", "import cimgen_qt.raster.guard\n"),
    "window-loads-a-model": ("ui/workbench.py", "def later():\n    import onnxruntime\n"),
    "worker-knows-the-window": ("worker.py", "import cimgen_qt.ui.app\n"),
    "circle": ("core/errors.py", "import cimgen_qt.core.grid\nimport cimgen_qt.core.jobs\n"),
    "new-module-without-a-floor": ("stray.py", '"""Nowhere."""\n'),
}


def contracts(root: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    return subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "cimgen_qt", tmp_path / "cimgen_qt", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_contracts_hold(copy: Path) -> None:
    done = contracts(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", VIOLATIONS)
def test_planted_violation_fails(copy: Path, name: str) -> None:
    file, text = VIOLATIONS[name]
    path = copy / "cimgen_qt" / file
    path.write_text((path.read_text() if path.exists() else "") + "\n" + text)
    if name == "circle":
        grid = copy / "cimgen_qt" / "core" / "grid.py"
        grid.write_text(grid.read_text() + "\nimport cimgen_qt.core.errors\n")
    done = contracts(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout or "does not exist" in done.stdout or "Missing" in done.stdout
