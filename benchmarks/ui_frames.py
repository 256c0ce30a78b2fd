"""Measure how long the canvas takes for a frame while panning, zooming and painting, at 1920 x 1080.

python benchmarks/ui_frames.py PROJECT
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from cimgen_qt.ui.app import application, wait_until_drawn
from cimgen_qt.ui.main_window import MainWindow

SIZE = (1920, 1080)
FRAMES = 200


def main() -> None:
    app = application()
    window = MainWindow()
    window.show()
    window.workbench.open(Path(sys.argv[1]))
    wait_until_drawn(app, window, [])
    canvas = window.canvas
    canvas.setParent(None)
    canvas.resize(*SIZE)
    canvas.show()
    canvas.fit()
    wait_until_drawn(app, window, [])
    print(f"{os.environ['QT_QPA_PLATFORM']}, canvas {canvas.width()} x {canvas.height()}, {FRAMES} frames each")
    draw = (canvas.repaint, app.processEvents)
    for name, scale in (("pan at fit", None), ("pan at 1:1", 1.0), ("pan at 70 %", 0.7), ("pan at 3:1", 3.0)):
        if scale is not None:
            canvas.set_scale(scale)
            wait_until_drawn(app, window, [])
        report(name, frames(lambda i: canvas.pan(9 * math.cos(i / 9), 9 * math.sin(i / 9)), *draw))
    report("zoom", frames(lambda i: canvas.zoom(1.05 if i // 40 % 2 else 1 / 1.05, 700, 500), *draw))
    canvas.set_scale(1.0)
    wait_until_drawn(app, window, [])
    window.workbench.choices.set_pen(radius=20.0, class_id=3)
    row, col = canvas.view.to_pixel(900, 500)
    window.workbench.painting.begin(3, row, col)
    workbench = window.workbench
    moves = frames(lambda i: workbench.painting.move(row + 60 * math.sin(i / 20), col + i), app.processEvents)
    report("brush move and its redraw", moves)
    window.workbench.painting.cancel()
    window.close()
    canvas.deleteLater()


def frames(step: Callable[[int], None], *draw: Callable[[], None]) -> Iterator[float]:
    """Milliseconds of each."""
    for number in range(FRAMES):
        started = time.perf_counter()
        step(number)
        for call in draw:
            call()
        yield (time.perf_counter() - started) * 1000


def report(name: str, times: Iterator[float]) -> None:
    ordered = sorted(times)
    print(f"{name:28s} median {ordered[len(ordered) // 2]:6.2f} ms   p95 {ordered[int(len(ordered) * 0.95)]:6.2f} ms")


if __name__ == "__main__":
    main()
