"""Hostile files are refused quickly, in words, and reach nothing, not even when the guard is fooled."""

from __future__ import annotations

import json
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from cimgen_qt.core.errors import RasterError
from cimgen_qt.raster.guard import inspect
from cimgen_qt.raster.metadata import quiet
from cimgen_qt.raster.references import points_elsewhere
from tests.raster.hostile import CANARY, EITHER, NAMES, SPECIAL, STOLEN, cases, harmless, tiff, write
from tests.raster.hostile_reader import MARK

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = (sys.prefix, sys.base_prefix, str(ROOT), "/proc/", "/sys/", "/usr/", "/lib", "/etc/ld.so", "/etc/local", "/dev/urandom", MARK)  # fmt: skip
"""What a Python process opens by itself."""
PROJ = ("proj.db", "proj.ini")
"""PROJ looks for its database in several places when a CRS is odd."""
ALL = [*cases("/secret.tif", "http://127.0.0.1:9/"), *SPECIAL]
FINE = set(harmless(""))
LIMIT_S, LIMIT_MIB = 2.0, 512
REASONS = {
    "3000 directories": "directories", "65535 tags": "one directory has", "the same tag twice": "twice", "directory is its own next": "circle",
    "directory hangs below itself": "circle", "directories in a circle of two": "circle", "400 tags share a mebibyte": "over each other",
    "1000 pages share 4 MiB of something": "over each other", "5 million strips": "5000000 blocks", "metadata of 9 MiB": "bytes long",
    "bits of a million bands": "bytes long", "big header with odd sizes": "header", "no directory": "no image", "width 0": "measure 0 x 16",
    "4 billion wide": "said to measure 4294967295 x 16 p", "65535 bands": "said to have", "33 bits": "bits", "tiles of no width": "measure 0 x 16",
    "tiles of 4 billion": "blocks are said", "one huge packed strip": "MiB", "tiles of 2 GiB": "MiB", "sparse and absurdly large": "do not fit",
    "200 MB in a strip of 256 bytes": "very large block", "pixels outside the file": "outside the file", "no place of strips": "where its",
    "a pipe": "plain file", "world file is a pipe": "plain file", "sidecar is a pipe": "plain file", "pam of 9 MiB": "too large",
    "overviews of overviews": "sidecar of a sidecar", "overview is a link elsewhere": "link", "pam is a link elsewhere": "link",
    "old pyramid elsewhere": "another folder", "jpeg of 65500 squared": "do not fit", "png interlaced and huge": "do not fit",
    "overviews redirected below": "leads to another", "vrt in the description": "description leads", "65535 bits": "bits",
    "a dangling link": "found", "overview is text": "but is no TIFF", "mask is a vrt": "but is no TIFF", "pam with entities": "leads to another",
    "entity in metadata": "leads to another", "positions in another file": "leads to another",
}  # fmt: skip
"""What is said of the one thing that is wrong with each: a refusal for another reason would hide a hole."""


@dataclass
class Watched:
    """What a child process did with some files; `opened` has what strace saw, by path, or nothing without strace."""

    made: dict[str, Path]
    results: dict[str, dict[str, Any]]
    opened: dict[str, list[str]]
    calls: list[bytes]
    trace: str


class CanaryServer:
    """Hears whoever calls."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/{CANARY}"

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(1)
                self.heard.append(connection.recv(200))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))


def read_in_a_child(folder: Path, paths: list[Path], *options: str) -> tuple[list[dict[str, Any]], str]:
    """What the child said, and the trace of it."""
    fine, trace, asked = folder / "fine.tif", folder / "trace.txt", folder / "paths.json"
    fine.write_bytes(tiff())
    asked.write_text(json.dumps([str(p) for p in (fine, *paths)]))
    command = [sys.executable, "-m", "tests.raster.hostile_reader", str(asked), *options]
    strace = shutil.which("strace")
    if strace:
        command = [strace, "-f", "-qq", "-s", "4096", "-e", "trace=open,openat,connect", "-o", str(trace), *command]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=250, preexec_fn=limited, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()], trace.read_text() if strace else ""


def opened_by_file(trace: str, paths: list[str]) -> dict[str, list[str]]:
    """Path of a hostile file -> what was opened while it was looked at."""
    found: dict[str, list[str]] = {}
    current = ""
    for path in re.findall(r'open(?:at)?\([^"]*"([^"]*)"', trace):
        if path.startswith(MARK):
            current = paths[int(path.removeprefix(MARK))]
        elif current:
            found.setdefault(current, []).append(path)
    return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """All hostile files, read by one child."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "files").mkdir()
    server = CanaryServer()
    made = write(folder / "files", server.url)
    results, trace = read_in_a_child(folder, [*made.values(), *map(Path, NAMES)])
    server.close()
    paths = [str(r["path"]) for r in results]
    by_path = {str(r["path"]): r for r in results}
    yield Watched(made, by_path, opened_by_file(trace, paths), server.heard, trace)


def test_there_are_enough_of_them() -> None:
    assert len(ALL) == len(set(ALL)) >= 140


@pytest.mark.parametrize("name", ALL)
def test_hostile_file(watched: Watched, name: str) -> None:
    """Refused with a hint (or right to open), in time, with nothing of another file in the pixels."""
    result = watched.results[str(watched.made[name])]
    assert result["refused"] == (name not in FINE) or name in EITHER, result["message"]
    assert result["hint"] or not result["refused"]
    assert REASONS.get(name, "") in result["message"].replace(name, "")
    assert result["seconds"] < LIMIT_S
    assert result["value"] != STOLEN
    stem = str(watched.made[name].with_suffix(""))
    folder = str(watched.made[name].parent)
    for path in [*result["asked"], *watched.opened.get(str(watched.made[name]), [])]:
        assert path == folder or path.startswith((stem, *SYSTEM)), path


@pytest.mark.parametrize("word", ["OVERVIEW_FILE", "/vsi", "<!DOCTYPE", "<!ENTITY", "SourceFilename", "SourceDataset", "VRTDataset",
                                  "<GDAL_WMS", "<GDAL_MRF", "MRF_META", "<WCS_GDAL", "GDALTileIndexDataset", "X_DATASET", "Y_DATASET",
                                  "DERIVED_SUBDATASET:", "AuxiliaryDataset"])  # fmt: skip
@pytest.mark.parametrize("hidden", ["{0}", "{0.upper}", "&#x{1:x};{2}", "&amp;#{1};{2}"])
def test_each_word_that_gdal_follows_is_found(word: str, hidden: str) -> None:
    said = word.upper() if "upper" in hidden else hidden.format(word, ord(word[0]), word[1:])
    assert points_elsewhere(f"<GDALMetadata>{said}</GDALMetadata>".encode())
    assert not points_elsewhere(f"<GDALMetadata>{word[: len(word) // 2]}</GDALMetadata>".encode())


@pytest.mark.parametrize("name", NAMES)
def test_hostile_name(watched: Watched, name: str) -> None:
    result = watched.results[str(Path(name))]
    assert result["refused"]
    assert result["hint"]
    for path in [*result["asked"], *watched.opened.get(str(Path(name)), [])]:
        assert path.startswith(SYSTEM), path


def test_nobody_was_called_and_nothing_grew(watched: Watched) -> None:
    assert watched.calls == []
    assert not [line for line in watched.trace.splitlines() if "connect(" in line and "AF_INET" in line]
    assert max(r["peak_mib"] for r in watched.results.values()) < LIMIT_MIB
    assert sorted(p.name for p in watched.made["7 bits"].parent.glob("7 bits*")) == ["7 bits.tif"]


def test_strace_was_there() -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is missing: what GDAL itself opens was judged by pixels and the canary server alone")


REACHES_OUT = ("overviews redirected to an address", "overview is a tiff and a service", "wms as overview")
"""GDAL calls the first and the last if it is left to itself."""


def test_no_network_even_if_the_guard_were_fooled(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    server = CanaryServer()
    made = write(tmp_path / "files", server.url)
    service = f'<GDAL_WMS><Service name="TMS"><ServerUrl>{server.url}/${{z}}/${{x}}/${{y}}</ServerUrl></Service><DataWindow><SizeX>8</SizeX><SizeY>8</SizeY></DataWindow><BandsCount>1</BandsCount><BlockSizeX>8</BlockSizeX><BlockSizeY>8</BlockSizeY></GDAL_WMS>'
    made["wms as overview"] = tmp_path / "files" / "wms.tif"
    made["wms as overview"].write_bytes(tiff())
    (tmp_path / "files" / "wms.tif.ovr").write_text(service)
    results, trace = read_in_a_child(tmp_path, [made[name] for name in REACHES_OUT], "unguarded")
    server.close()
    assert len(results) == len(REACHES_OUT) + 1
    assert server.heard == []
    assert not [line for line in trace.splitlines() if "connect(" in line and "AF_INET" in line]


def test_every_real_file_passes(shared_data: Path) -> None:
    files = [p for p in shared_data.rglob("*") if p.suffix in (".tif", ".png", ".jpg")]
    assert len(files) > 100
    refused = []
    for path in files:
        try:
            inspect(path)
        except RasterError as error:
            refused.append(f"{path.name}: {error.message}")
    assert refused == []


OPTIONS: list[dict[str, Any]] = [
    {}, {"tiled": True, "blockxsize": 64, "blockysize": 64}, {"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"}, {"SPARSE_OK": True},
    {"compress": "zstd"}, {"compress": "lzw", "interleave": "band"}, {"NBITS": 12}, {"compress": "lerc"}, {"compress": "lzma"},
    {"compress": "packbits"}, {"compress": "deflate", "predictor": 2}, {"BIGTIFF": "YES", "ENDIANNESS": "BIG"}, {"blockysize": 1},
    {"driver": "COG"}, {"driver": "COG", "compress": "lzw"}, {"COPY_SRC_OVERVIEWS": "YES", "tiled": True},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(map(str, o.values())) or "plain")
def test_a_sound_file_passes(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "sound.tif"
    options = {"driver": "GTiff"} | options
    with rasterio.open(path, "w", width=700, height=600, count=3, dtype="uint16", crs="EPSG:32633",
                       transform=rasterio.Affine(1, 0, 9, 0, -1, 9), nodata=0, **options) as out:  # fmt: skip
        out.write(np.full((3, 600, 700), 9, np.uint16))
        out.update_tags(NOTE="see https://example.org/a.xml", DATE="2026:11:23")
        out.update_tags(ns="xml:XMP", **{"": '<x xmlns:a="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'})
        if options["driver"] == "GTiff":
            out.write_mask(np.ones((600, 700), np.bool_))
    if options["driver"] == "GTiff":
        with rasterio.open(path, "r+") as out:
            out.build_overviews([2, 4])
    assert inspect(path).driver == "GTiff"


@pytest.mark.parametrize("bits", range(1, 17))
def test_every_number_of_bits_passes(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "bits.tif"
    with rasterio.open(path, "w", driver="GTiff", width=40, height=40, count=1, NBITS=bits,
                       dtype="uint8" if bits < 9 else "uint16", transform=rasterio.Affine(1, 0, 9, 0, -1, 9)):  # fmt: skip
        pass
    assert inspect(path).driver == "GTiff"


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_very_large_sparse_orthophoto_passes(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "large.tif"
    with rasterio.open(path, "w", driver="GTiff", width=100_000, height=100_000, count=4, dtype=dtype, tiled=True, blockxsize=512,
                       blockysize=512, transform=rasterio.Affine(0.1, 0, 0, 0, -0.1, 0), BIGTIFF="YES", SPARSE_OK=True):  # fmt: skip
        pass
    assert inspect(path).driver == "GTiff"


def test_a_whole_image_in_one_strip_passes(tmp_path: Path) -> None:
    path = tmp_path / "strip.tif"
    head = tiff({256: (4, [30000]), 257: (4, [20000]), 278: (4, [20000]), 279: (4, [600_000_000]), 273: (4, [1000])})
    path.write_bytes(head)
    with path.open("r+b") as file:
        file.truncate(600_001_000)
    assert inspect(path).driver == "GTiff"


def test_more_than_a_thousand_files_in_a_folder_hide_no_sidecar(tmp_path: Path) -> None:
    for number in range(1100):
        (tmp_path / f"{number}.txt").touch()
    (tmp_path / "x.tif").write_bytes(tiff())
    (tmp_path / "x.tif.oVr").write_text("<VRTDataset/>")
    with pytest.raises(RasterError, match="no TIFF"):
        inspect(tmp_path / "x.tif")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_the_made_image_is_sound_before_it_is_spoiled(tmp_path: Path, order: str, big: bool) -> None:
    (tmp_path / "t.tif").write_bytes(tiff(order=order, big=big))
    assert inspect(tmp_path / "t.tif").driver == "GTiff"
    with quiet(), rasterio.open(tmp_path / "t.tif") as data:
        assert (data.read(1) == 7).all()


def seeds(folder: Path) -> list[tuple[str, bytes]]:
    """Small sound files of unlike inner structure."""
    rng = np.random.default_rng(9)
    made = []
    for number, options in enumerate(
        [{"compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16}, {"compress": "lzw"}, {"BIGTIFF": "YES"},
         {"compress": "jpeg", "photometric": "ycbcr"}, {"ENDIANNESS": "BIG", "interleave": "band"}, {"compress": "zstd"},
         {"driver": "PNG"}, {"driver": "JPEG"}]
    ):  # fmt: skip
        path = folder / f"seed{number}.tif"
        with rasterio.open(path, "w", **({"driver": "GTiff"} | options), width=40, height=40, count=3, dtype="uint8",
                           crs="EPSG:32633", transform=rasterio.Affine(1, 0, 9, 0, -1, 9)) as out:  # fmt: skip
            out.write(rng.integers(0, 255, (3, 40, 40), np.uint8))
            out.update_tags(A="b", NOTE="n" * 50)
            if number < 2:
                out.build_overviews([2])
        made.append((".tif", path.read_bytes()))
        aux = path.with_name(f"{path.name}.aux.xml")
        if aux.exists():
            made.append((".tif.aux.xml", aux.read_bytes()))
    return made


def mutated(folder: Path, count: int, seed: int) -> list[Path]:
    """`count` files, each with one to eight bytes changed, most of them in the head; every fifth is a sidecar."""
    rng = np.random.default_rng(seed)
    sound = seeds(folder)
    paths = []
    for number in range(count):
        path = folder / "mutated" / f"{number // 100}" / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        end, content = sound[number % len(sound)]
        changed = bytearray(content)
        for at in rng.integers(0, len(changed) if number % 3 else min(400, len(changed)), 1 + number % 8):
            changed[at] = rng.choice([0, 1, 127, 128, 255, int(rng.integers(0, 256))])
        path.write_bytes(tiff() if end != ".tif" else bytes(changed))
        if end != ".tif" or number % 5 == 0:
            beside = end.removeprefix(".tif") or (".ovr" if number % 2 else ".msk")
            Path(f"{path}{beside}").write_bytes(changed)
        paths.append(path)
    return paths


def judge_mutated(folder: Path, count: int, seed: int) -> None:
    paths = mutated(folder, count, seed)
    results, trace = read_in_a_child(folder, paths)
    assert len(results) == count + 1
    assert max(r["seconds"] for r in results) < LIMIT_S
    assert max(r["peak_mib"] for r in results) < LIMIT_MIB
    for path, opened in opened_by_file(trace, [str(r["path"]) for r in results]).items():
        own = (path.removesuffix(".tif"), str(Path(path).parent))
        assert [p for p in opened if not p.startswith((*own, *SYSTEM)) and not p.endswith(PROJ)] == []
    assert 0.05 < np.mean([r["refused"] for r in results]) < 0.95


def test_mutations_never_crash_or_hang_the_reader(tmp_path: Path) -> None:
    judge_mutated(tmp_path, 500, 1)


@pytest.mark.slow
def test_seven_thousand_mutations_never_crash_or_hang_the_reader(tmp_path: Path) -> None:
    judge_mutated(tmp_path, 7000, 2)
