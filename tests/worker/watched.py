"""A worker for tests, and ways to see what it leaves behind."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from cimgen_qt.blocks import folders
from cimgen_qt.runner import WorkerRunner
from tests.worker import worker_program

PROGRAM = Path(__file__).with_name("worker_program.py")
COMMAND = [sys.executable, "-E", str(PROGRAM)]

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def runner_of(**options: Any) -> WorkerRunner:
    return WorkerRunner(types=worker_program.TYPES, command=COMMAND, **options)


def left_in_memory(pid: int | None = None) -> set[str]:
    """Blocks of the workers of a program, this one if left out."""
    names = {path.name for folder in folders() for path in folder.glob("cimgen-*")}
    return {name for name in names if f"-{pid or os.getpid()}-" in name}


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()]) if sys.platform.startswith("linux") else 0


def alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
