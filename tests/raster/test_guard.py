"""Hostile files are refused quickly, in words, and reach nothing; real ones all pass."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from cimgen_qt.core.errors import RasterError
from cimgen_qt.raster.guard import inspect
from tests.raster.hostile import CANARY, NAMES, hostile, tiff

ROOT = Path(__file__).resolve().parents[2]
HARMLESS = {
    "7 bits",
    "address in metadata",
    "pam names an address",
    "cut in the pixels",
    "fewer strips than rows",
    "strip longer than the file",
}
"""What may also be read without harm: a note may say an address, as long as nobody follows it."""


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Path], list[dict[str, object]], str]]:
    """All hostile files read by one child: name -> path, what the child said, and what strace saw (if it is there)."""
    folder = tmp_path_factory.mktemp("hostile")
    made = hostile(folder)
    (folder / "fine").mkdir()
    (folder / "fine" / "fine.tif").write_bytes(tiff())
    trace = folder.parent / "trace.txt"
    strace = shutil.which("strace")
    command = [sys.executable, "-m", "tests.raster.hostile", str(folder)]
    if strace:
        command = [strace, "-f", "-qq", "-e", "trace=open,openat,connect", "-o", str(trace), *command]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=200, preexec_fn=limited, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    yield made, [json.loads(line) for line in done.stdout.splitlines()], trace.read_text() if strace else ""


def test_there_are_enough_of_them(watched: tuple[dict[str, Path], list[dict[str, object]], str]) -> None:
    assert len(watched[0]) + len(NAMES) >= 90


def test_every_hostile_file_is_refused_with_a_hint_within_two_seconds(
    watched: tuple[dict[str, Path], list[dict[str, object]], str],
) -> None:
    made, results, _ = watched
    by_path = {result["path"]: result for result in results}
    for name, path in made.items():
        result = by_path[str(path)]
        assert result["refused"] or name in HARMLESS, name
        assert result["hint"] or not result["refused"], name
        assert float(str(result["seconds"])) < 2.0, name
    for name in NAMES:
        assert by_path[str(Path(name))]["refused"], name


def test_nothing_else_was_opened(watched: tuple[dict[str, Path], list[dict[str, object]], str]) -> None:
    made, results, trace = watched
    allowed = {str(p) for p in made.values()}
    for result in results:
        for asked in result["asked"]:  # type: ignore[attr-defined]
            known = any(asked.startswith(path) for path in (*allowed, str(result["path"])))
            assert known or asked.startswith((sys.prefix, sys.base_prefix, str(ROOT))), (result["path"], asked)
    if not trace:
        return  # without strace the audit hook and the canaries have to do
    opened = set(re.findall(r'open(?:at)?\([^"]*"([^"]*)"', trace))
    assert not [line for line in trace.splitlines() if "connect(" in line and "AF_INET" in line]
    touched = [path for path in opened if CANARY in path]
    assert all(path.endswith(f"{CANARY}.tif") for path in touched)
    assert trace.count(f'{CANARY}.tif"') <= 3, "the canary is opened as a file of its own and never through another"


def test_canary_server_hears_nothing(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)

        def listen() -> None:
            try:
                connection, _ = server.accept()
                heard.append(connection.recv(100))
                connection.close()
            except TimeoutError:
                return

        thread = threading.Thread(target=listen)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.tif"
        for name in (url, f"/vsicurl/{url}"):
            with pytest.raises(RasterError):
                inspect(Path(name))
        thread.join()
    assert heard == []


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(RasterError, match="no plain file"):
        inspect(tmp_path / "pipe.tif")


def test_every_real_file_passes(shared_data: Path) -> None:
    files = [p for p in shared_data.rglob("*") if p.suffix in (".tif", ".png", ".jpg")]
    assert len(files) > 100
    assert [p.name for p in files if not inspect(p).driver] == []


def test_sound_files_of_many_kinds_pass(tmp_path: Path) -> None:
    pixels = np.zeros((3, 300, 300), np.uint16)
    for number, options in enumerate(
        [{}, {"tiled": True, "blockxsize": 64, "blockysize": 64}, {"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"}, {"SPARSE_OK": True},
         {"compress": "zstd"}, {"compress": "lzw", "interleave": "band"}, {"NBITS": 12}]
    ):  # fmt: skip
        path = tmp_path / f"{number}.tif"
        with rasterio.open(path, "w", driver="GTiff", width=300, height=300, count=3, dtype="uint16", crs="EPSG:32633",
                           transform=rasterio.Affine(1, 0, 9, 0, -1, 9), **options) as out:  # fmt: skip
            out.write(pixels)
            out.update_tags(NOTE="a plain note", DATE="2026:11:23")
            out.update_tags(ns="xml:XMP", **{"": '<x xmlns:a="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'})
        assert inspect(path).driver == "GTiff"


def test_a_very_large_sparse_orthophoto_passes(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    with rasterio.open(path, "w", driver="GTiff", width=100_000, height=100_000, count=3, dtype="uint8", tiled=True,
                       crs="EPSG:32633", transform=rasterio.Affine(0.1, 0, 0, 0, -0.1, 0), BIGTIFF="YES", SPARSE_OK=True):  # fmt: skip
        pass
    assert inspect(path).driver == "GTiff"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_the_made_image_is_sound_before_it_is_spoiled(tmp_path: Path, order: str, big: bool) -> None:
    (tmp_path / "t.tif").write_bytes(tiff(order=order, big=big))
    assert inspect(tmp_path / "t.tif").driver == "GTiff"


def test_mutations_never_crash_or_hang_the_reader(tmp_path: Path) -> None:
    folder = tmp_path / "mutated"
    (folder / "fine").mkdir(parents=True)
    (folder / "fine" / "fine.tif").write_bytes(tiff())
    rng = np.random.default_rng(9)
    seeds = []
    for number, options in enumerate([{"compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16},
                                      {"compress": "lzw"}, {"BIGTIFF": "YES"}]):  # fmt: skip
        path = tmp_path / f"seed{number}.tif"
        with rasterio.open(path, "w", driver="GTiff", width=40, height=40, count=3, dtype="uint8", crs="EPSG:32633",
                           transform=rasterio.Affine(1, 0, 9, 0, -1, 9), **options) as out:  # fmt: skip
            out.write(rng.integers(0, 255, (3, 40, 40), np.uint8))
        seeds.append(path.read_bytes())
    for number in range(300):
        content = bytearray(seeds[number % 3])
        for at in rng.integers(0, len(content) if number % 2 else min(400, len(content)), 1 + number % 4):
            content[at] = rng.integers(0, 256)
        (folder / f"{number:03}.tif").write_bytes(content)
    command = [sys.executable, "-m", "tests.raster.hostile", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=200, preexec_fn=limited, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == 301 + len(NAMES)
    assert max(r["seconds"] for r in results) < 2.0
