"""Workers that hang, die or are killed: what is told, and that nothing is left behind."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cimgen_qt.core.errors import WorkerError
from cimgen_qt.core.jobs import Cancelled, Progress
from cimgen_qt.runner import WorkerRunner
from tests.worker.watched import PROGRAM, alive, left_in_memory, open_files, posix, runner_of


def test_a_job_that_does_not_stop_is_killed_after_a_grace_time() -> None:
    with runner_of(grace_s=0.3) as runner:
        first = runner.run("pieces", {"count": 1})["pid"]
        timer = threading.Timer(0.2, runner.cancel)
        timer.start()
        begin = time.monotonic()
        with pytest.raises(Cancelled):
            runner.run("deaf", {})
        timer.join()
        assert 0.45 < time.monotonic() - begin < 5
        assert not alive(first)
        assert runner.run("pieces", {"count": 1})["pid"] != first


def test_what_a_killed_job_had_begun_in_a_folder_is_removed(tmp_path: Path) -> None:
    with runner_of(grace_s=0.1) as runner:
        request = {"target": str(tmp_path / "out.tif"), "tick": 0.001}

        def stop_it(progress: Progress) -> bool:
            if progress.done == 3:
                assert len(list(tmp_path.iterdir())) == 1
                os.kill(runner.pid or 0, signal.SIGSTOP)
                return False
            return True

        with pytest.raises(Cancelled):
            runner.run("spin", request, stop_it, leaves_in=[tmp_path])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("SIGKILL", "probably out of memory"),
        ("segv", "SIGSEGV"),
        ("SIGABRT", "SIGABRT"),
        ("SIGTERM", "SIGTERM"),
        ("exit", "code 7"),
    ],
)
def test_a_death_is_told_with_its_reason_and_the_next_job_runs(worker: WorkerRunner, way: str, said: str) -> None:
    with pytest.raises(WorkerError, match=said) as caught:
        worker.run("die", {"way": way})
    assert "Your work is saved" in caught.value.hint
    assert way != "segv" or "ctypes" in caught.value.hint
    assert worker.run("pieces", {"count": 1})["sums"] == (0,)


@posix
@pytest.mark.parametrize("way", ["SIGSTOP", "lock"])
def test_a_worker_that_gives_no_sign_of_life_is_ended(way: str) -> None:
    before = left_in_memory()
    with runner_of(hang_s=1.0) as runner:
        with pytest.raises(WorkerError, match="has not answered for 1 s"):
            runner.run("die", {"way": way})
        assert runner.run("pieces", {"count": 1})["sums"] == (0,)
    assert left_in_memory() <= before


def test_a_silent_but_living_job_is_not_taken_for_hung() -> None:
    with runner_of(hang_s=1.0) as runner:
        assert len(runner.run("pieces", {"count": 2, "pause": 1.3})["sums"]) == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS")
def test_a_memory_limit_makes_an_error_of_what_would_end_the_machine() -> None:
    with runner_of(memory_mb=2000) as runner:
        with pytest.raises(WorkerError, match="not enough memory"):
            runner.run("fail", {"way": "memory"})
        assert runner.run("pieces", {"count": 1})["sums"] == (0,)


def random_deaths(runner: WorkerRunner, code: int, rounds: int) -> None:
    """A signal at a random moment of a job that sends pixels all the time; then a job that must go through."""
    generator = random.Random(code)
    runner.run("pieces", {"count": 1})
    for number in range(rounds):
        runner.warm()
        pid = runner.pid or 0
        timer = threading.Timer(generator.uniform(0, 0.1), os.kill, [pid, code])
        begin = time.monotonic()
        canceller = threading.Timer(0.15, runner.cancel)
        timer.start()
        if code == signal.SIGSTOP and number % 2:
            canceller.start()
        with contextlib.suppress(WorkerError, Cancelled):
            runner.run("spin", {"tick": 0.0005, "pixels": True})
        canceller.cancel()
        timer.join()
        assert time.monotonic() - begin < 10
        assert runner.run("pieces", {"count": 2})["sums"] == (0, 64 * 64 * 3)
        assert runner.pid != pid and not alive(pid)


@posix
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGSTOP"])
def test_twenty_deaths_at_random_moments_are_survived_and_leave_nothing(name: str) -> None:
    before, threads = left_in_memory(), threading.active_count()
    descriptors = open_files()
    with runner_of(grace_s=0.2, hang_s=1.0 if name == "SIGSTOP" else 30.0, spare=True) as runner:
        random_deaths(runner, getattr(signal, name), 20)
    assert left_in_memory() <= before
    assert threading.active_count() <= threads  # others of before may have ended
    assert open_files() <= descriptors


@posix
def test_a_spare_worker_takes_over_at_once() -> None:
    with runner_of(spare=True) as runner:
        runner.run("pieces", {"count": 1})
        spare = runner._children[1].pid
        with pytest.raises(WorkerError):
            runner.run("die", {"way": "SIGKILL"})
        assert runner.run("pieces", {"count": 1})["pid"] == spare
        assert len(runner._children) == 2


@posix
def test_a_worker_that_hangs_while_it_waits_for_work_is_replaced() -> None:
    with runner_of(hang_s=1.0) as runner:
        first = runner.run("pieces", {"count": 1})["pid"]
        os.kill(first, signal.SIGSTOP)
        time.sleep(1.1)
        assert runner.run("pieces", {"count": 1})["pid"] != first
        assert not alive(first)


PARENT = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.worker import worker_program
from cimgen_qt.runner import WorkerRunner
runner = WorkerRunner(types=worker_program.TYPES, command=[sys.executable, worker_program.__file__])
def follow(progress):
    if progress.done == 20:
        print(runner.pid, os.getpid(), flush=True)
        if sys.argv[2] == "kill":
            os.kill(os.getpid(), 9)
        sys.exit(0)
    return True
runner.run("spin", {"pixels": True}, follow)
"""


@pytest.mark.parametrize("way", ["kill", "exit"])
def test_a_worker_does_not_outlive_its_program(way: str) -> None:
    command = [sys.executable, "-c", PARENT, str(PROGRAM.parents[2]), way]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    pid, program = map(int, result.stdout.split())
    deadline = time.monotonic() + 5
    while alive(pid) or left_in_memory(program):
        assert time.monotonic() < deadline
        time.sleep(0.02)
