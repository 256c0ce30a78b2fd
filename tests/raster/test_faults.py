"""Whatever operation on the disk fails, an export leaves all or nothing, and a project the old state or the new."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cimgen_qt import tasks
from cimgen_qt.core.disk import Disk
from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.opening import open_project
from cimgen_qt.paths import resources

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = ("create", "reopen", "write", "sync", "close", "replace", "sync_folder", "set_mode")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faults") / "p.cimgen"
    run_inline(tasks.run_new(tasks.NewRequest(str(path), str(resources() / "samples" / "village.tif"))))
    with open_project(path) as opened:
        opened.scene.paint(Edit(Rectangle(100, 100, 300, 300), 2))
    rendered = run_inline(tasks.run_render(tasks.RenderRequest(str(path), "flat")))
    with open_project(path) as opened:
        opened.scene.lay(rendered)
    return path


class FailNth:
    """Let the N-th operation on the disk fail."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int, code: int) -> None:
        self.left, self.code = number, code
        for name in OPERATIONS:
            patch.setattr(Disk, name, self._counted(getattr(Disk, name)))

    def _counted(self, honest: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise OSError(self.code, "made to fail")
            return honest(*arguments, **named)

        return operation


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("profile", ["same", "cog", "patch"])
def test_the_nth_operation_fails(project: Path, tmp_path: Path, profile: str, code: int) -> None:
    failures = 0
    for number in range(1, 400):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        target = folder / "out.tif"
        with pytest.MonkeyPatch.context() as patch:
            fault = FailNth(patch, number, code)
            try:
                run_inline(tasks.run_export(tasks.ExportRequest(str(project), str(target), profile)))
            except CimgenError as error:
                failures += 1
                assert error.hint
        left = sorted(p.name for p in folder.iterdir())
        assert not [name for name in left if name.endswith(".part")], (number, left)
        if target.exists():
            assert run_inline(tasks.run_verify(tasks.VerifyRequest(str(target))))["passed"], number
        else:
            assert left == [], (number, left)
        if fault.left > 0:
            break
    else:
        pytest.fail("there was no end to the operations")
    assert failures >= 15


FULL_DISK = """
import json, resource, sys
from pathlib import Path
from cimgen_qt import tasks
from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.opening import open_project
what, project, target, limit = sys.argv[1:]
def work():
    if what == "paint":
        with open_project(Path(project)) as opened:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
            try:
                for number in range(200):
                    opened.scene.paint(Edit(Rectangle(number, number, 400, 400), 1 + number % 3))
                    done.append(number)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
        run_inline(tasks.run_export(tasks.ExportRequest(project, target, what)))
done, said = [], None
try:
    work()
except CimgenError as error:
    said = [error.message, error.hint]
print(json.dumps({"done": len(done), "said": said}))
"""


def on_a_full_disk(what: str, project: Path, target: Path, limit: int) -> dict[str, Any]:
    command = [sys.executable, "-c", FULL_DISK, what, str(project), str(target), str(limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-1500:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("profile", ["same", "cog", "patch"])
@pytest.mark.parametrize("limit", [1_000, 60_000, 150_000, 400_000, 700_000])
def test_a_disk_that_is_really_full_is_noticed(project: Path, tmp_path: Path, profile: str, limit: int) -> None:
    answer = on_a_full_disk(profile, project, tmp_path / "out.tif", limit)
    if answer["said"] is None:  # it fitted
        assert run_inline(tasks.run_verify(tasks.VerifyRequest(str(tmp_path / "out.tif"))))["passed"]
    else:
        assert answer["said"][1]
        assert list(tmp_path.iterdir()) == []


EVERY_PAGE = """
import json, resource, shutil, sys
from pathlib import Path
from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.errors import ProjectError
from cimgen_qt.opening import open_project
project, folder = Path(sys.argv[1]), Path(sys.argv[2])
failed = 0
for page in range(0, 60):
    path = folder / f"{page}.cimgen"
    shutil.copyfile(project, path)
    states = []
    opened = open_project(path)
    scene = opened.scene
    whole = scene.grid.window
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096 * page + 512, resource.RLIM_INFINITY))
    try:
        for number in range(30):
            scene.paint(Edit(Rectangle(9 * number, 7 * number, 300, 300), 1 + number % 3))
            states.append(scene.read_labels(whole).tobytes())
    except ProjectError as error:
        assert error.hint
        failed += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    opened.close()
    with open_project(path) as again:
        assert again.scene.read_labels(whole).tobytes() == (states[-1] if states else bytes(whole.area)), page
        assert len(again.project.acts()) == len(states), page
        assert again.scene.paint(Edit(Rectangle(0, 0, 5, 5), 6)) is not None
print(json.dumps(failed))
"""


def test_a_project_whose_nth_page_cannot_be_written_keeps_every_act_it_reported(tmp_path: Path) -> None:
    path = tmp_path / "p.cimgen"
    run_inline(tasks.run_new(tasks.NewRequest(str(path), str(resources() / "samples" / "village.tif"))))
    command = [sys.executable, "-c", EVERY_PAGE, str(path), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-1500:]
    assert json.loads(done.stdout) >= 40


@pytest.mark.parametrize("room", [5_000, 60_000, 300_000])
def test_a_project_on_a_full_disk_keeps_every_act_it_reported(tmp_path: Path, room: int) -> None:
    path = tmp_path / "p.cimgen"
    run_inline(tasks.run_new(tasks.NewRequest(str(path), str(resources() / "samples" / "village.tif"))))
    answer = on_a_full_disk("paint", path, path, path.stat().st_size + room)
    assert answer["said"] is not None
    assert "cannot be written" in answer["said"][0]
    with open_project(path) as opened:
        assert len(opened.project.acts()) == answer["done"]
        assert opened.scene.paint(Edit(Rectangle(0, 0, 5, 5), 6)) is not None
