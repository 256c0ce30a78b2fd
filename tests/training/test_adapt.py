"""Adapting a model to one scene: what is kept, what it changes, and how it goes away again."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.errors import CimgenError, ModelError
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.project import Project
from cimgen_qt.generators.adapters import LARGEST_BYTES, Adapter, compressed, unpack
from cimgen_qt.generators.onnx_weights import weights_of
from cimgen_qt.learning import AdaptRequest, TrainRequest, run_adapt, run_train
from cimgen_qt.networks.context import ContextGenerator, ContextShape
from cimgen_qt.networks.lora import lower, merged
from cimgen_qt.opening import open_project
from cimgen_qt.tasks import (
    ExportRequest,
    MapSourceRequest,
    NewRequest,
    RenderRequest,
    ReplayRequest,
    run_export,
    run_new,
    run_render,
    run_replay,
)
from cimgen_qt.training.batch import make_batch
from tests.training.small import CLASSES, make_dataset, picture, write_config

SIDE = 544


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    options = "widths = [16, 16, 16, 32]\ndilations = [1, 2]\nhidden = 8"
    config = write_config(folder, steps=6, options=options)
    request = TrainRequest(str(config), str(folder / "out"), str(make_dataset(folder / "data")), threads=1)
    return Path(run_inline(run_train(request))["card"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A scene of other colours than the model has seen, with its map."""
    photo, labels = picture(5, SIDE)
    photo = np.clip(photo[..., ::-1].astype(int) + 20, 0, 255).astype(np.uint8)
    place = {"transform": rasterio.Affine(0.5, 0, 5e5, 0, -0.5, 3e6), "crs": "EPSG:32640"}
    with rasterio.open(tmp_path / "photo.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=3, dtype="uint8",
                       photometric="rgb", **place) as file:  # fmt: skip
        file.write(photo.transpose(2, 0, 1))
    with rasterio.open(tmp_path / "map.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint8",
                       **place) as file:  # fmt: skip
        file.write(labels, 1)
    lines = ['name = "small"']
    for class_id, name, colour in CLASSES:
        lines += ["[[class]]", f"id = {class_id}", f'name = "{name}"', f"colour = {list(colour)}"]
    (tmp_path / "palette.toml").write_text("\n".join(lines))
    path = tmp_path / "scene.cimgen"
    source = MapSourceRequest(str(tmp_path / "map.tif"))
    run_inline(run_new(NewRequest(str(path), str(tmp_path / "photo.tif"), str(tmp_path / "palette.toml"), source)))
    return path


def adapted(project: Path, model: Path, mode: str = "lora", steps: int = 25) -> dict:
    return run_inline(run_adapt(AdaptRequest(str(project), str(model), mode, steps, threads=1)))


@pytest.mark.parametrize("mode", ["lora", "decoder", "full"])
def test_an_adapter_brings_the_model_nearer_to_held_out_ground(mode: str, project: Path, model: Path) -> None:
    facts = adapted(project, model, mode)
    assert facts["kept"] and facts["after"] < facts["before"] and facts["bytes"] < LARGEST_BYTES
    with Project.open(project, read_only=True) as opened:
        data = opened.attachment("adapter", opened.head)
    assert data is not None and hashlib.sha256(data).hexdigest() == facts["adapter"]
    names = {name.partition(":")[0] for name in unpack(data).changes}
    assert names and (mode == "full" or all(name.startswith(("trunk.", "up.", "out")) for name in names))
    if mode == "decoder":
        assert not any(name.startswith("trunk.") for name in names)


def test_render_uses_the_adapter_replay_finds_it_and_undo_drops_it(project: Path, model: Path, tmp_path: Path) -> None:
    facts = adapted(project, model)
    with open_project(project) as opened:
        opened.scene.paint(Edit(Rectangle(100, 100, 40, 50), 1))
    request = RenderRequest(str(project), str(model), device="cpu", blend={"mode": "replace"})
    with_it = run_inline(run_render(request))
    plain = run_inline(run_render(replace(request, adapted=False)))
    assert with_it.model["adapter"] == facts["adapter"] and plain.model["adapter"] == ""
    assert (with_it.patches[0].pixels != plain.patches[0].pixels).any()
    with open_project(project) as opened:
        opened.scene.lay(with_it)
    target = tmp_path / "out.tif"
    run_inline(run_export(ExportRequest(str(project), str(target))))
    replayed = run_inline(run_replay(ReplayRequest(str(target) + ".json", model=str(model), device="cpu")))
    assert replayed["pixels"] > 0 and replayed["different"] == 0
    run_inline(run_adapt(AdaptRequest(str(project), drop=True)))
    again = replace(request, scope="edited")
    assert run_inline(run_render(again)).model["adapter"] == ""
    with open_project(project) as opened:
        opened.scene.undo()
    assert run_inline(run_render(again)).model["adapter"] == facts["adapter"]


def test_stopping_an_adaptation_leaves_the_project_as_it_was(project: Path, model: Path) -> None:
    before = project.read_bytes()
    job = run_adapt(AdaptRequest(str(project), str(model), threads=1))
    for progress in job:
        if progress.text.startswith("adapting"):
            break
    job.close()
    with Project.open(project, read_only=True) as opened:
        assert opened.attachment("adapter", opened.head) is None
    assert len(project.read_bytes()) == len(before)


def test_a_model_that_cannot_be_bettered_is_used_as_it_is(
    project: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cimgen_qt.training import adapt

    monkeypatch.setattr(adapt, "_RATES", {"lora": 50.0})
    facts = adapted(project, model, steps=25)
    assert not facts["kept"] and "as it is" in facts["said"]
    with Project.open(project, read_only=True) as opened:
        assert opened.attachment("adapter", opened.head) is None


@pytest.mark.parametrize(("request_", "said"), [
    ({"drop": True}, "has no adapter"), ({"mode": "brain"}, "no mode 'brain'"), ({"model": "flat"}, "flat"),
    ({"warp": 2.0}, "cannot be bent"),
])  # fmt: skip
def test_what_cannot_be_done_is_told(request_: dict, said: str, project: Path) -> None:
    with pytest.raises(CimgenError, match=said) as caught:
        run_inline(run_adapt(AdaptRequest(str(project), **request_)))
    assert caught.value.hint


def test_low_rank_changes_begin_at_nothing_and_merge_exactly() -> None:
    torch.manual_seed(1)
    network = ContextGenerator(ContextShape(3, (8, 8, 16, 16), (1, 2), 8)).eval()
    photo, labels = picture(1)
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[:, 20:40, 10:50] = True
    shown = torch.from_numpy(photo.transpose(2, 0, 1).copy())[None]
    batch = make_batch(shown, torch.from_numpy(labels.astype(np.int64))[None] - 1, mask, torch.randn(1, 1, 64, 64), 3)
    x = batch.context
    before = network(x)
    plain = {name: value.clone() for name, value in network.state_dict().items()}
    lowered = lower(network, 2, ("trunk.", "up."))
    assert torch.equal(network(x), before)
    assert {n for n, p in network.named_parameters() if p.requires_grad} == {
        f"{name}.{part}.weight" for name in lowered for part in ("first", "second")
    }
    for low in lowered.values():
        torch.nn.init.normal_(low.second.weight, std=0.05)
    changed = network(x)
    state = merged(network, lowered)
    assert state.keys() == plain.keys()
    other = ContextGenerator(ContextShape(3, (8, 8, 16, 16), (1, 2), 8)).eval()
    other.load_state_dict(state)
    assert (changed - before).abs().max() > 1e-3
    assert (other(x) - changed).abs().max() < 1e-4


def test_an_adapter_survives_packing_and_refuses_other_models(model: Path) -> None:
    data = (model.parent / "small.onnx").read_bytes()
    weights = weights_of(data)
    name = "up.0.conv.weight"
    change = np.random.default_rng(0).standard_normal(weights[name].shape).astype(np.float32)
    adapter = Adapter(hashlib.sha256(data).hexdigest(), compressed({name: change}), {"mode": "lora"})
    again = unpack(adapter.pack())
    assert again.facts == {"mode": "lora"} and again.pack() == adapter.pack()
    assert np.allclose(weights_of(again.apply(data))[name] - weights[name], change, atol=5e-3)
    with pytest.raises(ModelError, match="another model"):
        again.apply(data + b" ")


@pytest.mark.parametrize("cut", [0, 3, 8, 40, -1])
def test_a_damaged_adapter_is_refused(cut: int) -> None:
    whole = Adapter("0" * 64, {"w": np.ones((2, 2), np.float16)}, {}).pack()
    with pytest.raises(ModelError, match="damaged"):
        unpack(whole[:cut])


def test_compression_keeps_to_its_budget_and_to_the_strongest_directions() -> None:
    rng = np.random.default_rng(2)
    low = (rng.standard_normal((256, 4)) @ rng.standard_normal((4, 2304))).astype(np.float32)
    made = compressed({f"w{n}": low.reshape(256, 256, 3, 3) for n in range(8)}, 400_000)
    assert sum(values.nbytes for values in made.values()) <= 400_000
    adapter = Adapter("", made, {})
    found = adapter.change("w3", (256, 256, 3, 3))
    assert found is not None and np.abs(found.reshape(256, -1) - low).max() < 0.05
