"""The real jobs in the real worker: the same pixels as in this process, and a project that survives its death."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from cimgen_qt import tasks
from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.errors import CimgenError, WorkerError
from cimgen_qt.core.jobs import Cancelled, Progress, run_inline
from cimgen_qt.core.render import Patch, Rendered
from cimgen_qt.opening import open_project
from cimgen_qt.paths import resources
from cimgen_qt.runner import WorkerRunner


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "p.cimgen"
    samples = resources() / "samples"
    source = tasks.MapSourceRequest(str(samples / "village_map.tif"))
    run_inline(tasks.run_new(tasks.NewRequest(str(path), str(samples / "village.tif"), map=source)))
    with open_project(path) as opened:
        for number in range(6):
            opened.scene.paint(Edit(Rectangle(20 + 100 * number, 20 + 90 * number, 60, 70), 3))
    return path


def shared_memory() -> set[str]:
    folder = Path("/dev/shm")
    return {p.name for p in folder.iterdir() if f"-{os.getpid()}-" in p.name} if folder.is_dir() else set()


def test_worker_and_this_process_make_the_same_pixels(project: Path) -> None:
    before = shared_memory()
    patches: list[Patch] = []

    def on_progress(progress: Progress) -> bool:
        if progress.payload is not None:
            patches.append(progress.payload)
        return True

    with WorkerRunner() as runner:
        there: Rendered = runner.run("render", {"project": str(project), "seed": 5}, on_progress)
    here = run_inline(tasks.run_render(tasks.RenderRequest(str(project), seed=5)))
    assert len(there.patches) == len(here.patches) == len(patches) == 6
    for one, other, shown in zip(there.patches, here.patches, patches, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.mask, other.mask)
        assert np.array_equal(one.pixels, shown.pixels)
    assert there.facts() | {"seconds": 0} == here.facts() | {"seconds": 0}
    assert shared_memory() == before


def test_killed_worker_is_told_and_the_project_is_intact(project: Path) -> None:
    before = shared_memory()
    with WorkerRunner() as runner:

        def die(progress: Progress) -> bool:
            if progress.payload is not None and runner.pid is not None:
                os.kill(runner.pid, signal.SIGKILL)
            return True

        with pytest.raises(WorkerError) as told:
            runner.run("render", {"project": str(project)}, die)
        assert told.value.hint
        with open_project(project) as opened:
            assert len(opened.scene.areas()) == 6
        again = runner.run("render", {"project": str(project), "model": "flat"})
    with open_project(project) as opened:
        opened.scene.lay(again)
        assert opened.scene.areas() == ()
    assert shared_memory() == before


def test_cancel_comes_back_at_once_and_leaves_nothing(project: Path) -> None:
    with WorkerRunner() as runner:
        began: list[float] = []

        def stop(progress: Progress) -> bool:
            if progress.payload is not None and not began:
                began.append(time.monotonic())
                threading.Timer(0.0, runner.cancel).start()
            return True

        with pytest.raises(Cancelled):
            runner.run("render", {"project": str(project)}, stop)
    assert began
    assert not [p for p in project.parent.iterdir() if p.suffix == ".part"]


def test_errors_of_a_job_keep_their_words(project: Path) -> None:
    with WorkerRunner() as runner:
        with pytest.raises(CimgenError, match="there is no project"):
            runner.run("render", {"project": str(project.parent / "nothing.cimgen")})
        with pytest.raises(CimgenError, match="no job 'dance'"):
            runner.run("dance", {})
        with pytest.raises(CimgenError, match="has no tempo"):
            runner.run("render", {"project": str(project), "tempo": 1})


def test_worker_exports_with_proof(project: Path, tmp_path: Path) -> None:
    with WorkerRunner() as runner:
        made = runner.run("render", {"project": str(project), "model": "flat"})
        with open_project(project) as opened:
            opened.scene.lay(made)
        facts = runner.run("export", {"project": str(project), "target": str(tmp_path / "out.tif")})
        assert facts["proof"].startswith("0 of ")
        assert runner.run("verify", {"target": str(tmp_path / "out.tif")})["passed"]
