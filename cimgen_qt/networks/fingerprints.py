"""Tell a published network from the names and shapes of its weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from cimgen_qt.core.errors import ModelError
from cimgen_qt.networks.architecture import Architecture, Norm

_Shapes = Mapping[str, tuple[int, ...]]


def infer(state: Mapping[str, Tensor], file: str = "the file") -> Architecture:
    """The architecture of a tidy state dict (`official.tidy`). Raises ModelError if it is none that is known."""
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    try:
        return _told(shapes)
    except (KeyError, IndexError, ValueError) as error:
        raise ModelError(
            f"{file} holds weights of no network that is known here",
            hint="Generators and discriminators of pix2pixHD, CycleGAN and pix2pix are. For another network, use ONNX.",
        ) from error


def _told(shapes: _Shapes) -> Architecture:
    if "model1_1.1.weight" in shapes:
        return _local(shapes)
    if "model.model.0.weight" in shapes:
        return _unet(shapes)
    if "model.1.weight" in shapes:
        return _resnet(shapes)
    if "model.0.weight" in shapes:
        return _patchgan(shapes)
    if "scale0_layer0.0.weight" in shapes or "layer0.0.weight" in shapes:
        return _multiscale(shapes)
    width, inputs = shapes["net.0.weight"][:2]
    return Architecture("pixelgan", inputs, 1, width, norm=_norm(shapes, "net.3"))


def _resnet(shapes: _Shapes) -> Architecture:
    width, inputs = shapes["model.1.weight"][:2]
    numbers = _numbers(shapes, r"model\.(\d+)\.weight$")
    kernels = [number for number in numbers if len(shapes[f"model.{number}.weight"]) == 4]
    norm = _norm(shapes, "model.2")
    return Architecture(
        "resnet",
        inputs,
        shapes[f"model.{kernels[-1]}.weight"][0],
        width,
        down=(len(kernels) - 2) // 2,
        blocks=len(_numbers(shapes, r"model\.(\d+)\.conv_block\.\d+\.weight$")),
        norm=norm,
        bias=_bias(shapes, "model.1", norm),
        dropout=any(name.endswith(".conv_block.6.weight") and len(shape) == 4 for name, shape in shapes.items()),
    )


def _local(shapes: _Shapes) -> Architecture:
    levels = len(_numbers(shapes, r"model(\d+)_1\.1\.weight$"))
    width, inputs = shapes[f"model{levels}_1.1.weight"][:2]
    last = max(_numbers(shapes, rf"model{levels}_2\.(\d+)\.weight$"))
    kernels = [n for n in _numbers(shapes, r"model\.(\d+)\.weight$") if len(shapes[f"model.{n}.weight"]) == 4]
    return Architecture(
        "local",
        inputs,
        shapes[f"model{levels}_2.{last}.weight"][0],
        width,
        down=(len(kernels) - 1) // 2,
        blocks=len(_numbers(shapes, r"model\.(\d+)\.conv_block\.\d+\.weight$")),
        norm=_norm(shapes, "model.2"),
        local=levels,
        blocks_local=len(_numbers(shapes, r"model1_2\.(\d+)\.conv_block\.\d+\.weight$")),
    )


def _unet(shapes: _Shapes) -> Architecture:
    """Every level nests one `model.` deeper."""
    width, inputs = shapes["model.model.0.weight"][:2]
    kernels = sum(name.endswith(".weight") and len(shape) == 4 for name, shape in shapes.items())
    outputs = shapes["model.model.3.weight"][1]
    return Architecture("unet", inputs, outputs, width, down=kernels // 2, norm=_norm(shapes, "model.model.1.model.2"))


def _patchgan(shapes: _Shapes) -> Architecture:
    width, inputs = shapes["model.0.weight"][:2]
    kernels = [n for n in _numbers(shapes, r"model\.(\d+)\.weight$") if len(shapes[f"model.{n}.weight"]) == 4]
    return Architecture("patchgan", inputs, 1, width, down=len(kernels) - 2, norm=_norm(shapes, "model.3"))


def _multiscale(shapes: _Shapes) -> Architecture:
    features = "scale0_layer0.0.weight" in shapes
    scales = len(_numbers(shapes, r"scale(\d+)_layer0\.0\.weight$" if features else r"layer(\d+)\.0\.weight$"))
    layers = _numbers(shapes, r"scale0_layer(\d+)\.0\.weight$" if features else r"layer0\.(\d+)\.weight$")
    prefix = "scale0_layer{}.0.weight" if features else "layer0.{}.weight"
    kernels = [n for n in layers if len(shapes[prefix.format(n)]) == 4]
    width, inputs = shapes[prefix.format(0)][:2]
    norm = _norm(shapes, "scale0_layer1.1" if features else "layer0.3")
    return Architecture(
        "multiscale", inputs, 1, width, down=len(kernels) - 2, norm=norm, scales=scales, features=features
    )


def _numbers(names: Iterable[str], pattern: str) -> list[int]:
    """The distinct numbers at one place of the names, in order."""
    found = (re.match(pattern, name) for name in names)
    return sorted({int(match[1]) for match in found if match})


def _norm(shapes: _Shapes, place: str) -> Norm:
    return "batch" if f"{place}.weight" in shapes else "instance"


def _bias(shapes: _Shapes, place: str, norm: str) -> bool | None:
    """None where it follows CycleGAN's rule."""
    has = f"{place}.bias" in shapes
    return None if has == (norm == "instance") else has
