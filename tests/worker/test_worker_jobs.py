"""Jobs in a worker process: results, errors, cancelling, and nothing left behind."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cimgen_qt.child import clean_environment, worker_command
from cimgen_qt.core.errors import CimgenError, ExportError, WorkerError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Cancelled, Progress
from cimgen_qt.runner import WorkerRunner
from tests.worker import worker_program
from tests.worker.watched import PROGRAM, alive, left_in_memory, posix, runner_of


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


def test_a_cancelled_job_tidies_up_what_it_staged(worker: WorkerRunner, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        worker.run("spin", {"target": str(tmp_path / "out.tif")}, lambda progress: progress.done < 3)
    assert list(tmp_path.iterdir()) == []


@posix
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


@posix
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
    assert said.stdout.startswith(str(PROGRAM.parents[2] / "cimgen_qt" / "__init__.py"))
    assert str(tmp_path) not in said.stdout and f"'{PROGRAM.parents[2]}'" not in said.stdout


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
