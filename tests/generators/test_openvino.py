"""OpenVINO answers as ONNX Runtime does, keeps silent, leaves no file, and is told of truly."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.generators import devices, openvino_session
from cimgen_qt.generators.devices import Choice, open_session
from cimgen_qt.generators.onnx_backend import Onnx
from cimgen_qt.generators.precision import AGREEMENT_DB, MOST_ROUNDS, Probe, Sample, agreement, probe
from tests.generators.nets import colour_card, colour_net, context_card, context_net, graph, save
from tests.generators.torch_nets import net_card, scene

if importlib.util.find_spec("openvino") is None:
    pytest.skip("openvino is not installed", allow_module_level=True)

REPOSITORY = Path(__file__).resolve().parents[2]
NATIVE = openvino_session.has_bf16(openvino_session.package())
needs_bf16 = pytest.mark.skipif(not NATIVE, reason="this processor has no bfloat16")
FP32, BF16, ORT = "cpu (OpenVINO fp32)", "cpu (OpenVINO bf16)", "cpu (ONNX Runtime fp32)"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path / "data"))


def sample(side: int = 64) -> Sample:
    feeds = {"x": np.random.default_rng(3).normal(size=(1, 7, side, side)).astype(np.float32)}
    return Sample(feeds, "y")


def test_it_answers_as_onnx_runtime_does(tmp_path: Path) -> None:
    data, seen = context_net(tmp_path / "net.onnx").read_bytes(), sample()
    ours = open_session(data, Choice("openvino"))
    theirs = open_session(data, Choice("cpu"))
    assert (ours.device, theirs.device) == (FP32, ORT)
    (one,), (other,) = (opened.session.run(["y"], seen.feeds) for opened in (ours, theirs))
    assert one.shape == other.shape
    assert np.abs(one - other).max() < 1e-5
    assert np.ptp(one) > 0.5


def test_it_makes_the_pixels_of_a_card(tmp_path: Path) -> None:
    view, card, window = scene(), context_card(tmp_path), Window(40, 48, 96, 64)
    made = []
    for choice in (Choice("cpu"), Choice("openvino", 1), Choice("openvino", 2, True)):
        generator = Onnx(card, choice)
        run_inline(generator.prepare(view))
        made.append(run_inline(generator.generate([view.request(window)]))[0].astype(int))
        generator.close()
    assert np.ptp(made[0]) > 60
    for other in made[1:]:
        assert np.abs(made[0] - other).max() <= 1
        assert (made[0] != other).mean() < 0.01


def test_answers_are_kept_when_the_next_ones_are_made(tmp_path: Path) -> None:
    """No view of a buffer that is written again or given back."""
    data = context_net(tmp_path / "net.onnx").read_bytes()
    for low_memory in (False, True):
        session = open_session(data, Choice("openvino", 1, low_memory)).session
        (first,) = session.run(["y"], sample().feeds)
        before = first.copy()
        session.run(["y"], {"x": np.zeros((1, 7, 64, 64), np.float32)})
        assert np.array_equal(first, before)


def test_frozen_statistics_hold_there_too(tmp_path: Path) -> None:
    view = scene()
    generator = Onnx(net_card(tmp_path, "resnet"), Choice("openvino"))
    warnings = run_inline(generator.prepare(view))
    assert generator.spec.device == FP32
    assert generator.spec.statistics
    assert not any("whole tiles" in warning for warning in warnings)


@needs_bf16
def test_bf16_is_used_and_told_when_it_is_asked_for(tmp_path: Path) -> None:
    data, seen = context_net(tmp_path / "net.onnx").read_bytes(), sample()
    ours = open_session(data, Choice("cpu", precision="bf16"))
    assert (ours.device, ours.note) == (BF16, "")
    (one,), (other,) = (o.session.run(["y"], seen.feeds) for o in (ours, open_session(data, Choice("cpu"))))
    assert AGREEMENT_DB < agreement(other, one, 2.0) < 90.0


def test_a_processor_without_bf16_computes_in_fp32_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_session, "has_bf16", lambda _: False)
    data = context_net(tmp_path / "net.onnx").read_bytes()
    for precision in ("bf16", "auto"):
        opened = open_session(data, Choice("cpu", precision=precision), sample())
        assert (opened.device, opened.note) == (ORT, "bf16 is not used: this processor does not have it")


def test_an_answer_that_is_too_far_off_refuses_bf16() -> None:
    reference, candidate = _Fixed(1.0), _Fixed(1.0 + 10 ** (-AGREEMENT_DB / 20) * 2.2)
    found = probe(reference, candidate, sample())
    assert "dB" in found.refusal
    assert (reference.runs, candidate.runs) == (1, 1)  # what does not agree is not timed


class _Fixed:
    """A session that gives one number; counts its runs, each of which takes so many ticks."""

    def __init__(self, value: float, ticks: float = 0.0, clock: list[float] | None = None) -> None:
        self.value, self.ticks, self.clock, self.runs = value, ticks, clock or [0.0], 0

    def run(self, _outputs: object, _feeds: object) -> list[np.ndarray]:
        self.runs += 1
        self.clock[0] += self.ticks
        return [np.full((1, 3, 4, 4), self.value, np.float32)]


@pytest.mark.parametrize(("ticks", "rounds"), [(1e-4, MOST_ROUNDS), (0.03, 2), (9.0, 1)])
def test_a_probe_takes_a_bounded_number_of_rounds(ticks: float, rounds: int) -> None:
    clock = [0.0]
    slow, fast = _Fixed(1.0, ticks, clock), _Fixed(1.0, ticks / 4, clock)
    slow.clock = fast.clock = clock
    found = probe(slow, fast, sample(), lambda: clock[0])
    assert found.rounds == rounds
    assert (slow.runs, fast.runs) == (rounds + 1, rounds + 1)
    assert found.gain == pytest.approx(4.0)
    assert found.refusal == ""
    back = probe(fast, slow, sample(), lambda: clock[0])
    assert "times as fast as fp32 only" in back.refusal


def test_agreement_is_told_in_decibels() -> None:
    zero = np.zeros((2, 2))
    assert agreement(zero, zero, 2.0) == np.inf
    assert agreement(zero, zero + 0.02, 2.0) == pytest.approx(40.0)
    assert agreement(zero, zero + np.nan, 2.0) == -np.inf
    assert Probe(9.0, -np.inf, 0).refusal
    assert Probe(9.0, np.nan, 0).refusal


def test_automatic_precision_is_settled_on_the_scene_and_told(tmp_path: Path) -> None:
    generator = Onnx(net_card(tmp_path, "resnet"), Choice("cpu", precision="auto"))
    assert generator.spec.device == ORT
    run_inline(generator.prepare(scene()))
    assert generator.spec.device in (ORT, BF16)
    assert generator.spec.device == BF16 or "bf16 is not used: " in generator.spec.device_note


def test_openvino_in_automatic_precision_stays_openvino(tmp_path: Path) -> None:
    data = context_net(tmp_path / "net.onnx").read_bytes()
    assert open_session(data, Choice("openvino", precision="auto"), sample()).device in (FP32, BF16)


def test_a_precision_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    data = colour_net(tmp_path / "net.onnx").read_bytes()
    with pytest.raises(ModelError, match="precision 'int8'"):
        open_session(data, Choice("cpu", precision="int8"))


def test_what_was_used_can_be_asked_for_again() -> None:
    for spoken, wanted in (
        (ORT, Choice("cpu")),
        (FP32, Choice("openvino")),
        (BF16, Choice("openvino", precision="bf16")),
        ("cuda:1 (ONNX Runtime fp32)", Choice("cuda:1")),
        ("cuda:0", Choice("cuda:0")),
        ("cpu", Choice("cpu")),
        ("a mainframe", Choice("auto")),
        ("", Choice("auto")),
    ):
        assert Choice.like(spoken) == wanted


@pytest.mark.parametrize("spoken", [ORT, FP32, pytest.param(BF16, marks=needs_bf16)])
def test_asking_again_gives_the_same_device(tmp_path: Path, spoken: str) -> None:
    data = colour_net(tmp_path / "net.onnx").read_bytes()
    assert open_session(data, Choice.like(spoken)).device == spoken


def test_a_graph_that_it_does_not_take_goes_to_onnx_runtime_with_the_reason(tmp_path: Path) -> None:
    node = helper.make_node("Det", ["x"], ["y"])
    made = graph([node], [("x", 1, ("n", 3, 4, 4))], [("y", 1, ("n", 3))], {})
    opened = open_session(save(made, tmp_path / "net.onnx").read_bytes(), Choice("openvino"))
    assert opened.device == ORT
    assert opened.note.startswith("OpenVINO is not used: it does not take the model: ")


def test_what_neither_takes_is_told_with_a_hint(tmp_path: Path) -> None:
    data = colour_net(tmp_path / "net.onnx").read_bytes().replace(b"Conv", b"Cony")
    with pytest.raises(ModelError, match="could not be loaded") as caught:
        open_session(data, Choice("openvino"))
    assert caught.value.hint


def test_a_failure_inside_the_network_is_told_with_a_hint(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["labels", "wide"], ["picture"])
    ports = ("n", 3, "h", "w")
    wide = {"wide": np.zeros((1, 3, 5, 5), np.float32)}
    save(graph([node], [("labels", 1, ports)], [("picture", 1, ports)], wide), tmp_path / "net.onnx")
    view, generator = scene(), Onnx(colour_card(tmp_path), Choice("openvino"))
    run_inline(generator.prepare(view))
    with pytest.raises(ModelError, match="could not be run") as caught:
        run_inline(generator.generate([view.request(Window(0, 0, 64, 64))]))
    assert caught.value.hint
    assert "Exception from" not in caught.value.message


def _run(program: str, home: Path) -> str:
    """What a fresh interpreter prints whose home folder is `home`."""
    environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    start = f"import sys; sys.path[:0] = [{str(REPOSITORY)!r}]\n"
    done = subprocess.run(
        [sys.executable, "-c", start + program], capture_output=True, text=True, env=environment, cwd=home, check=True
    )
    return done.stdout


QUIETLY = """
import socket
def refuse(*_):
    raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = refuse
from pathlib import Path
from cimgen_qt.generators.devices import Choice, open_session, survey
data = Path("net.onnx").read_bytes()
for choice in (Choice("cpu"), Choice("openvino"), Choice("openvino", precision="bf16")):
    open_session(data, choice)
survey()
print([name for name in sys.modules if name.startswith("openvino_telemetry.")])
print(sys.modules["openvino_telemetry"])
"""


def test_neither_runtime_reports_home_or_leaves_a_file(tmp_path: Path) -> None:
    """Both would on import: a client number in ~/intel, a queue of reports in ~/.cache/Microsoft."""
    colour_net(tmp_path / "net.onnx")
    assert _run(QUIETLY, tmp_path).splitlines() == ["[]", "None"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["net.onnx"]


MISSING = """
sys.modules["openvino"] = None
from pathlib import Path
from cimgen_qt.generators.devices import Choice, open_session, survey
data = Path("net.onnx").read_bytes()
for choice in (Choice("openvino"), Choice("cpu", precision="bf16"), Choice("cpu")):
    opened = open_session(data, choice)
    print(opened.device, "|", opened.note)
print(survey()[-1]["said"])
"""


def test_without_the_package_onnx_runtime_computes_and_says_why(tmp_path: Path) -> None:
    colour_net(tmp_path / "net.onnx")
    one, other, plain, said = _run(MISSING, tmp_path).splitlines()
    for line in (one, other):
        assert line.startswith(f"{ORT} | OpenVINO cannot be used: ")
    assert plain == f"{ORT} | "
    assert "pip install 'cimgen[cpu]'" in said


ALONE = """
sys.modules["onnxruntime"] = None
from pathlib import Path
from cimgen_qt.generators.devices import Choice, open_session
opened = open_session(Path("net.onnx").read_bytes(), Choice())
print(opened.device, "|", opened.note)
"""


def test_without_onnx_runtime_openvino_computes_and_says_why(tmp_path: Path) -> None:
    colour_net(tmp_path / "net.onnx")
    device, said = _run(ALONE, tmp_path).strip().split(" | ")
    assert device == FP32
    assert "ONNX Runtime" in said


def test_the_doctor_hears_of_it() -> None:
    (line,) = [line for line in devices.survey() if line["name"] == "OpenVINO"]
    assert ("has bf16" in line["said"]) is NATIVE


def test_hostile_weights_never_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard of `weights` comes first, whatever runtime is chosen."""
    reached: list[object] = []
    monkeypatch.setattr(openvino_session, "compile_session", lambda *args: reached.append(args))
    card = colour_card(tmp_path)
    node = helper.make_node("PyOp", ["labels"], ["picture"], domain="com.microsoft")
    ports = ("n", 3, "h", "w")
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    save(graph([node], [("labels", 1, ports)], [("picture", 1, ports)], {}, opset=opset), tmp_path / "net.onnx")
    with pytest.raises(ModelError):
        Onnx(replace(card, sha256=""), Choice("openvino"))
    assert reached == []
