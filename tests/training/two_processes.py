"""One of several processes that learn as one: run by torchrun, see its test. Writes what this process came to."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch

from cimgen_qt.core.jobs import run_inline
from cimgen_qt.training import run as room
from cimgen_qt.training.machine import Machine
from cimgen_qt.training.request import TrainRequest


def main() -> None:
    config, dataset, out = sys.argv[1:4]
    kept: dict[str, Any] = {}
    learn = room.learn

    def watched(*given: Any) -> Any:
        kept["recipe"], kept["machine"] = given[1], given[5]
        return learn(*given)

    room.learn = watched
    facts = run_inline(room.train(TrainRequest(config, out, dataset, device="cpu", threads=1)))
    machine: Machine = kept["machine"]
    digest = hashlib.sha256()
    for name, module in sorted(kept["recipe"].modules().items()):
        for key, value in sorted(module.state_dict().items()):
            digest.update(f"{name}.{key}".encode() + value.numpy().tobytes())
    facts = {"rank": machine.rank, "together": machine.together, "weights": digest.hexdigest(), "steps": facts["steps"]}
    facts["averaged"] = _averaged(machine)
    Path(f"{out}.rank{machine.rank}.json").write_text(json.dumps(facts))


def _averaged(machine: Machine) -> float:
    """What the weight 0 becomes by one step of length 1 down the slopes 1 (first process) and 3 (second)."""
    weight = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([weight], 1.0)
    machine.share_gradients(optimizer)
    (weight * (1.0 + 2.0 * machine.rank)).backward()
    optimizer.step()
    return float(weight.detach())


if __name__ == "__main__":
    main()
