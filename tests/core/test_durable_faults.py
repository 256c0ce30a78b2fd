"""Every operation of a save and of a lock fails once, fails for good, or is the last before a crash."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cimgen_qt.core.disk import Disk
from cimgen_qt.core.durable import Lock, stage, write_bytes
from cimgen_qt.core.errors import CimgenError

ERRNOS = ["ENOSPC", "EIO", "EACCES", "EDQUOT", "EROFS", "EMFILE"]
OLD, NEW = b"old" * 1000, b"new" * 2000
OPERATIONS = {name for name in vars(Disk) if not name.startswith("_")}
CLEANING = {"unlink", "names", "stat", "read"}  # these go on working when a disk is full


class FailingDisk(Disk):
    """The N-th call raises `code`; with `for_good` every later call that needs the disk does, too."""

    def __init__(self, fails_at: int, code: int, for_good: bool = False) -> None:
        self.fails_at, self.code, self.for_good = fails_at, code, for_good
        self.calls = 0
        self.failed: list[str] = []
        self.order: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        attribute = super().__getattribute__(name)
        if name not in OPERATIONS:
            return attribute

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            self.order.append(name)
            late = self.for_good and self.calls > self.fails_at and name not in CLEANING
            if self.calls == self.fails_at or late:
                self.failed.append(name)
                if name == "close":
                    attribute(*arguments, **options)
                raise OSError(self.code, os.strerror(self.code))
            return attribute(*arguments, **options)

        return call


def overwrite(folder: Path, disk: Disk) -> None:
    write_bytes(folder / "a.tif", NEW, disk)


def create(folder: Path, disk: Disk) -> None:
    write_bytes(folder / "b.tif", NEW, disk)


def commit_with_sidecar(folder: Path, disk: Disk) -> None:
    with stage(folder / "a.tif", disk=disk) as staged:
        staged.path.write_bytes(NEW)
        staged.path.with_name(staged.path.name + ".ovr").write_bytes(NEW)
        staged.commit()


def discard(folder: Path, disk: Disk) -> None:
    with stage(folder / "a.tif", disk=disk) as staged:
        staged.path.write_bytes(NEW)


def lock(folder: Path, disk: Disk) -> None:
    with Lock(folder / "a.tif", disk=disk):
        assert (folder / "a.tif.lock").is_file()


DEAD = b'{"pid": %d, "host": "h", "user": "u", "program": "p", "time": "t", "place": "%s", "start": "", "token": "x"}'


def take_over(folder: Path, disk: Disk) -> None:
    from cimgen_qt.core.liveness import this_process

    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (folder / "a.tif.lock").write_bytes(DEAD % (process.pid, this_process().place.encode()))
    with Lock(folder / "a.tif", disk=disk):
        assert b"CIMGen" in (folder / "a.tif.lock").read_bytes()


def faults(
    tmp_path: Path, act: Callable[[Path, Disk], None], code: int, for_good: bool
) -> Iterator[tuple[Path, FailingDisk, bool]]:
    for number in range(1, 1000):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "a.tif").write_bytes(OLD)
        disk = FailingDisk(number, code, for_good)
        raised = False
        try:
            act(folder, disk)
        except CimgenError as error:
            raised = True
            assert str(folder) in error.message and error.hint
        if not disk.failed:
            assert number > 3
            return
        yield folder, disk, raised


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("code", ERRNOS)
@pytest.mark.parametrize("act", [overwrite, create, commit_with_sidecar, discard])
def test_a_failed_save_is_told_and_leaves_old_or_new(
    tmp_path: Path, act: Callable[[Path, Disk], None], code: str, for_good: bool
) -> None:
    for folder, disk, raised in faults(tmp_path, act, getattr(errno, code), for_good):
        target = folder / ("b.tif" if act is create else "a.tif")
        content = target.read_bytes() if target.exists() else None
        names = {entry.name for entry in folder.iterdir()}
        where = f"{disk.failed} of {act.__name__}"
        assert content in (OLD if act is not create else None, NEW), where
        assert names <= {"a.tif", "b.tif", "a.tif.ovr"}, where
        harmless = set(disk.failed) <= {"unlink", "set_group"} or act is discard
        assert raised or harmless, where
        if content == NEW:
            assert not raised or disk.failed[0] == "sync_folder", where
        else:
            assert raised or act is discard, where


@pytest.mark.parametrize(
    ("act", "code"), [*((lock, code) for code in ERRNOS), (take_over, "EIO"), (take_over, "EACCES")]
)
def test_a_failed_lock_is_told_and_leaves_no_lock_of_ours(
    tmp_path: Path, act: Callable[[Path, Disk], None], code: str
) -> None:
    for folder, disk, raised in faults(tmp_path, act, getattr(errno, code), for_good=False):
        assert raised or disk.failed == ["unlink"], disk.failed
        lock_file = folder / "a.tif.lock"
        names = {entry.name for entry in folder.iterdir()}
        assert names <= {"a.tif", "a.tif.lock"}, disk.failed
        assert not lock_file.exists() or b"CIMGen" not in lock_file.read_bytes() or "read" in disk.failed, disk.failed
        assert (folder / "a.tif").read_bytes() == OLD


def test_the_file_is_on_the_disk_before_it_gets_its_name_and_the_name_before_the_save_is_over(tmp_path: Path) -> None:
    disk = FailingDisk(0, 0)
    (tmp_path / "a.tif").write_bytes(OLD)
    commit_with_sidecar(tmp_path, disk)
    steps = [name for name in disk.order if name in {"sync", "replace", "sync_folder"}]
    assert steps == ["sync", "sync", "replace", "replace", "sync_folder"]


def test_a_disk_that_takes_one_byte_at_a_time_gets_them_all(tmp_path: Path) -> None:
    class Slow(Disk):
        def write(self, descriptor: int, data: memoryview) -> int:
            return super().write(descriptor, data[:1])

    write_bytes(tmp_path / "a", NEW, Slow())
    assert (tmp_path / "a").read_bytes() == NEW


CRASHES = """
import os, sys
from pathlib import Path
from cimgen_qt.core.disk import Disk
from cimgen_qt.core.durable import Lock, write_bytes
OPERATIONS = {name for name in vars(Disk) if not name.startswith("_")}

class Dying(Disk):
    def __init__(self, last):
        self.left = last
    def __getattribute__(self, name):
        if name in OPERATIONS:
            self.left -= 1
            if self.left < 0:
                os._exit(9)
        return super().__getattribute__(name)

root = Path(sys.argv[1])
for number in range(1000):
    folder = root / str(number)
    folder.mkdir()
    (folder / "a.tif").write_bytes(b"old" * 1000)
    child = os.fork()
    if child == 0:
        disk = Dying(number)
        with Lock(folder / "a.tif", disk=disk):
            write_bytes(folder / "a.tif", b"new" * 2000, disk)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
"""


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_after_a_crash_at_any_operation_the_next_save_goes_through_and_tidies_up(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", CRASHES, str(tmp_path)], check=True, cwd=root)
    folders = sorted(tmp_path.iterdir(), key=lambda folder: int(folder.name))
    assert len(folders) > 15
    contents = [(folder / "a.tif").read_bytes() for folder in folders]
    assert contents == sorted(contents, reverse=True) and set(contents) == {OLD, NEW}
    for folder in folders:
        for torn in folder.glob("*.lock"):
            if not torn.read_bytes():
                os.utime(torn, (1, 1))  # as if some seconds had passed
        with Lock(folder / "a.tif"):
            write_bytes(folder / "a.tif", b"next")
        assert [entry.name for entry in folder.iterdir()] == ["a.tif"]


LIMITED = """
import resource, sys
from pathlib import Path
from cimgen_qt.core.durable import write_bytes
from cimgen_qt.core.errors import ExportError
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
try:
    write_bytes(Path(sys.argv[1]), b"x" * 5000)
except ExportError as error:
    print(error.message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits")
def test_a_limit_of_the_system_itself_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OLD)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "a")]
    said = subprocess.run(command, check=True, cwd=root, capture_output=True, text=True).stdout
    assert "larger than this disk allows" in said
    assert (tmp_path / "a").read_bytes() == OLD and len(list(tmp_path.iterdir())) == 1
