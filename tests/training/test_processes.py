"""Two processes under torchrun end with the same weights, learned from the ground that both drew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.small import TINY, make_dataset, write_config

ROOT = Path(__file__).resolve().parents[2]


def learned(processes: int, config: Path, dataset: Path, out: Path) -> list[dict]:
    """What each process came to, by rank."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
        str(Path(__file__).with_name("two_processes.py")), str(config), str(dataset), str(out),
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(Path(f"{out}.rank{rank}.json").read_text()) for rank in range(processes)]


@pytest.mark.skipif(sys.platform == "win32", reason="gloo and torchrun differ there")
@pytest.mark.parametrize("recipe", ["context", "segment"])
def test_two_processes_learn_as_one(tmp_path: Path, recipe: str) -> None:
    dataset = make_dataset(tmp_path / "small")
    config = write_config(tmp_path, recipe, options=TINY if recipe == "context" else "")
    first, second = learned(2, config, dataset, tmp_path / "two")
    assert (first["rank"], second["rank"], first["together"]) == (0, 1, 2)
    assert first["weights"] == second["weights"]
    assert first["averaged"] == second["averaged"] == -2.0
    assert (tmp_path / "two" / "model" / "card.toml").is_file()
    (alone,) = learned(1, config, dataset, tmp_path / "one")
    assert alone["together"] == 1 and alone["weights"] != first["weights"]
