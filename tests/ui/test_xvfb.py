"""The window on a real X display, moved by a real pointer."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cimgen_qt.core.project import Project

pytestmark = [
    pytest.mark.xvfb,
    pytest.mark.skipif(not shutil.which("Xvfb") or not shutil.which("xdotool"), reason="needs Xvfb and xdotool"),
]

_PROGRAM = """
import sys
from pathlib import Path
from cimgen_qt.ui.app import run_window
sys.exit(run_window(Path(sys.argv[1])))
"""


@pytest.fixture
def display() -> Iterator[str]:
    """A display of its own, 1400 x 900."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=[write], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)


@pytest.fixture
def program(display: str, project: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The window on `project` in a process of its own; yields the environment for xdotool."""
    own = {"CIMGEN_DATA": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "settings")}
    place = {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(Path(__file__).parents[2])}
    environment = {**os.environ, **own, **place}
    running = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(project)], env=environment)
    found = xdotool(environment, "search", "--sync", "--onlyvisible", "--name", "ground.*CIMGen")
    xdotool(environment, "windowmove", found.split()[0], "0", "0")
    xdotool(environment, "windowfocus", "--sync", found.split()[0])
    time.sleep(1.5)
    yield environment
    if running.poll() is None:
        xdotool(environment, "key", "ctrl+q")
    assert running.wait(20) == 0


def xdotool(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(["xdotool", *words], env=environment, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


def drag(environment: dict[str, str], button: str, *points: tuple[int, int]) -> None:
    xdotool(environment, "mousemove", *map(str, points[0]))
    xdotool(environment, "mousedown", button)
    for x, y in points[1:]:
        xdotool(environment, "mousemove", str(x), str(y))
    xdotool(environment, "mouseup", button)


def test_a_drag_with_a_real_pointer_is_one_act_and_ctrl_z_takes_it_back(program: dict[str, str], project: Path) -> None:
    way = [(420 + 6 * step, 360 + 2 * step) for step in range(25)]
    xdotool(program, "mousemove", "400", "340", "key", "3")
    drag(program, "1", *way)
    xdotool(program, "mousemove", "400", "340")
    drag(program, "2", (500, 500), (540, 520))
    xdotool(program, "click", "4")
    drag(program, "1", (500, 600), (560, 620))
    xdotool(program, "key", "ctrl+z")
    time.sleep(1)
    xdotool(program, "key", "ctrl+q")
    time.sleep(2)
    with Project.open(project) as opened:
        acts = opened.acts()
        assert [act.kind for act in acts] == ["import", "paint", "paint"]
        assert acts[1].data["class"] == 3 and len(acts[1].data["with"]["points"]) > 10
        assert opened.head == acts[1].id


def test_ctrl_enter_and_enter_generate_and_accept(program: dict[str, str], project: Path) -> None:
    xdotool(program, "mousemove", "400", "340", "key", "3")
    drag(program, "1", (420, 360), (450, 380))
    time.sleep(1)
    xdotool(program, "key", "ctrl+Return")
    time.sleep(8)
    xdotool(program, "key", "Return")
    time.sleep(2)
    xdotool(program, "key", "ctrl+q")
    time.sleep(2)
    with Project.open(project) as opened:
        assert [act.kind for act in opened.acts()] == ["import", "paint", "generate"]
