"""Exports that prove themselves, fail without a trace, and can be made again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rio_cogeo import cog_validate

from cimgen_qt import tasks
from cimgen_qt.core.edits import Edit, Rectangle, Stroke
from cimgen_qt.core.errors import CimgenError, ExportError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.palette_io import load_palette
from cimgen_qt.opening import open_project
from cimgen_qt.raster.delivery import read_tags

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

KINDS = {
    "rgb-deflate": {"count": 3, "dtype": "uint8", "compress": "deflate", "tiled": True, "blockxsize": 128, "blockysize": 128,
                    "photometric": "rgb"},
    "uint16-strips-lzw": {"count": 4, "dtype": "uint16", "compress": "lzw", "predictor": 2},
    "float-nan-rotated": {"count": 1, "dtype": "float32", "nodata": np.nan, "compress": "deflate",
                          "transform": Affine(0.4, 0.3, 5e5, 0.3, -0.4, 4e6)},
    "int16-south-up": {"count": 2, "dtype": "int16", "nodata": -32768, "transform": Affine(1, 0, 5e5, 0, 1, 4e6)},
    "rgba-no-crs": {"count": 4, "dtype": "uint8", "crs": None, "transform": None, "photometric": "rgb",
                    "alpha": "yes"},
    "jpeg": {"count": 3, "dtype": "uint8", "compress": "jpeg", "photometric": "ycbcr", "tiled": True, "blockxsize": 256,
             "blockysize": 256},
}  # fmt: skip


def make_image(path: Path, kind: str, height: int = 530, width: int = 610) -> Path:
    options = {"driver": "GTiff", "height": height, "width": width, "crs": "EPSG:32633",
               "transform": Affine(0.5, 0, 4.58e5, 0, -0.5, 5.428e6), **KINDS[kind]}  # fmt: skip
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    base = 90 + 40 * np.sin(x / 37) + 30 * np.cos(y / 29)
    planes = np.stack([base + 9 * b + rng.normal(0, 4, base.shape) for b in range(options["count"])])
    planes = planes.astype(options["dtype"])
    if kind == "rgba-no-crs":
        planes[3] = 255
        planes[3, :40, :40] = 0
    if options["dtype"] == "float32":
        planes[:, :30, :50] = np.nan
    with rasterio.open(path, "w", **options) as out:
        out.write(planes)
        out.update_tags(OWNER="somebody", TIFFTAG_SOFTWARE="test")
        out.update_tags(ns="CUSTOM", key="value")
        out.set_band_description(1, "first")
        out.scales, out.offsets = (0.5,) * options["count"], (3.0,) * options["count"]
        if kind == "rgb-deflate":
            out.build_overviews([2, 4], Resampling.average)
    return path


def make_project(folder: Path, kind: str) -> Path:
    image = make_image(folder / "image.tif", kind)
    project = folder / "p.cimgen"
    run_inline(tasks.run_new(tasks.NewRequest(str(project), str(image))))
    with open_project(project) as opened:
        scene = opened.scene
        scene.paint(Edit(Rectangle(100, 120, 60, 80), 1))
        scene.paint(Edit(Stroke(((300.0, 20.0), (420.0, 500.0)), 7), 2))
    rendered = run_inline(tasks.run_render(tasks.RenderRequest(str(project), "flat", 3)))
    with open_project(project) as opened:
        opened.scene.lay(rendered)
    return project


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    yield {kind: make_project(tmp_path_factory.mktemp("export"), kind) for kind in KINDS}


def deliver(project: Path, target: Path, profile: str = "same", overwrite: bool = False) -> dict[str, object]:
    return run_inline(tasks.run_export(tasks.ExportRequest(str(project), str(target), profile, overwrite)))


def check(target: Path, source: Path | None = None) -> dict[str, object]:
    return run_inline(tasks.run_verify(tasks.VerifyRequest(str(target), None if source is None else str(source))))


@pytest.mark.parametrize("profile", ["same", "cog", "patch"])
@pytest.mark.parametrize("kind", KINDS)
def test_exports_verify_and_replay(projects: dict[str, Path], tmp_path: Path, kind: str, profile: str) -> None:
    project, target = projects[kind], tmp_path / "out.tif"
    facts = deliver(project, target, profile)
    assert facts["changed_pixels"] > 5000
    done = check(target, project.parent / "image.tif")
    assert done["passed"], done["checks"]
    again = run_inline(tasks.run_replay(tasks.ReplayRequest(str(target) + ".json")))
    assert again["different"] == 0
    assert again["pixels"] >= facts["changed_pixels"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "jpeg"])
def test_same_keeps_what_the_source_says_of_itself(projects: dict[str, Path], tmp_path: Path, kind: str) -> None:
    source = projects[kind].parent / "image.tif"
    deliver(projects[kind], tmp_path / "out.tif")
    with rasterio.open(source) as a, rasterio.open(tmp_path / "out.tif") as b:
        for name in ("transform", "crs", "dtypes", "count", "width", "height", "colorinterp", "descriptions", "scales",
                     "offsets", "units", "block_shapes", "compression", "interleaving", "photometric"):  # fmt: skip
            assert getattr(a, name) == getattr(b, name), name
        assert repr(a.nodatavals) == repr(b.nodatavals)
        assert a.overviews(1) == b.overviews(1)
        assert a.tags(ns="CUSTOM") == b.tags(ns="CUSTOM")
        assert a.tags().items() <= b.tags().items()


def test_overviews_show_the_new_pixels(projects: dict[str, Path], tmp_path: Path) -> None:
    deliver(projects["rgb-deflate"], tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as out, rasterio.open(tmp_path / "out.tif", overview_level=0) as half:
        full = out.read(1, window=((100, 160), (120, 200))).reshape(30, 2, 40, 2).mean(axis=(1, 3))
        assert np.abs(half.read(1, window=((50, 80), (60, 100))) - full).max() <= 1


def test_cog_is_valid(projects: dict[str, Path], tmp_path: Path) -> None:
    for kind in KINDS:
        deliver(projects[kind], tmp_path / f"{kind}.tif", "cog")
        valid, errors, _ = cog_validate(tmp_path / f"{kind}.tif", quiet=True)
        assert valid, errors


def read_elsewhere(path: Path, out: Path) -> np.ndarray:
    """As another program reads it: in this one GDAL knows no VRT."""
    code = "import sys, numpy, rasterio; numpy.save(sys.argv[2], rasterio.open(sys.argv[1]).read())"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(path), str(out)], check=True)
    return np.load(out)


def test_vrt_shows_the_patch_over_the_untouched_source(projects: dict[str, Path], tmp_path: Path) -> None:
    for kind in ("rgb-deflate", "float-nan-rotated", "rgba-no-crs"):
        target = tmp_path / f"{kind}.tif"
        deliver(projects[kind], target, "patch")
        with open_project(projects[kind], read_only=True) as opened:
            wanted = opened.snapshot().read_pixels(opened.project.grid.window)
        seen = read_elsewhere(target.with_suffix(".vrt"), tmp_path / "seen.npy")
        assert np.moveaxis(seen, 0, 2).tobytes() == np.ascontiguousarray(wanted).tobytes()
        assert target.stat().st_size < (projects[kind].parent / "image.tif").stat().st_size


def test_the_file_declares_what_was_generated(projects: dict[str, Path], tmp_path: Path) -> None:
    deliver(projects["rgb-deflate"], tmp_path / "out.tif")
    tags = read_tags(tmp_path / "out.tif")
    assert tags["AI_EDITED"] == "YES"
    assert tags["AI_MODEL"].startswith("flat")
    with rasterio.open(tmp_path / "out.tif") as out:
        xmp = str(out.tags(ns="xml:XMP"))
    assert "DigitalSourceType" in xmp
    assert "compositeSynthetic" in xmp
    assert load_palette(tmp_path / "out.classes.qml").find("building").id == 1
    with rasterio.open(tmp_path / "out.origin.tif") as origin:
        assert set(np.unique(origin.read())) <= {0, 1, 2}


def flip(path: Path, row: int, col: int) -> None:
    with rasterio.open(path, "r+") as data:
        pixel = data.read(1, window=((row, row + 1), (col, col + 1)))
        data.write(pixel ^ 1, 1, window=((row, row + 1), (col, col + 1)))


@pytest.mark.parametrize(
    ("file", "row", "col", "name"),
    [
        ("out.tif", 5, 5, "outside the change"),
        ("out.tif", 120, 140, "inside the change"),
        ("out.origin.tif", 120, 140, "origin mask"),
        ("out.classes.tif", 5, 5, "edited classes"),
    ],
)
def test_one_flipped_bit_is_found(
    projects: dict[str, Path], tmp_path: Path, file: str, row: int, col: int, name: str
) -> None:
    deliver(projects["rgb-deflate"], tmp_path / "out.tif")
    flip(tmp_path / file, row, col)
    failed = {c["name"] for c in check(tmp_path / "out.tif")["checks"] if not c["ok"]}
    assert name in failed


def test_a_tag_taken_away_is_found(projects: dict[str, Path], tmp_path: Path) -> None:
    deliver(projects["rgb-deflate"], tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif", "r+") as out:
        out.update_tags(AI_MODEL="a camera")
    failed = {c["name"] for c in check(tmp_path / "out.tif")["checks"] if not c["ok"]}
    assert failed == {"declaration in the file"}


def test_lossy_sources_are_written_without_loss_and_said_so(projects: dict[str, Path], tmp_path: Path) -> None:
    facts = deliver(projects["jpeg"], tmp_path / "out.tif")
    assert "with loss" in facts["notes"][0]
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.compression.name == "deflate"


def test_an_export_of_an_export_changes_nothing_more(projects: dict[str, Path], tmp_path: Path) -> None:
    deliver(projects["rgb-deflate"], tmp_path / "one.tif")
    run_inline(tasks.run_new(tasks.NewRequest(str(tmp_path / "q.cimgen"), str(tmp_path / "one.tif"))))
    facts = deliver(tmp_path / "q.cimgen", tmp_path / "two.tif")
    assert facts["changed_pixels"] == 0
    with rasterio.open(tmp_path / "one.tif") as one, rasterio.open(tmp_path / "two.tif") as two:
        assert one.read().tobytes() == two.read().tobytes()


def test_source_and_existing_files_are_never_written_over(projects: dict[str, Path], tmp_path: Path) -> None:
    project = projects["rgb-deflate"]
    source = project.parent / "image.tif"
    before = source.read_bytes()
    (tmp_path / "link.tif").symlink_to(source)
    for target in (source, tmp_path / "link.tif"):
        with pytest.raises(ExportError, match="source"):
            deliver(project, target, overwrite=True)
    (tmp_path / "out.tif").write_bytes(b"mine")
    with pytest.raises(ExportError, match="exists already"):
        deliver(project, tmp_path / "out.tif")
    assert source.read_bytes() == before
    assert (tmp_path / "out.tif").read_bytes() == b"mine"
    deliver(project, tmp_path / "out.tif", overwrite=True)
    assert check(tmp_path / "out.tif")["passed"]


@pytest.mark.parametrize("profile", ["same", "cog", "patch"])
def test_a_cancelled_export_leaves_nothing(projects: dict[str, Path], tmp_path: Path, profile: str) -> None:
    for stop in range(0, 40, 3):
        job = tasks.run_export(tasks.ExportRequest(str(projects["rgb-deflate"]), str(tmp_path / "out.tif"), profile))
        with ExitStack() as stack:
            stack.callback(job.close)
            for _ in range(stop):
                if next(job, None) is None:
                    break
        if not any(tmp_path.iterdir()):
            continue
        assert (tmp_path / "out.tif").exists(), sorted(p.name for p in tmp_path.iterdir())
        break
    else:
        return
    assert check(tmp_path / "out.tif")["passed"]


def test_damage_on_the_way_is_noticed_before_anything_is_replaced(
    projects: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cimgen_qt.raster.write import CopyWriter

    honest = CopyWriter.finish

    def damaged(self: CopyWriter, tags: object, xmp: bytes) -> object:
        self._data.write(np.zeros((3, 4, 4), np.uint8), window=((0, 4), (0, 4)))
        return honest(self, tags, xmp)  # type: ignore[arg-type]

    monkeypatch.setattr(CopyWriter, "finish", damaged)
    with pytest.raises(ExportError, match="differs from the scene"):
        deliver(projects["rgb-deflate"], tmp_path / "out.tif")
    assert list(tmp_path.iterdir()) == []


def test_changed_source_is_noticed(tmp_path: Path) -> None:
    project = make_project(tmp_path, "rgb-deflate")
    flip(tmp_path / "image.tif", 3, 3)
    with pytest.raises(CimgenError, match="has changed"):
        deliver(project, tmp_path / "out.tif")


@pytest.mark.parametrize("damage", ["{}", "[1]", "not json", '{"format": "cimgen-export/9"}'])
def test_nonsense_sidecars_are_refused(tmp_path: Path, damage: str) -> None:
    (tmp_path / "x.tif.json").write_text(damage)
    with pytest.raises(ExportError, match="sidecar"):
        run_inline(tasks.run_replay(tasks.ReplayRequest(str(tmp_path / "x.tif.json"))))


def test_sidecar_names_no_place_of_the_user(projects: dict[str, Path], tmp_path: Path) -> None:
    deliver(projects["rgb-deflate"], tmp_path / "out.tif")
    text = (tmp_path / "out.tif.json").read_text()
    assert str(Path.home()) not in text.replace(str(tmp_path), "")
    data = json.loads(text)
    assert data["declaration"]["generated"] is True
    assert {c["class_to"] for c in data["changes"]} == {"building", "road"}
    assert Window(0, 0, data["grid"]["height"], data["grid"]["width"]) == Window(0, 0, 530, 610)
