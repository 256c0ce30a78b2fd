"""No act that was reported as done is lost when the program is killed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_two_hundred_kills_lose_no_act(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.core.killed_painter", str(tmp_path), "200", "11"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["lost"] == 0
    assert result["kills"] == 200
    assert result["acts"] > 400, "the painter was killed before it did anything"
