"""`cimgen`: the window without arguments, the command line with them, and `--worker`, a process that runs jobs."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Entry point; ends the process with the exit code."""
    if sys.argv[1:2] == ["--worker"]:
        from cimgen_qt import worker

        worker.main(sys.argv[2:])
        return
    from cimgen_qt.cli import main as run

    sys.exit(run(open_window=_open_window))


def _open_window(path: Path | None) -> int:
    from cimgen_qt.ui.app import run_window

    return run_window(path)


if __name__ == "__main__":
    main()
