"""Networks as ONNX files, and the proof that both paint the same."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cimgen_qt.core.errors import ModelError

OPSET = 17


def export(
    module: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], half_weights: bool = False
) -> bytes:
    """The network as ONNX: batch, height and width of any size, inputs named as in `example`, in its order.

    `half_weights` keeps weights as float16 and computes in float32: half the file, differences near 1e-3. The module
    itself stays on its device and in its mode.
    """
    sides = {0: "n", 2: "height", 3: "width"}
    buffer = io.BytesIO()
    still = resting(module)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns of its own age and of every size it traces
        torch.onnx.export(
            still, tuple(value.cpu() for value in example.values()), buffer,  # type: ignore[arg-type]
            input_names=list(example),
            output_names=list(outputs), opset_version=OPSET, dynamo=False, do_constant_folding=True,
            dynamic_axes=dict.fromkeys((*example, *outputs), sides),
            training=torch.onnx.TrainingMode.PRESERVE,  # keeps normalisation apart, and so the names of all weights
        )  # fmt: skip
    return with_half_weights(buffer.getvalue()) if half_weights else buffer.getvalue()


def resting(module: nn.Module) -> nn.Module:
    """In evaluation mode on the CPU: a copy, unless the module is so already."""
    moved = any(value.device.type != "cpu" for value in module.state_dict().values())
    return copy.deepcopy(module).cpu().eval() if moved or module.training else module


def with_half_weights(model: bytes) -> bytes:
    """The same graph with every large float32 constant kept as float16 and cast when it is loaded."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = onnx.load_from_string(model)
    casts = []
    for tensor in graph.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < 64 or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    made: bytes = graph.SerializeToString()
    return made


def require_same(module: nn.Module, model: bytes, example: Mapping[str, Tensor], limit: float) -> float:
    """The largest difference between both on `example`. Raises ModelError above `limit` (in units of the output)."""
    import onnxruntime

    with torch.no_grad():
        wanted: Any = resting(module)(*(value.cpu() for value in example.values()))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: value.cpu().numpy() for name, value in example.items()})[0]
    largest = float(np.abs(found - wanted.numpy()).max())
    if not largest <= limit:
        raise ModelError(
            f"the exported network differs from the trained one by up to {largest:.2g}",
            hint="Please report this; the weights themselves are kept.",
        )
    return largest
