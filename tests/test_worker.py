"""Jobs in a worker process: results, cancelling, deaths of every kind, and nothing left behind."""

import contextlib
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cimgen_qt.blocks import folders
from cimgen_qt.child import clean_environment, worker_command
from cimgen_qt.core.errors import CimgenError, ExportError, WorkerError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Cancelled, Progress
from cimgen_qt.runner import WorkerRunner
from tests import worker_program

PROGRAM = Path(__file__).with_name("worker_program.py")
COMMAND = [sys.executable, "-E", str(PROGRAM)]

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def runner_of(**options: Any) -> WorkerRunner:
    return WorkerRunner(types=worker_program.TYPES, command=COMMAND, **options)


def left_in_memory(pid: int | None = None) -> set[str]:
    """Blocks of the workers of a program, this one if left out."""
    names = {path.name for folder in folders() for path in folder.glob("cimgen-*")}
    return {name for name in names if f"-{pid or os.getpid()}-" in name}


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()]) if sys.platform.startswith("linux") else 0


@pytest.fixture
def worker() -> Iterator[WorkerRunner]:
    before, threads = left_in_memory(), threading.active_count()
    with runner_of() as runner:
        yield runner
    assert left_in_memory() <= before
    assert threading.active_count() == threads


def alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_job_gives_its_progress_and_its_result(worker: WorkerRunner) -> None:
    seen: list[Progress] = []
    result = worker.run("pieces", {"count": 30}, lambda progress: seen.append(progress) or True)
    assert result["sums"] == tuple(64 * 64 * 3 * number for number in range(30))
    assert result["where"] == Path("a/b") and result["pid"] == worker.pid != os.getpid()
    assert [(p.done, p.total, p.text) for p in seen] == [(n + 1, 30, f"piece {n}") for n in range(30)]
    for number, progress in enumerate(seen):
        piece = progress.payload
        assert isinstance(piece, worker_program.Piece) and piece.mode is worker_program.Mode.HARD
        assert piece.window == Window(number, 0, 64, 64) and (piece.pixels == number).all()


def test_one_process_runs_many_jobs(worker: WorkerRunner) -> None:
    pids = {worker.run("pieces", {"count": 1})["pid"] for _ in range(5)}
    assert pids == {worker.pid}


def test_everything_that_may_travel_travels(worker: WorkerRunner) -> None:
    value = worker.run("values", {})
    assert (
        value["numbers"] == [1, 2.5, True, float("inf"), 0.5, 7] and value["text"] == "ä\n@" and value["none"] is None
    )
    assert value[("a", 1)] == frozenset({1, 2}) and value["bytes"] == b"\x00\xff" and value["@"] == "a key of ours"
    assert value["empty"][0] == b"" and value["empty"][1].shape == (0, 3) and value["empty"][2] == ()
    assert value["scalar"].shape == () and float(value["scalar"]) == 3.5
    assert value["big endian"].dtype == ">u2" and value["big endian"].tolist() == [0, 1, 2, 3, 4]
    assert np.array_equal(value["columns"], np.arange(12).reshape(3, 4))
    assert value["complex"][0] == 1 + 2j and value["truth"].tolist() == [True, False]
    assert value["tree"].pixels[0].dtype == np.float32


def test_what_cannot_travel_is_an_error_and_the_worker_goes_on(worker: WorkerRunner) -> None:
    with pytest.raises(WorkerError, match="Unknown cannot be sent"):
        worker.run("values", {"unknown": True})
    assert worker.run("pieces", {"count": 1})["sums"] == (0,)


def test_an_error_of_the_job_arrives_with_its_class_and_hint(worker: WorkerRunner) -> None:
    with pytest.raises(ExportError, match="the disk is full") as caught:
        worker.run("fail", {"way": "export"})
    assert caught.value.hint == "free some space"
    with pytest.raises(ExportError, match="odd"):
        worker.run("fail", {"way": "child"})
    pid = worker.pid
    for way, text in [("zero", "ZeroDivisionError: by nothing"), ("pipe", "BrokenPipeError")]:
        with pytest.raises(WorkerError, match=text):
            worker.run("fail", {"way": way})
    with pytest.raises(WorkerError, match="KeyError"):
        worker.run("no such kind", {})
    assert worker.pid == pid


def test_a_fault_of_the_program_is_told_in_full_to_the_log(
    worker: WorkerRunner, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(WorkerError):
        try:
            worker.run("fail", {"way": "zero"})
        finally:
            worker.close()
    assert "Traceback" in caplog.text and "worker_program.py" in caplog.text


def test_prints_of_libraries_do_not_disturb(worker: WorkerRunner, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert worker.run("chatter", {}) == "still understood"
        worker.close()
    for text in ("stray print", "stray write", "stray child", "read: ''"):
        assert text in caplog.text


@pytest.mark.parametrize("said", ["hello?", "[1]", "\xff", '{"id":1,"progress":[1],"value":null}', '{"hello"'])
def test_nonsense_ends_the_worker_and_is_told(worker: WorkerRunner, said: str) -> None:
    with pytest.raises(WorkerError, match="nonsense"):
        worker.run("nonsense", {"line": said})
    assert worker.run("pieces", {"count": 1})["sums"] == (0,)


@pytest.mark.parametrize("pixels", [False, True])
def test_a_job_stops_when_its_progress_is_answered_with_false(
    worker: WorkerRunner, tmp_path: Path, pixels: bool
) -> None:
    worker.run("pieces", {"count": 1})
    pid = worker.pid
    with pytest.raises(Cancelled):
        worker.run("spin", {"told": str(tmp_path / "told"), "pixels": pixels}, lambda progress: progress.done < 5)
    assert (tmp_path / "told").read_text() == "cleaned"
    assert worker.run("pieces", {"count": 1})["pid"] == pid


def test_a_job_stops_when_another_thread_says_so(worker: WorkerRunner, tmp_path: Path) -> None:
    pid = worker.run("pieces", {"count": 1})["pid"]
    timer = threading.Timer(0.1, worker.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        worker.run("spin", {"told": str(tmp_path / "told")})
    timer.join()
    assert (tmp_path / "told").exists() and worker.run("pieces", {"count": 1})["pid"] == pid


def test_cancelling_before_a_job_or_without_one_is_no_harm(worker: WorkerRunner) -> None:
    worker.cancel()
    assert worker.run("pieces", {"count": 1})["sums"] == (0,)
    worker.cancel()
    assert worker.run("pieces", {"count": 1})["sums"] == (0,)


def test_a_job_cancelled_while_the_worker_starts_is_cancelled(worker: WorkerRunner) -> None:
    timer = threading.Timer(0.01, worker.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        worker.run("spin", {})
    timer.join()


def test_a_slow_reader_is_waited_for_and_memory_stays_bounded(worker: WorkerRunner) -> None:
    most = 0

    def slow(progress: Progress) -> bool:
        nonlocal most
        time.sleep(0.02)
        most = max(most, len(left_in_memory()))
        return True

    assert len(worker.run("pieces", {"count": 25, "size": 256}, slow)["sums"]) == 25
    assert 0 < most <= 5


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


def test_a_cancelled_job_tidies_up_what_it_staged(worker: WorkerRunner, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        worker.run("spin", {"target": str(tmp_path / "out.tif")}, lambda progress: progress.done < 3)
    assert list(tmp_path.iterdir()) == []


@posix
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
    assert threading.active_count() == threads
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


def test_two_threads_take_turns(worker: WorkerRunner) -> None:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(worker.run("pieces", {"count": 5}))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3 and {result["pid"] for result in results} == {worker.pid}


def test_closing_ends_a_running_job_and_the_process(tmp_path: Path) -> None:
    runner = runner_of()
    pid = runner.run("pieces", {"count": 1})["pid"]
    timer = threading.Timer(0.1, runner.close)
    timer.start()
    with pytest.raises(Cancelled):
        runner.run("spin", {"told": str(tmp_path / "told")})
    timer.join()
    assert not alive(pid) and (tmp_path / "told").exists()
    with pytest.raises(WorkerError, match="closed"):
        runner.run("pieces", {"count": 1})


def test_a_callback_that_fails_leaves_no_worker_at_its_job(worker: WorkerRunner) -> None:
    def broken(progress: Progress) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        worker.run("spin", {}, broken)
    assert worker.run("pieces", {"count": 1})["sums"] == (0,)


PARENT = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests import worker_program
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


@posix
@pytest.mark.parametrize("way", ["kill", "exit"])
def test_a_worker_does_not_outlive_its_program(way: str) -> None:
    command = [sys.executable, "-c", PARENT, str(PROGRAM.parents[1]), way]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    pid, program = map(int, result.stdout.split())
    deadline = time.monotonic() + 5
    while alive(pid) or left_in_memory(program):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_worker_is_not_led_to_foreign_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = {"PYTHONPATH", "PYTHONHOME", "PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"}
    foreign |= {"GDAL_PAM_PROXY_DIR", "QT_PLUGIN_PATH", "LD_LIBRARY_PATH"}
    for name in foreign - {"PYTHONHOME", "LD_LIBRARY_PATH"}:
        monkeypatch.setenv(name, "nowhere")
    monkeypatch.setenv("CIMGEN_TEST", "kept")
    with runner_of() as runner:
        seen = runner.run("environment", {})
    assert not foreign & set(seen["environment"]) and seen["environment"]["CIMGEN_TEST"] == "kept"
    assert clean_environment(dict.fromkeys(foreign, "x") | {"PATH": "p"}) == {"PATH": "p"}


def test_the_worker_takes_its_code_from_the_program_and_nothing_else_from_there(tmp_path: Path) -> None:
    command = worker_command()
    assert command[0] == sys.executable and "-E" in command
    (tmp_path / "numpy.py").write_text("raise ImportError('the wrong numpy')")
    code = command[command.index("-c") + 1].replace(
        "main()", "import cimgen_qt, sys; print(cimgen_qt.__file__, sys.path)"
    )
    said = subprocess.run([*command[:-2], code, command[-1]], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert said.stdout.startswith(str(PROGRAM.parents[1] / "cimgen_qt" / "__init__.py"))
    assert str(tmp_path) not in said.stdout and f"'{PROGRAM.parents[1]}'" not in said.stdout


def test_the_programs_own_worker_starts_and_refuses_a_job_it_does_not_know() -> None:
    with WorkerRunner() as runner, pytest.raises(CimgenError, match="there is no job 'sing'"):
        runner.run("sing", {})


def test_a_frozen_program_is_its_own_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert worker_command() == [sys.executable, "--worker"]


def test_inside_qgis_a_python_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qgis.core", sys)
    with pytest.raises(WorkerError, match="No Python is chosen"):
        worker_command()
    assert worker_command("other")[0] == "other"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["no-such-python"], "cannot be started"),
        ([sys.executable, "-c", "raise SystemExit('no numpy here')"], "ended with code 1"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "does not start"),
        ([sys.executable, "-c", "print('Python 2.7')"], "nonsense"),
        ([sys.executable, "-c", "print('{\"hello\": 99}', flush=True); input()"], "another version"),
    ],
)
def test_a_worker_that_cannot_be_started_is_told(command: list[str], said: str) -> None:
    with WorkerRunner(types=(), command=command, start_s=1.0) as runner, pytest.raises(WorkerError, match=said):
        runner.run("pieces", {})


def test_fifty_cancelled_jobs_leave_one_worker_and_nothing_else(worker: WorkerRunner) -> None:
    pid = worker.run("pieces", {"count": 1})["pid"]
    for _ in range(50):
        with pytest.raises(Cancelled):
            worker.run("spin", {"tick": 0.002}, lambda progress: False)
    assert worker.run("pieces", {"count": 1})["pid"] == pid
