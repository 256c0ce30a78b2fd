"""The device that is told is the device that is used, and a fallback is told with its reason."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy
import onnxruntime
import pytest

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators import devices, open_generator
from cimgen_qt.generators.devices import PROVIDERS, Choice, open_session
from tests.generators.nets import colour_card, colour_net

REPOSITORY = Path(__file__).resolve().parents[2]
ABSENT = [kind for kind, name in PROVIDERS.items() if name not in onnxruntime.get_available_providers()]


def test_the_cpu_is_used_without_a_word_when_it_is_asked_for(tmp_path: Path) -> None:
    opened = open_session(colour_net(tmp_path / "net.onnx").read_bytes(), Choice("cpu"))
    assert (opened.device, opened.note) == ("cpu (ONNX Runtime fp32)", "")
    assert opened.session.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize("kind", ABSENT)
def test_a_device_that_is_not_there_falls_back_to_the_cpu_and_says_why(tmp_path: Path, kind: str) -> None:
    card = colour_card(tmp_path)
    spec = open_generator(str(card.path), device=kind).spec
    assert spec.device == "cpu (ONNX Runtime fp32)"
    assert spec.device_note.startswith(f"{kind} is not used: ")
    assert len(spec.device_note) > len(f"{kind} is not used: ")


@pytest.mark.skipif(not devices.driver_missing("cuda"), reason="there is an NVIDIA driver here")
def test_a_missing_driver_is_told_before_the_missing_package() -> None:
    assert "driver" in devices.obstacle("cuda", [])
    assert "driver" in devices.obstacle("cuda", [PROVIDERS["cuda"]])


@pytest.mark.skipif(not devices.driver_missing("cuda"), reason="there is an NVIDIA driver here")
def test_automatic_choice_without_a_graphics_card_needs_no_excuse(tmp_path: Path) -> None:
    opened = open_session(colour_net(tmp_path / "net.onnx").read_bytes(), Choice("auto"))
    assert (opened.device, opened.note) == ("cpu (ONNX Runtime fp32)", "")


def test_a_package_that_cannot_use_the_device_is_named() -> None:
    assert "onnxruntime-directml" in devices.obstacle("directml", ["CPUExecutionProvider"])
    assert devices.obstacle("cpu", ["CPUExecutionProvider"]) == ""


@pytest.mark.parametrize(
    ("text", "wanted"), [("auto", ("auto", 0)), (" CUDA:1 ", ("cuda", 1)), ("directml", ("directml", 0))]
)
def test_devices_are_parsed(text: str, wanted: tuple[str, int]) -> None:
    assert devices.parse_device(text) == wanted


@pytest.mark.parametrize("text", ["", "gpu", "cuda:", "cpu:1", "cuda:-1", "auto:2", "cuda:1 --x", "openvino:1"])
def test_what_is_no_device_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="no device"):
        devices.parse_device(text)


def _installed(folder: Path, name: str, version: str, module: str = "onnxruntime") -> None:
    """A package as pip leaves it, as far as importlib.metadata looks."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{module}/__init__.py,,\n")


def test_two_flavours_are_noticed_and_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.installed_flavours() == (f"onnxruntime {importlib.metadata.version('onnxruntime')}",)
    _installed(tmp_path, "onnxruntime-gpu", "1.31.1")
    _installed(tmp_path, "onnxruntime-extensions", "0.13.0", "onnxruntime_extensions")
    monkeypatch.syspath_prepend(tmp_path)
    flavours = devices.installed_flavours()
    assert [f.split()[0] for f in flavours] == ["onnxruntime", "onnxruntime-gpu"]
    assert "overwrite each other" in devices.flavour_warning(flavours)
    opened = open_session(colour_net(tmp_path / "net.onnx").read_bytes(), Choice("cpu"))
    assert "onnxruntime-gpu 1.31.1" in opened.note
    assert "overwrite" in devices.survey()[0]["said"]


def _say(program: str, first: Path, flags: tuple[str, ...] = ()) -> str:
    """What a fresh interpreter prints that looks for modules in `first` before all others."""
    start = f"import sys; sys.path[:0] = [{str(REPOSITORY)!r}, {str(first)!r}]\n"
    command = [sys.executable, *flags, "-c", start + textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


ASK = """
from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.devices import runtime, survey
try:
    runtime()
except ModelError as error:
    print(error.message, "|", error.hint)
print(survey())
"""


def test_an_empty_module_left_by_an_uninstall_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").touch()
    said = _say(ASK, tmp_path)
    assert "empty" in said.splitlines()[0]
    assert "pip uninstall" in said


def test_a_module_that_does_not_load_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").write_text("raise ImportError('DLL load failed')")
    said = _say(ASK, tmp_path)
    assert "does not load: DLL load failed" in said
    assert "pip uninstall" in said


@pytest.mark.skipif(sys.platform == "win32", reason="makes symbolic links")
def test_a_missing_runtime_names_the_extra_to_install(tmp_path: Path) -> None:
    site = Path(numpy.__file__).parent.parent
    for name in ("numpy", "numpy.libs", "tomli"):
        if (site / name).exists():
            (tmp_path / name).symlink_to(site / name)
    said = _say(ASK, tmp_path, ("-I", "-S"))
    assert "not installed" in said.splitlines()[0]
    assert "pip install 'cimgen[cpu]'" in said


def test_opening_a_device_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A worker's stdout carries messages, and native lines on stderr frighten."""
    data = colour_net(tmp_path / "net.onnx").read_bytes()
    for kind in devices.KINDS:
        open_session(data, Choice(kind))
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def test_the_survey_speaks_of_every_kind_of_device() -> None:
    found = {line["name"]: line["said"] for line in devices.survey()}
    assert set(found) == {"ONNX Runtime", "OpenVINO", *PROVIDERS}
    assert found["cpu"] == "may be used"
    assert all(found[kind].startswith("not usable: ") for kind in ABSENT)


def test_a_model_that_the_runtime_does_not_take_is_told_with_a_hint(tmp_path: Path) -> None:
    data = colour_net(tmp_path / "net.onnx").read_bytes().replace(b"Conv", b"Cony")
    with pytest.raises(ModelError, match="could not be loaded") as caught:
        open_session(data, Choice("cpu"))
    assert "newer ONNX Runtime" in caught.value.hint
