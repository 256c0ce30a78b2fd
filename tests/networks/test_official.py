"""Checkpoints as others publish them, told apart, loaded in full, and refused where they are not what they seem."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from cimgen_qt.core.errors import ModelError
from cimgen_qt.networks.architecture import Architecture
from cimgen_qt.networks.build import build
from cimgen_qt.networks.official import Mismatch, copy_into, fold_spectral_norm, load
from tests.networks.rules import count

KNOWN = [
    Architecture("resnet", 3, 3, 4),
    Architecture("resnet", 36, 3, 2, down=4, blocks=9),
    Architecture("resnet", 3, 3, 4, down=2, blocks=6, dropout=True),
    Architecture("resnet", 3, 3, 4, norm="batch"),
    Architecture("resnet", 3, 3, 4, norm="batch", bias=True),
    Architecture("resnet", 3, 3, 4, down=4, blocks=0),
    Architecture("local", 36, 3, 2, down=4, blocks=9, local=1, blocks_local=3),
    Architecture("local", 5, 3, 2, down=2, blocks=3, local=2, blocks_local=2),
    Architecture("unet", 3, 3, 2, down=8, norm="batch"),
    Architecture("unet", 1, 3, 2, down=7, norm="batch"),
    Architecture("unet", 3, 2, 2, down=5, norm="instance"),
    Architecture("patchgan", 3, 1, 4, down=3),
    Architecture("patchgan", 6, 1, 4, down=5, norm="batch"),
    Architecture("pixelgan", 6, 1, 4, norm="batch"),
    Architecture("multiscale", 39, 1, 4, down=3, scales=2),
    Architecture("multiscale", 39, 1, 4, down=4, scales=3, features=False),
]


@pytest.mark.parametrize("architecture", KNOWN, ids=str)
def test_architecture_is_told_from_the_weights(architecture: Architecture, tmp_path: Path) -> None:
    module = build(architecture)
    torch.save(module.state_dict(), tmp_path / "latest_net_X.pth")
    loaded = load(tmp_path / "latest_net_X.pth")
    assert count(loaded.module) == count(module)
    assert loaded.fit.complete
    assert not loaded.dropped
    assert not loaded.module.training
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), loaded.module.parameters(), strict=True))
    assert loaded.architecture == architecture


def test_traces_of_data_parallel_are_stripped(tmp_path: Path) -> None:
    torch.save(nn.DataParallel(build(Architecture("resnet", 3, 3, 2))).state_dict(), tmp_path / "a.pth")
    assert load(tmp_path / "a.pth").fit.complete


def test_statistics_of_old_instance_norms_are_dropped_and_named(tmp_path: Path) -> None:
    state = build(Architecture("resnet", 3, 3, 2)).state_dict()
    state |= {"model.2.running_mean": torch.ones(2), "model.2.running_var": torch.ones(2)}
    torch.save(state, tmp_path / "a.pth")
    loaded = load(tmp_path / "a.pth")
    assert loaded.dropped == ("model.2.running_mean", "model.2.running_var")
    assert loaded.fit.complete


def test_statistics_of_batch_norms_are_kept(tmp_path: Path) -> None:
    module = build(Architecture("unet", 3, 3, 2, down=5, norm="batch"))
    with torch.no_grad():
        module(torch.randn(2, 3, 64, 64, generator=torch.manual_seed(0)))
    state = {name: value for name, value in module.state_dict().items() if "num_batches" not in name}
    torch.save(state, tmp_path / "a.pth")
    loaded = load(tmp_path / "a.pth")
    assert loaded.fit.complete
    x = torch.randn(1, 3, 64, 64, generator=torch.manual_seed(1))
    assert torch.equal(loaded.module(x), module.eval()(x))


def test_old_file_format_and_half_floats_are_read(tmp_path: Path) -> None:
    module = build(Architecture("patchgan", 3, 1, 2, down=3)).half()
    torch.save(module.state_dict(), tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    loaded = load(tmp_path / "a.pth")
    assert next(loaded.module.parameters()).dtype == torch.float32
    assert torch.equal(next(loaded.module.parameters()).half(), next(module.parameters()))


@pytest.mark.parametrize("conv", [nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(3, 5, 3)], ids=["conv", "transposed"])
def test_spectral_norm_of_old_style_is_folded(conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
    normed = nn.utils.spectral_norm(conv)
    x = torch.randn(1, 3, 8, 8, generator=torch.manual_seed(2))
    for _ in range(5):
        normed(x)
    wanted = normed.eval()(x)
    plain = type(conv)(3, 5, 3)
    state = fold_spectral_norm(normed.state_dict())
    assert set(state) == {"weight", "bias"}
    plain.load_state_dict(state)
    torch.testing.assert_close(plain(x), wanted)


def test_spectral_norm_without_v_is_folded() -> None:
    conv = nn.utils.spectral_norm(nn.Conv2d(3, 5, 3), n_power_iterations=50)
    conv(torch.zeros(1, 3, 8, 8))
    state = conv.state_dict()
    whole = fold_spectral_norm(state)["weight"]
    del state["weight_v"]
    torch.testing.assert_close(fold_spectral_norm(state)["weight"], whole)


def test_other_class_counts_are_reported_and_the_rest_copied(tmp_path: Path) -> None:
    torch.save(build(Architecture("resnet", 5, 3, 2)).state_dict(), tmp_path / "a.pth")
    loaded = load(tmp_path / "a.pth", Architecture("resnet", 7, 3, 2))
    assert loaded.fit.mismatched == (Mismatch("model.1.weight", (2, 5, 7, 7), (2, 7, 7, 7)),)
    assert str(loaded.fit.mismatched[0]) == "model.1.weight: 2x5x7x7 in the file, 2x7x7x7 wanted"
    assert not loaded.fit.complete
    assert len(loaded.fit.copied) == 47


def test_global_generator_becomes_the_middle_of_an_enhancer() -> None:
    stage1 = build(Architecture("resnet", 3, 3, 4, down=2, blocks=2))
    stage2 = build(Architecture("local", 3, 3, 2, down=2, blocks=2))
    fit = copy_into(stage2, stage1.state_dict())
    assert fit.unexpected == ("model.19.weight", "model.19.bias")
    assert {name.partition(".")[0] for name in fit.missing} == {"model1_1", "model1_2"}
    assert not fit.mismatched


class Bomb:
    """A pickle that would make a folder when it is read."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_pickle_is_refused_and_runs_nothing(tmp_path: Path, zipped: bool) -> None:
    path, place = tmp_path / "evil.pth", tmp_path / "made"
    torch.save({"model.1.weight": Bomb(place)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"evil\.pth is refused") as caught:
        load(path)
    assert "plain state dict" in caught.value.hint
    assert not place.exists()
    torch.load(path, weights_only=False)
    assert place.exists(), "the bomb is a real one"


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04", pickle.dumps({"a": 1})])
def test_files_that_are_no_checkpoint_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(ModelError):
        load(tmp_path / "a.pth")


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    torch.save(build(Architecture("patchgan", 3, 1, 2, down=3)).state_dict(), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    for part in range(1, 10):
        (tmp_path / "a.pth").write_bytes(whole[: len(whole) * part // 10])
        with pytest.raises(ModelError):
            load(tmp_path / "a.pth")


def test_training_states_are_refused_with_a_hint(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "weights": {"a": torch.zeros(1)}}, tmp_path / "a.pth")
    with pytest.raises(ModelError, match="more than weights") as caught:
        load(tmp_path / "a.pth")
    assert "state_dict" in caught.value.hint


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    state = build(Architecture("patchgan", 3, 1, 2, down=3)).state_dict()
    state["model.2.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ModelError, match=r"model\.2\.weight"):
        load(tmp_path / "a.pth")


def test_shapes_without_content_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    state = {"model.1.weight": torch.zeros(1).expand(1 << 20, 1 << 20, 7, 7)}
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ModelError, match="no plain tensor"):
        load(tmp_path / "a.pth")
    torch.save({"model.1.weight": torch.zeros(100_000, 3, 1, 1)}, tmp_path / "b.pth")
    with pytest.raises(ModelError, match="does not fit"):
        load(tmp_path / "b.pth")
    torch.save({"something.else": torch.zeros(3)}, tmp_path / "c.pth")
    with pytest.raises(ModelError, match="no network that is known"):
        load(tmp_path / "c.pth")


def test_a_changed_network_is_refused_by_name_of_what_does_not_fit(tmp_path: Path) -> None:
    state = build(Architecture("resnet", 3, 3, 2)).state_dict()
    state["model.12.conv_block.5.weight"] = torch.zeros(8, 8, 1, 1)
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ModelError, match=r"model\.12\.conv_block\.5\.weight: 8x8x1x1 in the file, 8x8x3x3 wanted"):
        load(tmp_path / "a.pth")


def test_archives_of_something_else_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ModelError):
        load(tmp_path / "a.pth")


def test_safetensors_are_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    module = build(Architecture("resnet", 3, 3, 2))
    save_file(module.state_dict(), tmp_path / "a.safetensors")
    assert load(tmp_path / "a.safetensors").fit.complete
    (tmp_path / "b.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path / "b.safetensors")
