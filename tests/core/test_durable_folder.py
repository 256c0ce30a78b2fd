"""A staged folder stands complete or not at all."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from cimgen_qt.core.disk import Disk
from cimgen_qt.core.durable_folder import stage_folder
from cimgen_qt.core.errors import ExportError


def test_committed_folder_holds_every_file(tmp_path: Path) -> None:
    target = tmp_path / "new" / "set"
    with stage_folder(target) as staged:
        (staged.path / "images").mkdir()
        staged.fill("images/a.txt", b"a\n")
        staged.fill("table", b"")
        assert not target.exists()
        staged.commit()
    assert sorted(p.relative_to(target).as_posix() for p in target.rglob("*")) == ["images", "images/a.txt", "table"]
    assert [p.name for p in target.parent.iterdir()] == ["set"]


def test_leaving_without_commit_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), stage_folder(tmp_path / "set") as staged:
        staged.fill("a", b"x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken_and_a_full_one_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with stage_folder(tmp_path / "empty") as staged:
        staged.fill("a", b"x")
        staged.commit()
    assert (tmp_path / "empty" / "a").read_bytes() == b"x"
    with pytest.raises(ExportError, match="exists already"):
        stage_folder(tmp_path / "empty")


def test_what_came_there_meanwhile_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ExportError), stage_folder(tmp_path / "set") as staged:
        staged.fill("a", b"x")
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "other").write_text("not ours")
        staged.commit()
    assert [p.name for p in (tmp_path / "set").iterdir()] == ["other"]
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


class _Full(Disk):
    def write(self, descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "full")


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="disk is full"), stage_folder(tmp_path / "set", _Full()) as staged:
        staged.fill("a", b"x")
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_left_is_removed(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from cimgen_qt.core.durable_folder import stage_folder;"
        "stage_folder(Path(sys.argv[1])).fill('a', b'x'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "set")], check=False, timeout=60)
    assert [p.suffix for p in tmp_path.iterdir()] == [".part"]
    with stage_folder(tmp_path / "other") as staged:
        staged.commit()
    assert [p.name for p in tmp_path.iterdir()] == ["other"]
