"""The context-aware generator: what it sees, how far, and that tiles of it agree to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cimgen_qt.core.errors import ModelError
from cimgen_qt.networks.context import STRIDE, ContextGenerator, ContextShape, class_colours, reach, shape_of
from cimgen_qt.networks.to_onnx import export, require_same

SMALL = ContextShape(3, (8, 8, 16, 16), (1, 2), 8)


def picture(height: int, width: int, classes: int = 3, seed: int = 1) -> torch.Tensor:
    """An input as the generator gets it: classes in blotches, a photo with a hole in its middle, noise."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (1, height // 16 + 1, width // 16 + 1), generator=random)
    labels = labels.repeat_interleave(16, 1).repeat_interleave(16, 2)[:, :height, :width]
    onehot = torch.nn.functional.one_hot(labels, classes).permute(0, 3, 1, 2).float()
    hole = torch.zeros(1, 1, height, width)
    hole[..., height // 3 : height // 2, width // 3 : width // 2] = 1
    photo = torch.rand(1, 3, height, width, generator=random) * 2 - 1
    noise = torch.randn(1, 1, height, width, generator=random)
    return torch.cat([onehot, hole * 0, photo * (1 - hole), hole, noise], 1)


def test_the_shipped_shape_has_so_many_parameters() -> None:
    network = ContextGenerator(ContextShape(5))
    assert sum(p.numel() for p in network.parameters()) == 4_129_507
    assert reach(ContextShape(5)) == 224


def test_no_pixel_depends_on_more_than_the_reach() -> None:
    torch.manual_seed(1)
    network = ContextGenerator(SMALL).double()
    margin = reach(SMALL)
    side = 2 * margin + 3 * STRIDE
    x = picture(side, side).double().requires_grad_(True)
    made = network(x)
    for place in range(margin + STRIDE, margin + 2 * STRIDE):
        (slope,) = torch.autograd.grad(made[0, :, place, place].sum(), x, retain_graph=True)
        rows = torch.nonzero(slope.abs().sum((0, 1, 3)))[:, 0]
        assert place - margin <= int(rows.min()) and int(rows.max()) <= place + margin


def test_tiles_that_overlap_agree_to_the_last_bit() -> None:
    torch.manual_seed(2)
    network = ContextGenerator(SMALL).eval()
    margin = reach(SMALL)
    x = picture(margin * 2 + 64, margin * 4 + 64)
    with torch.no_grad():
        whole = network(x)
        left = network(x[..., : margin * 3 + 32])
        right = network(x[..., margin:])
    assert torch.equal(left[..., : margin * 2 + 32], whole[..., : margin * 2 + 32])
    assert torch.equal(right[..., margin:], whole[..., 2 * margin :])
    assert not torch.equal(left, whole[..., : left.shape[-1]])


def test_windows_that_do_not_begin_at_the_stride_differ() -> None:
    torch.manual_seed(2)
    network = ContextGenerator(SMALL).eval()
    margin = reach(SMALL)
    x = picture(margin * 2 + 64, margin * 4 + 64)
    with torch.no_grad():
        whole, shifted = network(x), network(x[..., 3:-5])
    inner = shifted[..., margin:-margin]
    assert (inner - whole[..., margin + 3 : margin + 3 + inner.shape[-1]]).abs().max() > 1e-3


def test_the_colour_of_a_class_is_that_of_its_ground_nearby() -> None:
    onehot = torch.zeros(1, 2, 256, 256)
    onehot[:, 0, :, :128], onehot[:, 1, :, 128:] = 1, 1
    photo = torch.zeros(1, 3, 256, 256)
    photo[:, :, :, :128] = torch.tensor([0.5, -0.2, 0.1])[None, :, None, None]
    photo[:, :, :, 128:] = torch.tensor([-0.7, 0.3, 0.9])[None, :, None, None]
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 100:140, 100:156] = 1
    found = class_colours(onehot, photo * (1 - hole), hole)
    assert torch.allclose(found[0, :3, 120, 110], torch.tensor([0.5, -0.2, 0.1]), atol=1e-3)
    assert torch.allclose(found[0, :3, 120, 150], torch.tensor([-0.7, 0.3, 0.9]), atol=1e-3)
    assert float(found[0, 3].min()) > 0.9


def test_a_class_that_is_nowhere_has_no_colour() -> None:
    onehot = torch.zeros(1, 2, 64, 64)
    onehot[:, 0] = 1
    onehot[..., 20:40, 20:40] = torch.tensor([0.0, 1.0])[None, :, None, None]
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 20:40, 20:40] = 1
    found = class_colours(onehot, torch.ones(1, 3, 64, 64) * (1 - hole), hole)
    assert float(found[..., 22:38, 22:38].abs().max()) == 0
    everything = class_colours(onehot, torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64))
    assert float(everything.abs().max()) == 0


def test_noise_changes_texture_and_nothing_else_is_by_chance() -> None:
    torch.manual_seed(3)
    network = ContextGenerator(SMALL).eval()
    x = picture(64, 64)
    other = x.clone()
    other[:, -1] = -other[:, -1]
    with torch.no_grad():
        assert torch.equal(network(x), network(x))
        assert (network(x) - network(other)).abs().max() > 1e-4


def test_the_shape_is_told_from_the_weights() -> None:
    weights = ContextGenerator(SMALL).state_dict()
    assert shape_of(weights, (1, 2)) == SMALL
    with pytest.raises(ModelError, match="residual blocks"):
        shape_of(weights, (1, 2, 4))
    with pytest.raises(ModelError, match="no weight"):
        shape_of({"model.1.weight": torch.zeros(1)}, (1, 2))


def test_the_export_paints_the_same_and_carries_every_weight_by_name() -> None:
    from cimgen_qt.generators.onnx_weights import weights_of, with_weights

    torch.manual_seed(4)
    network = ContextGenerator(SMALL).eval()
    example = {"input": picture(64, 96)}
    model = export(network, example, ["output"])
    assert require_same(network, model, {"input": picture(128, 72, seed=7)}, 1e-4) < 1e-5
    assert set(network.state_dict()) <= set(weights_of(model))
    half = export(network, example, ["output"], half_weights=True)
    assert len(half) < 0.75 * len(model) and require_same(network, half, example, 2e-2) > 0
    restored = with_weights(half, {name: value.numpy() for name, value in network.state_dict().items()})
    assert require_same(network, restored, example, 1e-4) < 1e-5
    with pytest.raises(ModelError, match="no weight"):
        with_weights(model, {"elsewhere": np.zeros(3, np.float32)})
