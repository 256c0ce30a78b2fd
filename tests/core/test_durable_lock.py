"""One writer at a time: who gets a lock, who is told what, and what a dead holder leaves."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cimgen_qt.core.durable import Lock
from cimgen_qt.core.errors import ProjectError

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from cimgen_qt.core.durable import Lock
Lock(Path(sys.argv[1]), program="Other CIMGen").acquire()
print("held", flush=True)
sys.stdin.read()
"""


def holding(path: Path) -> "subprocess.Popen[str]":
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def finish(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def forged(path: Path, **changes: object) -> Path:
    """A lock file as we write it, with some fields changed."""
    with Lock(path) as lock:
        fields = json.loads(lock.file.read_text())
    lock.file.write_text(json.dumps(fields | changes))
    return lock.file


def test_a_lock_names_its_holder_and_leaves_nothing(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "a.cimgen", program="CIMGen 1")
    assert lock.holder() is None and not lock.held
    with lock:
        holder = lock.holder()
        assert lock.held and holder is not None
        assert (holder.pid, holder.program) == (os.getpid(), "CIMGen 1") and holder.host and holder.user and holder.time
        lock.acquire()
    assert not lock.held and list(tmp_path.iterdir()) == []


def test_a_second_program_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "a.cimgen"
    process = holding(path)
    try:
        with pytest.raises(ProjectError, match=rf"in use by Other CIMGen .*process {process.pid} ") as caught:
            Lock(path).acquire()
        assert "read-only" in caught.value.hint
        assert str(process.pid) in path.with_name("a.cimgen.lock").read_text()
    finally:
        finish(process)


def test_a_lock_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.cimgen"
    finish(holding(path))
    assert (tmp_path / "a.cimgen.lock").exists()
    with Lock(path) as lock:
        holder = lock.holder()
        assert holder is not None and holder.pid == os.getpid()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="zombies")
def test_a_holder_that_is_dead_but_not_yet_buried_is_dead(tmp_path: Path) -> None:
    process = holding(tmp_path / "a")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    Lock(tmp_path / "a").acquire()
    process.communicate()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="start times come from /proc")
def test_a_process_number_used_again_is_not_taken_for_the_holder(tmp_path: Path) -> None:
    forged(tmp_path / "a", start="beef1")
    with Lock(tmp_path / "a") as lock:
        assert lock.held


def test_our_own_program_does_not_open_a_file_twice(tmp_path: Path) -> None:
    with Lock(tmp_path / "a"), pytest.raises(ProjectError, match=f"process {os.getpid()}"):
        Lock(tmp_path / "a").acquire()


def test_a_holder_on_another_machine_counts_as_alive_and_the_way_out_is_told(tmp_path: Path) -> None:
    file = forged(tmp_path / "a", place="ffffff", host="kiel", user="maria", pid=1)
    with pytest.raises(ProjectError, match=r"maria.* on kiel") as caught:
        Lock(tmp_path / "a").acquire()
    assert str(file) in caught.value.hint
    lock = Lock(tmp_path / "a")
    lock.acquire(force=True)
    assert lock.held
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_taken_away_by_force_is_not_released_by_its_first_holder(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "a"), Lock(tmp_path / "a")
    first.acquire()
    second.acquire(force=True)
    first.release()
    assert second.file.exists() and second.holder() is not None
    second.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"pid": "x"}', b"x" * 10_000])
def test_a_torn_lock_file_holds_for_some_seconds_only(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.lock"
    file.write_bytes(content)
    with pytest.raises(ProjectError, match="another program"):
        Lock(tmp_path / "a").acquire()
    os.utime(file, (1, 1))
    with Lock(tmp_path / "a") as lock:
        assert lock.held


def test_a_lock_file_that_is_just_being_written_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    file.write_bytes(b"")
    timer = threading.Timer(0.1, file.unlink)
    timer.start()
    with Lock(tmp_path / "a") as lock:
        assert lock.held
    timer.join()


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="cannot be locked"):
        Lock(tmp_path / "no" / "a").acquire()


RACE = """
import os, sys
from pathlib import Path
from cimgen_qt.core.durable import Lock
from cimgen_qt.core.errors import ProjectError
wins = []
for round in range(25):
    path = Path(sys.argv[1]) / f"{round}.cimgen"
    dead = os.fork()
    if dead == 0:
        Lock(path).acquire()
        os._exit(0)
    os.waitpid(dead, 0)
    go, start = os.pipe()
    told, tell = os.pipe()
    done, stay = os.pipe()
    for _ in range(6):
        if os.fork() == 0:
            os.close(start)
            os.close(stay)
            os.read(go, 1)
            try:
                Lock(path).acquire()
                os.write(tell, b"w")
            except ProjectError:
                os.write(tell, b"l")
            os.read(done, 1)
            os._exit(0)
    os.close(start)
    answers = b""
    while len(answers) < 6:
        answers += os.read(told, 6)
    os.close(stay)
    for _ in range(6):
        os.wait()
    wins.append(answers.count(b"w"))
print(wins)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_of_six_programs_that_find_a_dead_lock_one_gets_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(result.stdout) == [1] * 25


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_a_forked_child_does_not_release_the_lock(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from cimgen_qt.core.durable import Lock
lock = Lock(Path(sys.argv[1]))
lock.acquire()
child = os.fork()
if child == 0:
    lock.release()
    os._exit(0)
os.waitpid(child, 0)
print(lock.file.exists(), lock.held)
lock.release()
print(lock.file.exists())
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "True", "False"]
