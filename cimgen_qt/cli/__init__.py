"""The same jobs from a terminal."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from cimgen_qt.cli import commands, learning, parser
from cimgen_qt.cli.console import Console
from cimgen_qt.core.errors import CimgenError

CANCELLED = 130

_COMMANDS: dict[str, Callable[[argparse.Namespace, Console], int]] = {
    "demo": commands.demo,
    "new": commands.new,
    "map": commands.map_,
    "paint": commands.paint,
    "render": commands.render,
    "export": commands.export,
    "verify": commands.verify,
    "replay": commands.replay,
    "dataset": learning.dataset,
    "recipe": learning.recipe,
    "train": learning.train,
    "adapt": learning.adapt,
    "evaluate": learning.evaluate,
    "info": commands.info,
    "models": commands.models,
    "doctor": commands.doctor,
    "window": commands.window,
}


def main(arguments: Sequence[str] | None = None, open_window: commands.OpenWindow | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 a check failed, 2 bad input, 130 stopped by Ctrl+C.

    `open_window` blocks until the editor that it opens on a path is closed.
    """
    options = parser.build().parse_args(sys.argv[1:] if arguments is None else arguments)
    options.open_window = open_window
    if options.command is None:
        options.command, options.path, options.json, options.quiet = "window", None, False, True
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s")
    console = Console(options.json, options.quiet)
    try:
        return _COMMANDS[options.command](options, console)
    except CimgenError as error:
        console.fail(error)
        return commands.BAD_INPUT
    except KeyboardInterrupt:
        console.fail(CimgenError("stopped; nothing was changed"))
        return CANCELLED
