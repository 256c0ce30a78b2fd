"""From an image to its map: whole rasters, without seams, in every form that models answer in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import rasterio

from cimgen_qt.core.errors import CimgenError, ModelError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.generators.catalog import model_card
from cimgen_qt.opening import open_project
from cimgen_qt.raster.rasterio_io import open_raster
from cimgen_qt.segmentation import sweep as sweeping
from cimgen_qt.segmentation.job import segment
from cimgen_qt.segmentation.model import SegmentationModel
from cimgen_qt.segmentation.request import SegmentRequest
from cimgen_qt.segmentation.sweep import Sweep
from cimgen_qt.tasks import MapSourceRequest, NewRequest, run_new
from tests.segmentation.networks import deepness, logits, network, write_model


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Blotches of three kinds of ground, a few pixels each."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, (height // 6 + 1, width // 6 + 1)).repeat(6, 0).repeat(6, 1)[:height, :width]
    table = np.array([[120, 60, 50], [220, 210, 170], [30, 60, 200]])
    return np.clip(table[kinds] + rng.normal(0, 12, (height, width, 1)), 0, 255).astype(np.uint8)


def write(path: Path, pixels: np.ndarray, **more: object) -> Path:
    place = {"transform": rasterio.Affine(0.5, 0, 5e5, 0, -0.5, 3e6), "crs": "EPSG:32640"} | more
    with rasterio.open(path, "w", driver="GTiff", height=pixels.shape[0], width=pixels.shape[1], count=pixels.shape[2],
                       dtype=pixels.dtype, **place) as file:  # fmt: skip
        file.write(pixels.transpose(2, 0, 1))
    return path


def read(path: str | Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def segmented(image: Path, model: Path, tmp_path: Path, **more: object) -> tuple[dict, np.ndarray]:
    facts = run_inline(segment(SegmentRequest(str(image), str(tmp_path / "map.tif"), str(model), device="cpu", **more)))
    return facts, read(facts["target"])


@pytest.mark.parametrize(("kind", "ids"), [("logits", (1, 2, 3)), ("softmax", (1, 2, 3)), ("index", (1, 2, 3))])
def test_every_form_of_answer_gives_the_same_map(kind: str, ids: tuple[int, ...], tmp_path: Path) -> None:
    picture = photo(90, 130)
    facts, found = segmented(write(tmp_path / "i.tif", picture), write_model(tmp_path / "m", kind), tmp_path)
    assert np.array_equal(found, np.array(ids)[logits(picture).argmax(2)])
    assert sum(facts["shares"].values()) == pytest.approx(1)
    with rasterio.open(facts["target"]) as file:
        assert file.crs.to_epsg() == 32640 and file.colormap(1)[1][:3] == (213, 94, 0)
        assert file.tags(1)["CLASS_3"] == "water"
    sure = read(facts["confidence"])
    if kind == "index":
        assert (sure == 255).all()
    else:
        scores = np.exp(logits(picture))
        wanted = 255 * (scores / scores.sum(2, keepdims=True)).max(2)
        assert np.abs(sure - wanted).max() <= 1
    assert (tmp_path / "map.qml").read_text().startswith("<")


def test_one_channel_is_a_class_and_its_background(tmp_path: Path) -> None:
    picture = photo(64, 64)
    _, found = segmented(write(tmp_path / "i.tif", picture), write_model(tmp_path / "m", "sigmoid"), tmp_path)
    scores = logits(picture)
    assert np.array_equal(found, (scores[..., 2] > scores[..., 0]).astype(np.uint8))


def test_a_painted_map_is_read_by_its_colours(tmp_path: Path) -> None:
    picture = photo(64, 80)
    lines = [f'[[class]]\nid = {i}\nname = "{n}"\ncolour = [{c}]' for i, n, c in (
        (4, "building", "213, 94, 0"), (7, "sand", "240, 228, 66"), (9, "water", "0, 114, 178"))]  # fmt: skip
    (tmp_path / "p.toml").write_text("\n".join(lines))
    model = write_model(tmp_path / "m", "picture")
    image = write(tmp_path / "i.tif", picture)
    _, found = segmented(image, model, tmp_path, palette=str(tmp_path / "p.toml"))
    assert np.array_equal(found, np.array([4, 7, 9])[logits(picture).argmax(2)])
    with pytest.raises(ModelError, match="paints maps as pictures"):
        segmented(image, model, tmp_path, overwrite=True)


@pytest.mark.parametrize("shape", [(200, 75), (33, 310), (32, 32), (20, 17)])
def test_a_local_network_gives_what_one_pass_over_everything_gives(shape: tuple[int, int], tmp_path: Path) -> None:
    picture = photo(*shape, seed=3)
    model = write_model(tmp_path / "m", "softmax", halo=8, tile=32, blur=7)
    with open_raster(write(tmp_path / "i.tif", picture)) as reader:
        opened = SegmentationModel(model_card(str(model)))
        labels, total = np.full(shape, 99, np.uint8), 0
        for looked, pieces in Sweep(opened, reader):
            total += looked
            for piece in pieces:
                part = labels[piece.window.row : piece.window.bottom, piece.window.col : piece.window.right]
                assert (part == 99).all()
                part[:] = piece.labels
        whole = opened.look(picture, np.ones(shape, bool), Sweep(opened, reader)._stretch)
    clear = np.sort(whole, 2)[..., -1] - np.sort(whole, 2)[..., -2] > 0.2
    inner = np.zeros(shape, bool)
    inner[4:-4, 4:-4] = True
    assert total == -(-shape[0] // 32) * -(-shape[1] // 32)
    assert np.array_equal(labels[clear & inner], np.array([1, 2, 3])[whole.argmax(2)][clear & inner])


def test_no_seam_is_seen_where_tiles_meet(tmp_path: Path) -> None:
    """A network that feels the edge of its tile: the overlap hides it."""
    smooth = np.full((160, 160, 3), (125, 105, 75), np.uint8)
    model = write_model(tmp_path / "m", "softmax", halo=16, tile=32, blur=9)
    with open_raster(write(tmp_path / "i.tif", smooth)) as reader:
        opened = SegmentationModel(model_card(str(model)))
        sweep = Sweep(opened, reader)
        alone = opened.look(smooth[:64, :64], np.ones((64, 64), bool), sweep._stretch).max(2) * 255
        sure = np.zeros((160, 160), np.float64)
        for _, pieces in sweep:
            for p in pieces:
                sure[p.window.row : p.window.bottom, p.window.col : p.window.right] = p.confidence
    inside = sure[20:140, 20:140]
    assert abs(alone[32, 32] - alone[32, 0]) > 10
    assert np.abs(np.diff(inside, axis=0)).max() <= 2 and np.abs(np.diff(inside, axis=1)).max() <= 2


def test_strips_give_what_one_of_them_would_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a network that feels the edge of its tile, so tiles on both sides of a strip's border count."""
    model = write_model(tmp_path / "m", "softmax", halo=3, tile=32, blur=17)
    found = []
    with open_raster(write(tmp_path / "i.tif", photo(96, 300, seed=2))) as reader:
        for width in (64, 8192):
            monkeypatch.setattr(sweeping, "STRIP", width)
            made = np.zeros((96, 300), np.uint8)
            for _, pieces in Sweep(SegmentationModel(model_card(str(model))), reader):
                for p in pieces:
                    made[p.window.row : p.window.bottom, p.window.col : p.window.right] = p.confidence
            found.append(made)
    assert np.array_equal(*found) and found[0].std() > 1


def test_memory_is_that_of_a_strip_and_reads_are_those_of_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "STRIP", 128)
    picture = photo(200, 600, seed=1)
    model = write_model(tmp_path / "m", "softmax", halo=8, tile=64)
    with open_raster(write(tmp_path / "i.tif", picture)) as reader:
        seen: list[Window] = []

        class Counting:
            info = reader.info

            def read(self, window: Window) -> np.ndarray:
                seen.append(window)
                return reader.read(window)

            def read_valid(self, window: Window) -> np.ndarray:
                return reader.read_valid(window)

        found = [p for _, pieces in Sweep(SegmentationModel(model_card(str(model))), Counting()) for p in pieces]
    assert max(w.height for w in seen) <= 80 and max(w.width for w in seen) <= 80
    assert max(p.window.width for p in found) <= 128
    assert sum(p.window.height * p.window.width for p in found) == 200 * 600
    labels = np.zeros((200, 600), np.uint8)
    for p in found:
        labels[p.window.row : p.window.bottom, p.window.col : p.window.right] = p.labels
    assert np.array_equal(labels, np.array([1, 2, 3])[logits(picture).argmax(2)])


def test_ground_without_data_stays_unlabelled(tmp_path: Path) -> None:
    picture = photo(70, 70)
    alpha = np.full((70, 70, 1), 255, np.uint8)
    alpha[10:30, 20:60] = 0
    image = write(tmp_path / "i.tif", np.concatenate([picture, alpha], 2), photometric="rgb", alpha="yes")
    _, found = segmented(image, write_model(tmp_path / "m"), tmp_path)
    assert (found[10:30, 20:60] == 0).all() and (found[40:] > 0).all()


def test_sixteen_bit_photos_are_measured(tmp_path: Path) -> None:
    picture = photo(96, 96)
    image = write(tmp_path / "i.tif", picture.astype(np.uint16) * 40 + 300)
    _, found = segmented(image, write_model(tmp_path / "m"), tmp_path)
    assert (found == np.array([1, 2, 3])[logits(picture).argmax(2)]).mean() > 0.9


def test_a_model_of_another_resolution_is_fed_at_its_own(tmp_path: Path) -> None:
    coarse = photo(40, 50)
    fine = coarse.repeat(2, 0).repeat(2, 1)
    model = write_model(tmp_path / "m", more="metres_per_pixel = 1.0")
    _, found = segmented(write(tmp_path / "i.tif", fine), model, tmp_path)
    wanted = np.array([1, 2, 3])[logits(coarse).argmax(2)].repeat(2, 0).repeat(2, 1)
    assert (found == wanted).mean() > 0.95


def test_a_model_of_fixed_size_is_fed_in_its_size(tmp_path: Path) -> None:
    picture = photo(100, 70)
    model = write_model(tmp_path / "m", side=32, tile=16, halo=8)
    _, found = segmented(write(tmp_path / "i.tif", picture), model, tmp_path)
    assert np.array_equal(found, np.array([1, 2, 3])[logits(picture).argmax(2)])


def test_a_deepness_model_is_read_by_its_own_metadata(tmp_path: Path) -> None:
    picture = photo(100, 120)
    facts, found = segmented(write(tmp_path / "i.tif", picture), deepness(tmp_path / "net.onnx"), tmp_path)
    assert np.array_equal(found, logits(picture).argmax(2))
    assert set(facts["shares"]) == {"unlabelled", "sand", "water"}


def test_the_palette_decides_the_ids_and_lost_classes_are_told(tmp_path: Path) -> None:
    picture = photo(60, 60)
    (tmp_path / "p.toml").write_text('[[class]]\nid = 9\nname = "lake"\ncolour = [0, 0, 255]\naliases = ["water"]\n')
    facts, found = segmented(
        write(tmp_path / "i.tif", picture), write_model(tmp_path / "m"), tmp_path, palette=str(tmp_path / "p.toml")
    )
    assert np.array_equal(found, np.array([0, 0, 9])[logits(picture).argmax(2)])
    assert any("building, sand" in note for note in facts["notes"])


def test_the_map_becomes_the_map_of_a_project(tmp_path: Path) -> None:
    picture = photo(300, 280)
    image = write(tmp_path / "i.tif", picture)
    facts, found = segmented(image, write_model(tmp_path / "m"), tmp_path)
    project = tmp_path / "p.cimgen"
    run_inline(run_new(NewRequest(str(project), str(image), facts["target"], MapSourceRequest(facts["target"]))))
    with open_project(project) as opened:
        labels = opened.scene.read_map(Window(0, 0, 300, 280))
        names = {c.id: c.name for c in opened.scene.palette}
    assert np.array_equal(labels, found)
    assert {"building", "sand", "water"} <= set(names.values())


def test_what_cannot_be_done_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    image = write(tmp_path / "i.tif", photo(40, 40))
    model = write_model(tmp_path / "m")
    for request, said in [
        (SegmentRequest(str(image), str(image), str(model)), "source image"),
        (SegmentRequest(str(image), str(tmp_path / "o.png"), str(model)), "end in .tif"),
        (SegmentRequest(str(image), str(tmp_path / "o.tif"), "exemplar"), "exemplar"),
        (SegmentRequest(str(tmp_path / "no.tif"), str(tmp_path / "o.tif"), str(model)), "no.tif"),
    ]:
        with pytest.raises(CimgenError, match=said) as caught:
            run_inline(segment(request))
        assert caught.value.hint
    onnx.save(network("logits", channels=4), tmp_path / "m" / "net.onnx")
    with pytest.raises(CimgenError):
        run_inline(segment(SegmentRequest(str(image), str(tmp_path / "o.tif"), str(model))))
    job = segment(SegmentRequest(str(image), str(tmp_path / "stop.tif"), str(write_model(tmp_path / "m2", tile=8))))
    next(job)
    job.close()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(("o.", "o_", "stop", ".o", ".stop"))]
