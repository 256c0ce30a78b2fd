"""What the user finds at the path after a save, a cancelled save and a refused one."""

import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cimgen_qt.core.durable import (
    RESERVE_BYTES,
    check_space,
    remove_quietly,
    require_writable,
    stage,
    write_bytes,
    write_text,
)
from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.liveness import part_path

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permission bits and links")


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_bytes_arrive_whole_and_nothing_lies_beside_them(tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    write_bytes(tmp_path / "a.bin", memoryview(data))
    assert (tmp_path / "a.bin").read_bytes() == data
    assert names(tmp_path) == ["a.bin"]


def test_text_keeps_its_line_ends_and_is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "ä.txt", "Wiese\r\nÄcker\n")
    assert (tmp_path / "ä.txt").read_bytes() == "Wiese\r\nÄcker\n".encode()


def test_the_target_is_untouched_until_commit(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with stage(target) as staged:
        assert staged.path.parent == target.parent
        assert staged.path.name.startswith(".a.txt.") and staged.path.name.endswith(".part")
        staged.path.write_text("new")
        assert target.read_text() == "old"
        staged.commit()
        assert target.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_leaving_without_commit_discards(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), stage(target) as staged:
        staged.path.write_text("half")
        staged.path.with_name(staged.path.name + ".aux.xml").write_text("<x/>")
        raise KeyboardInterrupt
    assert names(tmp_path) == ["a.txt"] and target.read_text() == "old"


def test_a_writer_may_delete_and_create_the_staged_file_and_leave_sidecars(tmp_path: Path) -> None:
    with stage(tmp_path / "a.tif") as staged:
        staged.path.unlink()
        staged.path.write_text("raster")
        staged.path.with_name(staged.path.name + ".aux.xml").write_text("<x/>")
        staged.commit()
    assert names(tmp_path) == ["a.tif", "a.tif.aux.xml"]


def test_a_suffix_can_be_kept_for_writers_that_judge_by_it(tmp_path: Path) -> None:
    with stage(tmp_path / "a.gpkg", keep_suffix=True) as staged:
        assert staged.path.suffix == ".gpkg"


def test_a_commit_happens_once(tmp_path: Path) -> None:
    with stage(tmp_path / "a") as staged:
        staged.commit()
        with pytest.raises(ExportError, match="finished already"):
            staged.commit()


def test_a_file_that_was_not_written_is_an_error(tmp_path: Path) -> None:
    with stage(tmp_path / "a") as staged:
        staged.path.unlink()
        with pytest.raises(ExportError, match="does not exist"):
            staged.commit()
    assert names(tmp_path) == []


@pytest.mark.parametrize("existed", [True, False])
def test_a_target_changed_by_another_program_is_not_overwritten(tmp_path: Path, existed: bool) -> None:
    target = tmp_path / "a.txt"
    if existed:
        target.write_text("old")
    with stage(target) as staged:
        staged.path.write_text("ours")
        target.write_text("theirs")
        with pytest.raises(ExportError, match="another program"):
            staged.commit()
    assert target.read_text() == "theirs" and names(tmp_path) == ["a.txt"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o604])
def test_permission_bits_of_the_replaced_file_are_kept(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    target.chmod(mode)
    with stage(target) as staged:
        staged.path.unlink()
        staged.path.write_text("new")
        staged.commit()
    assert stat.S_IMODE(target.stat().st_mode) == mode


@posix
def test_the_group_of_the_replaced_file_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    try:
        os.chown(target, -1, next((group for group in os.getgroups() if group != os.getgid()), 12345))
    except PermissionError:
        pytest.skip("this user is in one group only")
    group = target.stat().st_gid
    write_text(target, "new")
    assert target.stat().st_gid == group != os.getgid()


@posix
def test_a_private_file_is_private_while_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    target.chmod(0o600)
    with stage(target) as staged:
        assert stat.S_IMODE(staged.path.stat().st_mode) == 0o600


@posix
def test_a_new_file_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@posix
def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    real, link = tmp_path / "data" / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    with stage(link) as staged:
        assert staged.path.parent == real.parent
        staged.path.write_text("new")
        staged.commit()
    assert link.is_symlink() and real.read_text() == "new"
    assert names(tmp_path / "data") == ["real.txt"]


@posix
def test_hard_links_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    with caplog.at_level(logging.WARNING), stage(tmp_path / "a") as staged:
        assert "hard links" in staged.notes[0]
        staged.commit()
    assert "hard links" in caplog.text
    assert (tmp_path / "b").read_text() == "old"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nowhere does not exist") as caught:
        stage(tmp_path / "nowhere" / "a.tif")
    assert "Create it" in caught.value.hint


def test_a_folder_is_no_target(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is a folder"):
        stage(tmp_path)
    assert names(tmp_path) == []


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(ExportError, match=r"not a folder|does not exist"):
        stage(tmp_path / "a" / "b")


@posix
def test_a_pipe_is_no_target(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ExportError, match="no plain file"):
        stage(tmp_path / "pipe")


@posix
def test_links_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ExportError, match="circle"):
        stage(tmp_path / "a")


def test_a_write_protected_file_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    target.chmod(0o444)
    with pytest.raises(ExportError, match="write-protected"):
        write_text(target, "new")
    assert target.read_text() == "old" and names(tmp_path) == ["a"]


def test_a_long_name_is_shortened_for_the_part_and_kept_for_the_file(tmp_path: Path) -> None:
    name = "ä" * 122 + ".txt"
    with stage(tmp_path / name) as staged:
        assert len(os.fsencode(staged.path.name)) <= 240
        staged.commit()
    assert names(tmp_path) == [name]


def test_a_name_too_long_for_the_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"too long|does not exist"):
        stage(tmp_path / ("x" * 300))
    assert names(tmp_path) == []


def test_space_is_compared_with_a_reserve(tmp_path: Path) -> None:
    check_space(tmp_path / "a", 1000)
    with pytest.raises(ExportError, match=r"needs about .* MB, but its disk has .* MB left"):
        check_space(tmp_path / "a", 10**18)


def test_space_that_would_use_up_the_reserve_is_refused(tmp_path: Path) -> None:
    from cimgen_qt.core.disk import Disk

    class Small(Disk):
        def free_bytes(self, folder: Path) -> int:
            return RESERVE_BYTES + 1000

    check_space(tmp_path / "a", 1000, Small())
    with pytest.raises(ExportError):
        check_space(tmp_path / "a", 1001, Small())


def test_asking_whether_a_target_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    require_writable(tmp_path / "a.tif")
    assert names(tmp_path) == []
    with pytest.raises(ExportError):
        require_writable(tmp_path / "no" / "a.tif")


def test_parts_of_dead_processes_are_removed_and_others_stay(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from cimgen_qt.core.liveness import part_path;"
    code += "p = part_path(Path(sys.argv[1])); p.write_text('half'); (p.parent / (p.name + '.ovr')).write_text('o')"
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.tif")], check=True, cwd=root)
    alive = part_path(tmp_path / "alive.tif")
    foreign = part_path(tmp_path / "foreign.tif")
    mark = foreign.name.split(".")[3]
    foreign = foreign.with_name(foreign.name.replace(mark, "ffffff" + mark[6:]))
    lookalike = tmp_path / ".notes.part"
    for path in (alive, foreign, lookalike):
        path.write_text("x")
    assert len(names(tmp_path)) == 5
    write_text(tmp_path / "b.txt", "x")
    assert names(tmp_path) == sorted([alive.name, foreign.name, lookalike.name, "b.txt"])


def test_removing_quietly_says_whether_the_file_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert remove_quietly(tmp_path / "a") and remove_quietly(tmp_path / "a")
    (tmp_path / "folder").mkdir()
    assert not remove_quietly(tmp_path / "folder")
