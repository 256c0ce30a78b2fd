"""`cimgen`: the window without arguments, the command line with them, and `--worker`, a process that runs jobs."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point; ends the process with the exit code."""
    if sys.argv[1:2] == ["--worker"]:
        from cimgen_qt import worker

        worker.main(sys.argv[2:])
        return
    from cimgen_qt.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
