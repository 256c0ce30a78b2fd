"""How far an ONNX network looks, found in its graph: whether a tile may be cut to the ground that is needed.

Follows every value from the inputs on: how many pixels of the input one of its pixels measures, and how many before and
after its own place it depends on. Intervals only grow, so the answer may be too large but never too small; a network
with an operator that is not known here counts as one that looks at everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from cimgen_qt.generators.graph_parts import Parts

# fmt: off
_POINTWISE = frozenset({
    "Abs", "Add", "Cast", "Ceil", "Clip", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu",
    "Greater", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "Log", "Max", "Mean", "Min", "Mish",
    "Mul", "Neg", "Not", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin",
    "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tanh", "ThresholdedRelu", "Where",
})
# fmt: on
_ACROSS = frozenset({"Concat", "Softmax", "LogSoftmax", "Split", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"})
"""They work along an axis, which must be that of the channels."""


@dataclass(frozen=True, slots=True)
class Reach:
    """In pixels of the input, along rows and columns. `grain`: tiles may begin at multiples of it."""

    scale: tuple[Fraction, Fraction] = (Fraction(1), Fraction(1))
    before: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))
    after: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))
    grain: int = 1

    @property
    def halo(self) -> int:
        """Whole pixels on every side."""
        return max(0, *(math.ceil(side) for side in (*self.before, *self.after)))


class _UnknownError(Exception):
    """Something that may look at everything."""


def reach(model: Any, output: str, layout: str = "nchw") -> Reach | None:
    """How far the output of an onnx.ModelProto looks; None where that cannot be told, or its size is another."""
    if layout != "nchw" or model.functions:
        return None
    parts = Parts(model)
    found: dict[str, Reach] = {p.name: Reach() for p in model.graph.input if p.name not in parts.stored}
    for node in model.graph.node:
        sources = [found[name] for name in node.input if name in found]
        lost = any(name and name not in found and not parts.is_constant(name) for name in node.input)
        if lost or not sources:
            continue  # its answer is unknown, which counts only where the output depends on it; or it is a constant
        try:
            seen = _through(parts, node, sources)
        except (_UnknownError, ValueError, TypeError, IndexError, KeyError, ZeroDivisionError, RecursionError):
            continue
        outputs = node.output if node.op_type == "Split" else node.output[:1]
        found.update((name, seen) for name in outputs if name)
    answer = found.get(output)
    return answer if answer is not None and answer.scale == Reach().scale else None


def _through(parts: Parts, node: Any, sources: list[Reach]) -> Reach:
    if node.domain not in ("", "ai.onnx"):
        raise _UnknownError
    seen = _joined(sources)
    rule, name = _RULES.get(node.op_type), node.op_type
    if rule is not None and len(sources) == 1 and not parts.is_constant(node.input[0]):
        return rule(parts, node, seen)
    if name in _ACROSS and _axes(parts, node) == {1} and not any(map(parts.is_constant, _pictures(node))):
        return seen
    if name == "BatchNormalization" and len(sources) == 1 and not parts.is_constant(node.input[0]):
        if parts.attribute(node, "training_mode", 0):
            raise _UnknownError
        return seen
    if name in _POINTWISE and all(_is_alike(parts, source) for source in node.input):
        return seen
    raise _UnknownError


def _pictures(node: Any) -> list[str]:
    """The inputs of a node that works across channels; others are axes and sizes."""
    return list(node.input) if node.op_type == "Concat" else list(node.input[:1])


def _is_alike(parts: Parts, name: str) -> bool:
    """False for a constant with places of its own, which would stay where it is while the tile moves."""
    if not name or not parts.is_constant(name):
        return True
    value = parts.constant(name)
    if value is not None:
        return value.size == 1 or (value.ndim > 2 and value.shape[-2:] == (1, 1))
    node = parts.producers[name]
    if node.op_type == "Conv":
        size, _, first, last, _ = _kernel(parts, node)
        return size == [1, 1] and not any((*first, *last)) and _is_alike(parts, node.input[0])
    return node.op_type in _POINTWISE and all(_is_alike(parts, source) for source in node.input)


def _joined(sources: list[Reach]) -> Reach:
    if any(source.scale != sources[0].scale for source in sources):
        raise _UnknownError
    return Reach(
        sources[0].scale,
        (max(s.before[0] for s in sources), max(s.before[1] for s in sources)),
        (max(s.after[0] for s in sources), max(s.after[1] for s in sources)),
        math.lcm(*(s.grain for s in sources)),
    )


def _axes(parts: Parts, node: Any) -> set[int]:
    axes = parts.attribute(node, "axes")
    if axes is None and node.op_type.startswith("Reduce") and len(node.input) > 1:
        found = parts.constant(node.input[1])
        axes = None if found is None else found.tolist()
    if axes is None:
        axes = [parts.attribute(node, "axis", 1 if node.op_type == "Softmax" and parts.opset < 13 else -1)]
    return set(axes)


def _moved(seen: Reach, factor: Fraction, before: list[Fraction], after: list[Fraction]) -> Reach:
    """`before` and `after` in pixels of the value before the layer; `factor` of those make one after it."""
    scale = (seen.scale[0] * factor, seen.scale[1] * factor)
    if any(side.denominator != 1 and side.numerator != 1 for side in scale):
        raise _UnknownError
    return Reach(
        scale,
        (seen.before[0] + before[0] * seen.scale[0], seen.before[1] + before[1] * seen.scale[1]),
        (seen.after[0] + after[0] * seen.scale[0], seen.after[1] + after[1] * seen.scale[1]),
        math.lcm(seen.grain, max(1, math.ceil(scale[0]))),
    )


def _kernel(parts: Parts, node: Any) -> tuple[list[int], int, list[int], list[int], list[int]]:
    """Size, stride, padding before and after, and dilation of a window that slides."""
    size = parts.attribute(node, "kernel_shape")
    if size is None:
        weights = parts.constant(node.input[1])
        size = [] if weights is None else list(weights.shape[2:])
    strides, dilations = parts.attribute(node, "strides", [1, 1]), parts.attribute(node, "dilations", [1, 1])
    pads = parts.attribute(node, "pads", [0, 0, 0, 0])
    automatic = parts.attribute(node, "auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID")
    if len(size) != 2 or len(pads) != 4 or strides[0] != strides[1] or automatic:
        raise _UnknownError
    return list(size), int(strides[0]), list(pads[:2]), list(pads[2:]), list(dilations)


def _slid(parts: Parts, node: Any, seen: Reach) -> Reach:
    size, stride, first, _, dilation = _kernel(parts, node)
    after = [Fraction((k - 1) * d - p) for k, d, p in zip(size, dilation, first, strict=True)]
    return _moved(seen, Fraction(stride), [Fraction(p) for p in first], after)


def _transposed(parts: Parts, node: Any, seen: Reach) -> Reach:
    size, stride, first, _, dilation = _kernel(parts, node)
    if parts.attribute(node, "output_shape") is not None:
        raise _UnknownError
    before = [Fraction((k - 1) * d - p, stride) for k, d, p in zip(size, dilation, first, strict=True)]
    return _moved(seen, Fraction(1, stride), before, [Fraction(p, stride) for p in first])


def _padded(parts: Parts, node: Any, seen: Reach) -> Reach:
    pads = parts.attribute(node, "pads")
    if pads is None:
        found = parts.constant(node.input[1])
        pads = None if found is None else found.ravel().tolist()
    if pads is None or len(pads) != 8 or any(pads[at] for at in (0, 1, 4, 5)):
        raise _UnknownError
    before = [Fraction(int(pads[2])), Fraction(int(pads[3]))]
    return _moved(seen, Fraction(1), before, [-side for side in before])


def _resized(parts: Parts, node: Any, seen: Reach) -> Reach:
    at = 1 if node.op_type == "Upsample" else 2
    scales = parts.constant(node.input[at]) if len(node.input) > at else None
    if scales is None or scales.shape != (4,) or scales[0] != 1 or scales[1] != 1 or scales[2] != scales[3]:
        raise _UnknownError
    factor = 1 / Fraction(float(scales[2])).limit_denominator(64)
    mapped = parts.attribute(node, "coordinate_transformation_mode", b"half_pixel")
    if mapped in (b"align_corners", b"tf_crop_and_resize") or parts.attribute(node, "antialias", 0):
        raise _UnknownError
    wide = Fraction({b"nearest": 1, b"linear": 2, b"cubic": 3}[parts.attribute(node, "mode", b"nearest")])
    wide += max(Fraction(0), factor - 1)
    return _moved(seen, factor, [wide, wide], [wide, wide])


def _depth_to_space(parts: Parts, node: Any, seen: Reach) -> Reach:
    size = int(parts.attribute(node, "blocksize"))
    return _moved(seen, Fraction(1, size), [Fraction(1)] * 2, [Fraction(0)] * 2)


def _sliced(parts: Parts, node: Any, seen: Reach) -> Reach:
    axes = parts.attribute(node, "axes") or parts.constant(node.input[3])
    if axes is None or {int(axis) for axis in axes} != {1}:
        raise _UnknownError
    return seen


_RULES: dict[str, Callable[[Parts, Any, Reach], Reach]] = {
    "Conv": _slid,
    "MaxPool": _slid,
    "AveragePool": _slid,
    "ConvTranspose": _transposed,
    "Pad": _padded,
    "Resize": _resized,
    "Upsample": _resized,
    "DepthToSpace": _depth_to_space,
    "Slice": _sliced,
}
