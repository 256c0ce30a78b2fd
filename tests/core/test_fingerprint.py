"""A file is known again by content, whatever its name and time say."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from cimgen_qt.core.errors import RasterError
from cimgen_qt.core.fingerprint import SAMPLE, SAMPLES, WHOLE_BELOW, fingerprint


def test_small_files_are_hashed_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"pixels" * 1000)
    assert fingerprint(tmp_path / "a").digest == f"sha256:{hashlib.sha256(b'pixels' * 1000).hexdigest()}"


def test_a_copy_matches_and_a_changed_byte_does_not(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(bytes(5000))
    other.write_bytes(bytes(5000))
    os.utime(other, ns=(1, 1))
    known = fingerprint(one)
    assert known.matches(other)
    other.write_bytes(bytes(2500) + b"x" + bytes(2499))
    os.utime(other, ns=(1, 1))
    assert not known.matches(other)
    assert not known.matches(tmp_path / ".." / tmp_path.name / "other")


def test_another_size_is_another_file_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    known = fingerprint(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"abcd")
    os.utime(tmp_path / "a", ns=(known.mtime_ns, known.mtime_ns))
    assert not known.matches(tmp_path / "a")


@pytest.mark.parametrize("at", [0, -1, "between", "size"])
def test_huge_files_are_sampled_at_both_ends_and_between(tmp_path: Path, at: int | str) -> None:
    path = tmp_path / "huge"
    size = WHOLE_BELOW + 10 * SAMPLE
    with path.open("wb") as file:
        file.truncate(size)
    known = fingerprint(path)
    assert known.digest.startswith("sampled-sha256:")
    assert known.digest == fingerprint(path).digest
    with path.open("r+b") as file:
        if at == "size":
            file.truncate(size + 1)
        else:
            file.seek({0: 0, -1: size - 1, "between": (size - SAMPLE) * 7 // (SAMPLES - 1) + 5}[at])
            file.write(b"x")
    assert fingerprint(path).digest != known.digest


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    known = fingerprint(tmp_path / "a")
    for ask in (fingerprint, known.matches):
        with pytest.raises(RasterError, match="nowhere"):
            ask(tmp_path / "nowhere")
