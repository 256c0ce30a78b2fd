"""Datasets from folders, files and projects: what is cut, what is held out, what is left out and why."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.datasets.curation import fault_of
from cimgen_qt.datasets.duplicates import find_copies, thumbnail, to_remove
from cimgen_qt.datasets.job import make_dataset
from cimgen_qt.datasets.request import PRESETS, DatasetRequest, Limits, with_preset
from cimgen_qt.datasets.split import GAP, SplitRule, split_blocks
from cimgen_qt.datasets.store import open_dataset
from cimgen_qt.learning import run_dataset
from cimgen_qt.tasks import MapSourceRequest, NewRequest, run_new

PALETTE = "\n".join(
    f'[[class]]\nid = {i}\nname = "{n}"\ncolour = "{c}"'
    for i, n, c in (
        (0, "unlabelled", "#808080"),
        (1, "building", "#d55e00"),
        (2, "land", "#f5e65a"),
        (3, "water", "#0072dc"),
    )
)


def ground(seed: int, height: int = 160, width: int = 224) -> tuple[np.ndarray, np.ndarray]:
    """A place of its own: waves of a random kind with houses on them."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    waves = sum(
        np.sin(rows * rng.uniform(-0.3, 0.3) + cols * rng.uniform(-0.3, 0.3) + rng.uniform(0, 6)) for _ in range(6)
    )
    photo = 120 + 18 * waves[..., None] + rng.normal(0, 8, (height, width, 3))
    labels = np.full((height, width), 2, np.uint8)
    for _ in range(12):
        row, col = rng.integers(0, height - 20), rng.integers(0, width - 24)
        labels[row : row + 16, col : col + 20] = 1
        photo[row : row + 16, col : col + 20] += rng.uniform(-60, 60)
    return np.clip(photo, 0, 255).astype(np.uint8), labels


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("images", "maps"):
        (tmp_path / name).mkdir()
    (tmp_path / "palette.toml").write_text(PALETTE)
    for number in range(4):
        photo, labels = ground(number)
        Image.fromarray(photo).save(tmp_path / "images" / f"scene{number}.png")
        Image.fromarray(labels).save(tmp_path / "maps" / f"scene{number}.png")
    return tmp_path


def request(folder: Path, **more: object) -> DatasetRequest:
    given = {"images": str(folder / "images"), "maps": str(folder / "maps"), "palette": str(folder / "palette.toml"),
             "side": 64, "smallest": 32, "held_out": 0.0}  # fmt: skip
    return DatasetRequest(str(folder / "out"), **(given | more))


def removed(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "removed.csv").open() as file:
        return list(csv.DictReader(file))


def test_folders_of_pairs_become_tiles_that_hold_what_was_there(folders: Path) -> None:
    facts = run_inline(make_dataset(request(folders, test="scene3", validation="scene2")))
    dataset = open_dataset(folders / "out")
    assert facts["tiles"] == {"train": 24, "validation": 12, "test": 12}
    assert {t.scene for t in dataset.split("test")} == {"scene3"} and dataset.palette.name_of(1) == "building"
    for record in dataset.tiles:
        photo, labels = dataset.read(record)
        source, classes = ground(int(record.scene[-1]))
        window = slice(record.row, record.row + record.height), slice(record.col, record.col + record.width)
        assert np.array_equal(photo, source[window]) and np.array_equal(labels, classes[window])
    assert sum(t.height * t.width for t in dataset.tiles) == 4 * 160 * 224
    assert (folders / "out" / "contact.png").stat().st_size > 1000 and removed(folders) == []
    assert facts["shares"]["land"] == pytest.approx(1 - facts["shares"]["building"])


def test_blocks_that_are_held_out_touch_nothing_that_is_learned_from() -> None:
    tiles = [Window(row * 64, col * 64, 64, 64) for row in range(10) for col in range(10)]
    splits = split_blocks(tiles, 64, SplitRule(held_out=0.2), [1, 0])
    held = [t for t, s in zip(tiles, splits, strict=True) if s == "validation"]
    learned = [t for t, s in zip(tiles, splits, strict=True) if s == "train"]
    assert len(held) >= 16 and learned and splits.count(GAP) > 0
    for one in held:
        grown = Window(one.row - 1, one.col - 1, 66, 66)
        assert not any(grown.intersect(other).height > 0 and grown.intersect(other).width > 0 for other in learned)


def test_copies_turned_copies_and_shifted_copies_are_left_out_and_named(folders: Path) -> None:
    big, labels = ground(9, 400, 400)
    for name, part in (("a", np.s_[:256, :256]), ("b_copy", np.s_[:256, :256]), ("d_shift", np.s_[24:280, 40:296])):
        Image.fromarray(big[part]).save(folders / "images" / f"{name}.png")
        Image.fromarray(labels[part]).save(folders / "maps" / f"{name}.png")
    Image.fromarray(np.rot90(big[:256, :256])).save(folders / "images" / "c_turned.png")
    Image.fromarray(np.rot90(labels[:256, :256])).save(folders / "maps" / "c_turned.png")
    facts = run_inline(make_dataset(request(folders, side=256, smallest=100)))
    gone = {row["name"].rsplit("_", 2)[0]: row for row in removed(folders)}
    assert len(gone) == 3 and set(gone) < {"a", "b_copy", "c_turned", "d_shift"}
    assert facts["removed"] == {"near copy": 3} and all(row["reason"] == "near copy" for row in gone.values())


def test_what_is_held_out_stays_when_its_copy_is_learned_from() -> None:
    photo, _ = ground(1, 128, 128)
    small = thumbnail(photo.mean(2).astype(np.float32))
    copies = find_copies([small, small])
    assert set(to_remove(copies, [9.0, 1.0], ["train", "test"])) == {0}
    assert set(to_remove(copies, [9.0, 1.0], ["train", "train"])) == {1}


@pytest.mark.parametrize(("reason", "spoil"), [
    ("blurred", lambda p, _: np.full_like(p, 90)),
    ("no data", None),
    ("unlabelled", lambda p, labels: (labels.__setitem__(slice(None), 0), p)[1]),
    ("saturated", lambda p, _: np.where(np.arange(p.shape[0])[:, None, None] % 4 > 0, 255, p).astype(np.uint8)),
    ("stitching seam", lambda p, _: np.clip(p.astype(int) + np.where(np.arange(p.shape[1]) < 30, 0, 70)[None, :, None], 0, 255).astype(np.uint8)),
])  # fmt: skip
def test_each_fault_is_found_and_told_with_its_figure(reason: str, spoil: object) -> None:
    photo, labels = ground(3, 64, 64)
    photo = np.clip(photo.astype(int) // 2 + 40, 0, 255).astype(np.uint8)
    valid = np.ones(labels.shape, bool)
    names = {1: "building", 2: "land", 3: "water"}
    assert fault_of(photo, labels, valid, names, Limits()) is None
    if spoil is None:
        valid[:20] = False
    else:
        photo = spoil(photo, labels)  # type: ignore[operator]
    fault = fault_of(photo, labels, valid, names, Limits())
    assert fault is not None and fault.reason == reason and "limit" in fault.detail


def test_class_balance_rules_and_calm_water() -> None:
    photo, labels = ground(4, 64, 64)
    labels[:] = 2
    names = {1: "building", 2: "land", 3: "water"}
    valid = np.ones(labels.shape, bool)
    assert fault_of(photo, labels, valid, names, Limits(urban=0.15)).reason == "not urban"  # type: ignore[union-attr]
    assert fault_of(photo, labels, valid, names, Limits(dominant=0.9)).reason == "one class alone"  # type: ignore[union-attr]
    still = np.full_like(photo, 60)
    assert fault_of(still, np.full_like(labels, 3), valid, names, Limits()) is None


def test_a_geotiff_and_its_vectors_keep_their_place(tmp_path: Path) -> None:
    photo, _ = ground(5, 128, 192)
    with rasterio.open(tmp_path / "photo.tif", "w", driver="GTiff", width=192, height=128, count=3, dtype="uint8",
                       crs="EPSG:32640", transform=rasterio.Affine(0.5, 0, 5e5, 0, -0.5, 3e6)) as file:  # fmt: skip
        file.write(photo.transpose(2, 0, 1))
    ring = [[5e5, 3e6], [5e5 + 32, 3e6], [5e5 + 32, 3e6 - 32], [5e5, 3e6 - 32], [5e5, 3e6]]
    (tmp_path / "houses.geojson").write_text(
        '{"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32640"}},'
        f'"features": [{{"type": "Feature", "properties": {{}}, "geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}]}}'
    )
    (tmp_path / "palette.toml").write_text(PALETTE)
    made = DatasetRequest(str(tmp_path / "out"), str(tmp_path / "photo.tif"), str(tmp_path / "houses.geojson"),
                          palette=str(tmp_path / "palette.toml"), side=64, smallest=64, held_out=0.0, class_name="building",
                          unlabelled=None, instances=True)  # fmt: skip
    facts = run_inline(make_dataset(made))
    dataset = open_dataset(tmp_path / "out")
    assert facts["metres_per_pixel"] == pytest.approx(0.5, rel=1e-2) and len(dataset.tiles) == 6
    first = next(t for t in dataset.tiles if (t.row, t.col) == (0, 0))
    _, labels = dataset.read(first)
    assert (labels == 1).all() and dataset.read_instances(first).max() == 1  # type: ignore[union-attr]
    with rasterio.open(tmp_path / "out" / next(t for t in dataset.tiles if (t.row, t.col) == (64, 128)).image) as tile:
        assert tile.transform[:6] == pytest.approx((0.5, 0, 5e5 + 64, 0, -0.5, 3e6 - 32))
        assert tile.crs.to_epsg() == 32640


def test_an_open_project_gives_its_pristine_photo_and_map(folders: Path) -> None:
    project = folders / "p.cimgen"
    source = MapSourceRequest(str(folders / "maps" / "scene1.png"))
    run_inline(
        run_new(NewRequest(str(project), str(folders / "images" / "scene1.png"), str(folders / "palette.toml"), source))
    )
    facts = run_inline(
        run_dataset(DatasetRequest(str(folders / "out"), project=str(project), side=64, smallest=32, held_out=0.0))
    )
    assert facts["tiles"] == {"train": 12}
    photo, labels = ground(1)
    dataset = open_dataset(folders / "out")
    for record in dataset.tiles:
        found = dataset.read(record)
        window = slice(record.row, record.row + record.height), slice(record.col, record.col + record.width)
        assert np.array_equal(found[0], photo[window]) and np.array_equal(found[1], labels[window])


def test_presets_set_options_and_nothing_else(folders: Path) -> None:
    for name, options in PRESETS.items():
        made = with_preset(request(folders), name)
        assert all(getattr(made, key) == value for key, value in options.items())
        assert made.images == request(folders).images
    with pytest.raises(CimgenError, match="no recipe"):
        with_preset(request(folders), "nowhere")


def test_stopping_leaves_nothing(folders: Path) -> None:
    job = make_dataset(request(folders))
    for progress in job:
        if progress.text.startswith("writing"):
            break
    job.close()
    assert not (folders / "out").exists() and not [p for p in folders.iterdir() if ".part" in p.name]


@pytest.mark.parametrize(("more", "said"), [
    ({"maps": "nowhere"}, "no folder"), ({"images": None}, "no photos and maps"), ({"side": 8192, "smallest": 4096}, "no tile is left"),
    ({"test": "("}, "no pattern"), ({"table": "no.toml"}, "no file"),
])  # fmt: skip
def test_what_cannot_be_done_is_told(more: dict, said: str, folders: Path) -> None:
    with pytest.raises(CimgenError, match=said) as caught:
        run_inline(make_dataset(request(folders, **more)))
    assert caught.value.hint and not (folders / "out").exists()


def test_nothing_is_written_over(folders: Path) -> None:
    (folders / "out").mkdir()
    (folders / "out" / "mine.txt").write_text("mine")
    with pytest.raises(CimgenError, match="exists already"):
        run_inline(make_dataset(request(folders)))
    assert [p.name for p in (folders / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("spoil", ["table", "facts", "size"])
def test_a_damaged_dataset_is_refused(spoil: str, folders: Path) -> None:
    run_inline(make_dataset(request(folders)))
    out = folders / "out"
    if spoil == "table":
        (out / "tiles.csv").write_text("name,split\nx,nowhere\n")
    elif spoil == "facts":
        (out / "dataset.toml").write_text("format = 99\n")
    else:
        Image.fromarray(np.zeros((3, 3), np.uint8)).save(out / open_dataset(out).tiles[0].labels)
    with pytest.raises(CimgenError):
        dataset = open_dataset(out)
        dataset.read(dataset.tiles[0])


def test_real_tiles_of_two_scenes_are_held_out_whole(shared_data: Path, tmp_path: Path) -> None:
    for name in ("images", "maps"):
        (tmp_path / name).mkdir()
    for part in ("tile2_part001", "tile3_part001"):
        (tmp_path / "images" / f"{part}.jpg").symlink_to(shared_data / "dubai" / "images" / f"{part}.jpg")
        (tmp_path / "maps" / f"{part}.png").symlink_to(shared_data / "dubai" / "labels" / f"{part}.png")
    root = Path(__file__).resolve().parents[2]
    facts = run_inline(make_dataset(request(tmp_path, side=256, smallest=200, test="tile2",
                                            palette=str(root / "resources" / "palettes" / "dubai.toml"))))  # fmt: skip
    dataset = open_dataset(tmp_path / "out")
    assert {t.scene for t in dataset.split("test")} == {"tile2_part001"} and facts["tiles"]["train"] > 3
    assert facts["unmapped"] == {}
