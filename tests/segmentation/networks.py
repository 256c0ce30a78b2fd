"""Small ONNX files with known answers: what is bright is sand, what is blue is water, all else is building."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = ("building", "sand", "water")
WEIGHTS = np.array([[0, 0, 0], [3, 3, 0], [-3, -3, 6]], np.float32)
BIAS = np.array([0.5, -2.5, -1.0], np.float32)


def logits(photo: np.ndarray) -> np.ndarray:
    """What the network answers for (height, width, 3) of 0..255, (height, width, 3)."""
    return photo.astype(np.float32) / 255 @ WEIGHTS.T + BIAS


def network(kind: str = "logits", blur: int = 1, side: int | None = None, channels: int = 3) -> onnx.ModelProto:
    """`kind`: logits, softmax, sigmoid (one channel: water), index or picture (a painted map); `blur`: a box this wide."""
    size = ["h", "w"] if side is None else [side, side]
    kernel = np.full((channels, 1, blur, blur), 1 / blur**2, np.float32)
    pad = blur // 2
    nodes = [helper.make_node("Conv", ["photo", "kernel"], ["smooth"], group=channels, pads=[pad] * 4)]
    weights, bias = WEIGHTS, BIAS
    if kind == "sigmoid":
        weights, bias = WEIGHTS[2:] - WEIGHTS[:1], BIAS[2:] - BIAS[:1]
    parts = {"kernel": kernel, "weights": weights[:, :, None, None], "bias": bias}
    nodes.append(helper.make_node("Conv", ["smooth", "weights", "bias"], ["scores"]))
    out, dtype, dims = "scores", TensorProto.FLOAT, ["n", len(weights), *size]
    if kind == "softmax":
        nodes.append(helper.make_node("Softmax", ["scores"], ["answer"], axis=1))
        out = "answer"
    elif kind == "sigmoid":
        nodes.append(helper.make_node("Sigmoid", ["scores"], ["answer"]))
        out = "answer"
    elif kind == "index":
        nodes.append(helper.make_node("ArgMax", ["scores"], ["answer"], axis=1, keepdims=0))
        out, dtype, dims = "answer", TensorProto.INT64, ["n", *size]
    elif kind == "picture":
        table = np.array([[213, 94, 0], [240, 228, 66], [0, 114, 178]], np.float32) / 127.5 - 1
        parts |= {"table": np.ascontiguousarray(table.T)[:, :, None, None]}
        nodes += [
            helper.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0),
            helper.make_node("OneHot", ["best", "depth", "values"], ["hot"], axis=1),
            helper.make_node("Conv", ["hot", "table"], ["answer"]),
        ]
        parts |= {"depth": np.array(3, np.int64), "values": np.array([0, 1], np.float32)}
        out = "answer"
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("photo", TensorProto.FLOAT, ["n", channels, *size])],
        [helper.make_tensor_value_info(out, dtype, dims)], [numpy_helper.from_array(v, k) for k, v in parts.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def write_model(
    folder: Path, kind: str = "logits", halo: int = 8, tile: int = 32, more: str = "", **options: int
) -> Path:
    """An ONNX file and its card; the path of the card."""
    folder.mkdir(parents=True, exist_ok=True)
    model = network(kind, **options)
    onnx.save(model, folder / "net.onnx")
    digest = hashlib.sha256((folder / "net.onnx").read_bytes()).hexdigest()
    lines = ["format = 1", 'name = "known"', 'version = "1"', 'kind = "image-to-map"', 'file = "net.onnx"',
             'licence = "none"', f"tile = {tile}", f"halo = {halo}", "stride = 4", "trained = true", f'sha256 = "{digest}"', more]  # fmt: skip
    names = ("water",) if kind == "sigmoid" else CLASSES
    for index, name in enumerate(names):
        lines += ["[[classes]]", f"index = {index}", f'name = "{name}"']
    lines += [
        "[[inputs]]",
        'group = "photo"',
        'graph = "photo"',
        "channels = 3",
        'bands = ["red", "green", "blue"]',
        "range = [0.0, 1.0]",
    ]
    if kind == "picture":
        lines += ["[output]", 'graph = "answer"', 'bands = ["red", "green", "blue"]', "range = [-1.0, 1.0]"]
    (folder / "card.toml").write_text("\n".join(lines) + "\n")
    return folder / "card.toml"


def deepness(path: Path, kind: str = "softmax") -> Path:
    """An ONNX file that tells of itself as Deepness's models do."""
    model = network(kind)
    meta = {"model_type": "Segmentor", "class_names": {str(i): n for i, n in enumerate(("_background", "sand", "water"))},
            "resolution": 50, "tiles_size": 64, "tiles_overlap": 20}  # fmt: skip
    for key, value in meta.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)
    onnx.save(model, path)
    return path
