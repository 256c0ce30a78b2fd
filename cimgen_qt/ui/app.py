"""Starts the window, catches what nobody else did, and takes pictures of it."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from types import TracebackType

from cimgen_qt.core.durable import write_bytes
from cimgen_qt.core.errors import CimgenError, WorkerError
from cimgen_qt.ui.compat import QtCore, QtWidgets, tr
from cimgen_qt.ui.main_window import MainWindow

log = logging.getLogger(__name__)

DRAWN_WITHIN_S = 60.0
"""How long a picture waits for its tiles."""


def application(arguments: list[str] | None = None) -> QtWidgets.QApplication:
    """The one application of this process, made when it is first asked for."""
    there = QtWidgets.QApplication.instance()
    if isinstance(there, QtWidgets.QApplication):
        return there
    app = QtWidgets.QApplication(["cimgen", *(arguments or [])])
    app.setApplicationName("CIMGen")
    app.setOrganizationName("CIMGen")
    return app


def run_window(path: Path | None) -> int:
    """Show the window with a project, or with a new one over an image; returns when it is closed."""
    app = application()
    window = MainWindow()
    before = sys.excepthook
    sys.excepthook = LastResort(window)
    try:
        window.show()
        if path is not None:
            window.files.start_with(path)
        return app.exec()
    finally:
        sys.excepthook = before
        window.close()


def screenshot(path: Path, target: Path, size: tuple[int, int] = (1280, 800)) -> None:
    """A PNG of the window with the project `path`, drawn to the last tile. Raises `CimgenError`.

    Needs no screen where the environment says `QT_QPA_PLATFORM=offscreen`.
    """
    app = application()  # kept: PyQt ends it with its last reference
    window = MainWindow()
    errors: list[CimgenError] = []
    window.workbench.told.connect(lambda text, hint, bad: errors.append(CimgenError(text, hint)) if bad else None)
    try:
        window.resize(*size)
        window.show()
        window.workbench.open(path)
        wait_until_drawn(app, window, errors)
        write_bytes(target, picture(window))
    finally:
        window.close()


def wait_until_drawn(app: QtWidgets.QApplication, window: MainWindow, errors: list[CimgenError]) -> None:
    """Run events until every tile is here and areas are counted. Raises what was told meanwhile, or `WorkerError`."""
    until = time.monotonic() + DRAWN_WITHIN_S
    while not (window.canvas.complete and window.workbench.areas is not None):
        app.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
        window.canvas.update()
        if errors:
            raise errors[0]
        if time.monotonic() > until:
            raise WorkerError("the picture is not ready in time", hint="Is the image very large, or the disk slow?")


def picture(window: QtWidgets.QWidget) -> bytes:
    """The window as a PNG."""
    data = QtCore.QBuffer()
    data.open(QtCore.QIODevice.OpenModeFlag.WriteOnly)
    window.grab().save(data, "PNG")
    return bytes(data.data().data())


class LastResort:
    """Takes what nobody caught: to the log in full, to the message bar in one line. The program goes on."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, CimgenError):
            log.warning("%s", error)
            self._window.workbench.told.emit(error.message, error.hint, True)
            return
        log.critical("nobody caught this", exc_info=(kind, error, trace))
        text = tr("Something went wrong in the program: {}").format(f"{kind.__name__}: {error}")
        self._window.workbench.told.emit(text, tr("What you painted is saved. The log has the details."), True)
