"""Networks as ONNX paint what they paint in torch, at any size."""

from __future__ import annotations

import onnx
import pytest
import torch
from torch import nn

from cimgen_qt.core.errors import ModelError
from cimgen_qt.networks.architecture import Architecture
from cimgen_qt.networks.build import build
from cimgen_qt.networks.to_onnx import export, require_same
from tests.networks.rules import count, filled

PAINTERS = [
    Architecture("resnet", 5, 3, 4, down=2, blocks=2),
    Architecture("resnet", 5, 3, 4, down=4, blocks=1, norm="batch"),
    Architecture("local", 5, 3, 2, down=2, blocks=1, blocks_local=1),
    Architecture("unet", 5, 3, 2, down=5, norm="batch", dropout=True),
    Architecture("patchgan", 5, 1, 2, down=3),
]


def painter(architecture: Architecture) -> nn.Module:
    return filled(build(architecture)).float()


@pytest.mark.parametrize("architecture", PAINTERS, ids=lambda a: a.kind)
@pytest.mark.parametrize("half", [False, True])
def test_onnx_paints_the_same_at_other_sizes(architecture: Architecture, half: bool) -> None:
    module = painter(architecture)
    random = torch.Generator().manual_seed(1)
    model = export(module, {"map": torch.randn(1, 5, 64, 64, generator=random)}, ["photo"], half)
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    for shape in ((1, 5, 64, 64), (2, 5, 96, 128)):
        example = {"map": torch.randn(*shape, generator=random)}
        assert require_same(module, model, example, 0.02 if half else 2e-5) >= 0


def test_half_weights_are_half_the_file() -> None:
    module = painter(Architecture("resnet", 5, 3, 16, down=2, blocks=3))
    example = {"map": torch.zeros(1, 5, 32, 32)}
    whole, half = (len(export(module, example, ["photo"], half_weights=h)) for h in (False, True))
    assert whole > 4 * count(module)
    assert half < 0.52 * whole


def test_half_weights_leave_alone_what_would_overflow() -> None:
    module = nn.Sequential(nn.Conv2d(1, 16, 3), nn.Conv2d(16, 16, 1))
    with torch.no_grad():
        module[0].weight.fill_(1e5)
        module[1].weight.fill_(1e-5)
    model = onnx.load_from_string(export(module, {"x": torch.zeros(1, 1, 8, 8)}, ["y"], half_weights=True))
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert kinds["0.weight"] == onnx.TensorProto.FLOAT
    assert kinds["1.weight.half"] == onnx.TensorProto.FLOAT16


def test_difference_above_the_limit_is_an_error() -> None:
    module = painter(PAINTERS[0])
    example = {"map": torch.randn(1, 5, 32, 32, generator=torch.manual_seed(2))}
    model = export(module, example, ["photo"])
    with torch.no_grad():
        list(module.parameters())[-1].add_(0.5)
    with pytest.raises(ModelError, match="differs"):
        require_same(module, model, example, 1e-3)


def test_export_leaves_the_module_as_it_was() -> None:
    module = painter(Architecture("unet", 5, 3, 2, down=5, norm="batch")).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    export(module, {"map": torch.zeros(1, 5, 32, 32)}, ["photo"])
    assert module.training
    assert all(part.training for part in module.modules())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_inputs_and_outputs_have_their_names() -> None:
    class Two(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return a + b, a - b

    x = torch.zeros(1, 1, 4, 4)
    model = onnx.load_from_string(export(Two(), {"one": x, "other": x}, ["sum", "difference"]))
    assert [value.name for value in model.graph.input] == ["one", "other"]
    assert [value.name for value in model.graph.output] == ["sum", "difference"]
    assert model.opset_import[0].version >= 17
    dims = [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert [bool(dim) for dim in dims] == [True, False, True, True]
