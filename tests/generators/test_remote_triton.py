"""The same pixels from a real Triton server as from the model here.

Set CIMGEN_TRITON to a Python that has nvidia-pytriton and onnxruntime (`pip install nvidia-pytriton onnxruntime` into an
environment of its own).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cimgen_qt.core.snapshot import Snapshot
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.catalog import model_card, verify
from tests.generators.nets import context_card
from tests.generators.test_remote_backend import remote_card, rendered
from tests.generators.test_remote_backend import scene as scene  # noqa: PLC0414  (a fixture)

PYTHON = os.environ.get("CIMGEN_TRITON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="CIMGEN_TRITON names no Python with nvidia-pytriton"),
]


@pytest.fixture
def local(tmp_path: Path) -> ModelCard:
    (tmp_path / "local").mkdir()
    return context_card(tmp_path / "local")


@pytest.fixture
def url(local: ModelCard, tmp_path: Path) -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    folder = Path(
        subprocess.check_output(
            [PYTHON, "-c", "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"], text=True
        ).strip()
    )
    program = Path(__file__).with_name("triton_program.py")
    with (tmp_path / "triton.log").open("w") as log:
        process = subprocess.Popen(
            [PYTHON, str(program), str(local.folder / local.file), str(port)], stdout=log, stderr=log,
            env={**os.environ, "LD_LIBRARY_PATH": str(folder)},
        )  # fmt: skip
    try:
        _wait(f"http://127.0.0.1:{port}/v2/models/net/ready", process, tmp_path / "triton.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


@pytest.mark.timeout(180)
def test_a_real_triton_gives_the_same_pixels(local: ModelCard, url: str, scene: Snapshot) -> None:
    card = remote_card(local, url)
    assert verify(model_card(card)) == []
    there, here = rendered(scene, card), rendered(scene, str(local.path))
    assert len(there.patches) == len(here.patches) > 0
    for one, other in zip(there.patches, here.patches, strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels)[one.mask].max() <= (0 if sys.platform == "linux" else 1)
    assert "triton" in there.model["device"]


@pytest.mark.timeout(180)
def test_a_version_that_is_not_there_is_said(local: ModelCard, url: str) -> None:
    problems = verify(model_card(remote_card(local, url, version="7")))
    assert len(problems) == 1 and "7" in problems[0]
