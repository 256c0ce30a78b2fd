"""An ONNX file is looked through without being run: what it takes, what it would load, and whether it is sound."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.onnx_graph import read_graph
from tests.generators.nets import OPSET, colour_net, context_net, graph, save

PORT = ("n", 3, "h", "w")
WHOLE = [("x", 1, PORT)], [("y", 1, PORT)]


def _bytes(nodes: list[onnx.NodeProto], **more: object) -> bytes:
    return graph(nodes, *WHOLE, {}, **more).SerializeToString()  # type: ignore[arg-type]


def outside(location: str) -> onnx.TensorProto:
    """A tensor whose numbers lie in another file."""
    tensor = TensorProto(name="far", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def test_inputs_outputs_and_metadata_are_read_as_onnx_reads_them(tmp_path: Path) -> None:
    path = context_net(tmp_path / "net.onnx", dims=(2, 7, 64, "w"))
    model = onnx.load(str(path))
    save(model, path, {"model_type": '"Segmentor"', "note": "déjà vu"})
    found = read_graph(path.read_bytes())
    assert [(p.name, p.dtype, p.dims) for p in found.inputs] == [("x", "float32", (2, 7, 64, None))]
    assert [(p.name, p.dims) for p in found.outputs] == [("y", (None, 3, None, None))]
    assert found.operators == {(n.domain, n.op_type) for n in model.graph.node}
    assert found.initializers == {"a", "b"}
    assert found.metadata == {"model_type": '"Segmentor"', "note": "déjà vu"}
    assert found.external == set()


def test_weights_listed_among_the_inputs_need_not_be_fed() -> None:
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    ins = [("x", 1, PORT), ("w", 1, (1,))]
    model = graph([node], ins, [("y", 1, PORT)], {"w": np.ones(1, np.float32)})
    assert [p.name for p in read_graph(model.SerializeToString()).fed] == ["x"]


def test_external_data_is_found_wherever_it_hides() -> None:
    inner = helper.make_graph([helper.make_node("Identity", ["far"], ["z"])], "inner", [], [], [outside("d")])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=outside("b")),
        helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner),
        helper.make_node("Identity", ["x"], ["y"]),
    ]
    function = helper.make_function(
        "ours", "f", ["i"], ["o"], [helper.make_node("Constant", [], ["o"], value=outside("e"))], OPSET
    )
    model = graph(nodes, *WHOLE, {}, functions=[function])
    model.graph.initializer.append(outside("a"))
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(outside("c"))
    assert read_graph(model.SerializeToString()).external == {"a", "b", "c", "d", "e"}


def test_operators_of_a_foreign_domain_are_refused() -> None:
    for nested in (False, True):
        node = helper.make_node("Anything", ["x"], ["y"], domain="evil.corp")
        if nested:
            inner = helper.make_graph([node], "inner", [], [])
            node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
        with pytest.raises(ModelError, match=r"evil\.corp::Anything"):
            read_graph(_bytes([node])).require_plain()


def test_functions_that_the_file_defines_itself_are_fine() -> None:
    function = helper.make_function("ours", "f", ["i"], ["o"], [helper.make_node("Relu", ["i"], ["o"])], OPSET)
    node = helper.make_node("f", ["x"], ["y"], domain="ours")
    read_graph(_bytes([node], functions=[function])).require_plain()
    other = helper.make_node("g", ["x"], ["y"], domain="ours")
    with pytest.raises(ModelError, match="ours::g"):
        read_graph(_bytes([node, other], functions=[function])).require_plain()


@pytest.mark.parametrize("operator", ["EPContext", "PyOp"])
def test_operators_that_load_files_or_run_code_are_refused(operator: str) -> None:
    with pytest.raises(ModelError, match=operator):
        read_graph(_bytes([helper.make_node(operator, ["x"], ["y"], domain="com.microsoft")])).require_plain()


def test_operators_that_look_at_whole_tiles_are_named() -> None:
    node = helper.make_node("InstanceNormalization", ["x", "s", "b"], ["y"])
    assert read_graph(_bytes([node])).whole_tile_operators == ["InstanceNormalization"]
    assert read_graph(_bytes([helper.make_node("Relu", ["x"], ["y"])])).whole_tile_operators == []


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04" + bytes(60), b"\x08", b"\xff" * 40, b"GIF89a" + bytes(200), b"\x00" * 64]
)
def test_what_is_no_onnx_file_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"damaged|no ONNX"):
        read_graph(data)


def test_ort_format_is_refused() -> None:
    with pytest.raises(ModelError, match="own format"):
        read_graph(b"\x20\x00\x00\x00ORTM" + bytes(100))


def test_a_truncated_file_is_refused_at_every_length(tmp_path: Path) -> None:
    """Or, where a whole message happens to end there, holds no network."""
    data = colour_net(tmp_path / "net.onnx").read_bytes()
    for length in range(len(data) - 12):  # the last field is the operator set
        with pytest.raises(ModelError):
            read_graph(data[:length])


def _nested(depth: int) -> bytes:
    """An If in an If in an If..., built from the inside out without recursion."""
    node = helper.make_node("Relu", ["x"], ["y"]).SerializeToString()
    for _ in range(depth):
        inside = b"\x0a" + _length(node) + node
        attribute = b"\x0a\x01g" + b"\x32" + _length(inside) + inside
        node = b"\x22\x02If" + b"\x2a" + _length(attribute) + attribute
    body = b"\x0a" + _length(node) + node + b"\x62\x03\x0a\x01y"
    return b"\x3a" + _length(body) + body


def _length(data: bytes) -> bytes:
    value, made = len(data), b""
    while value > 127:
        made, value = made + bytes([value & 127 | 128]), value >> 7
    return made + bytes([value])


def test_graphs_nested_without_end_are_refused_and_reasonable_ones_are_not() -> None:
    assert ("", "Relu") in read_graph(_nested(5)).operators
    with pytest.raises(ModelError, match="nested"):
        read_graph(_nested(3000))


def test_a_flood_of_fields_is_refused_in_seconds() -> None:
    started = time.monotonic()
    with pytest.raises(ModelError, match="too many fields"):
        read_graph(b"\x08\x01" * 6_000_000)
    assert time.monotonic() - started < 30


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_mutated_file_is_read_or_refused_but_never_breaks(data: st.DataObject) -> None:
    tensor = numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "w")
    model = graph([helper.make_node("Conv", ["x", "w"], ["y"])], *WHOLE, {})
    model.graph.initializer.append(tensor)
    whole = bytearray(model.SerializeToString())
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_graph(bytes(whole))
    except ModelError as error:
        assert error.message and error.hint
