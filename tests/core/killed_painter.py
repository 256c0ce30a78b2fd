"""Kill a painting process again and again; print as JSON what was found in its project afterwards.

Run as `python -m tests.core.killed_painter FOLDER KILLS SEED`. Each child paints, undoes, redoes and accepts, says
after each act that it stands, and is killed with SIGKILL at a random moment. The parent reopens the project and
compares it with a model in numpy that replays what was said.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.grid import Window
from cimgen_qt.core.project import Project
from cimgen_qt.core.render import Patch, Rendered
from cimgen_qt.core.scene import Scene
from tests.rasters import MemoryReader, noise, project_over

SIDE = 520
WHOLE = Window(0, 0, SIDE, SIDE)
START = np.zeros((SIDE, SIDE), np.uint8)
READER = MemoryReader(noise(SIDE, SIDE))


def step_of(number: int, seed: int) -> tuple[str, Rectangle, int]:
    """The same for everybody who asks: what the act of this number is."""
    rng = random.Random(seed * 1_000_003 + number)
    kind = rng.choices(["paint", "restore", "undo", "redo", "accept"], [8, 2, 3, 2, 3])[0]
    place = Rectangle(rng.randrange(-20, SIDE), rng.randrange(-20, SIDE), rng.randrange(1, 300), rng.randrange(1, 300))
    return kind, place, rng.randrange(1, 4)


def do(scene: Scene, number: int, seed: int) -> None:
    kind, place, class_id = step_of(number, seed)
    if kind == "paint":
        scene.paint(Edit(place, class_id))
    elif kind == "restore":
        scene.paint(Edit(place, None))
    elif kind == "undo":
        scene.undo()
    elif kind == "redo":
        scene.redo()
    else:
        mask = scene.read_labels(WHOLE) != scene.read_map(WHOLE)
        pixels = np.full((SIDE, SIDE, 3), number % 251, np.uint8)
        patch = Patch(WHOLE, mask, np.zeros_like(mask), pixels, mask.astype(np.uint8))
        if mask.any():
            scene.lay(Rendered((patch,), scene.project.head, {"name": "flat"}, 0, {}, "changed"))


class Model:
    """What the project should hold: a list of (labels, pixels), and where in it the present stands."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.states = [(START.copy(), READER.pixels.copy())]
        self.at = 0

    def do(self, number: int) -> None:
        kind, place, class_id = step_of(number, self.seed)
        labels, pixels = (array.copy() for array in self.states[self.at])
        box = Window(place.row, place.col, place.height, place.width).intersect(WHOLE).slices()
        if kind == "undo":
            self.at = max(0, self.at - 1)
        elif kind == "redo":
            self.at = min(len(self.states) - 1, self.at + 1)
        else:
            if kind == "paint":
                labels[box] = class_id
            elif kind == "restore":
                labels[box], pixels[box] = START[box], READER.pixels[box]
            else:
                pixels[labels != START] = number % 251
            old = self.states[self.at]
            accepts = kind == "accept" and bool((labels != START).any())
            if accepts or not (np.array_equal(old[0], labels) and np.array_equal(old[1], pixels)):
                self.states = [*self.states[: self.at + 1], (labels, pixels)]
                self.at += 1

    def fits(self, scene: Scene) -> bool:
        labels, pixels = self.states[self.at]
        return np.array_equal(scene.read_labels(WHOLE), labels) and np.array_equal(scene.read_pixels(WHOLE), pixels)

    def copy(self) -> Model:
        other = Model(self.seed)
        other.states, other.at = list(self.states), self.at
        return other


def paint_until_killed(path: Path, number: int, seed: int, pipe: int) -> None:
    scene = Scene(Project.open(path), READER)
    os.write(pipe, b"ready\n")
    while True:
        do(scene, number, seed)
        os.write(pipe, f"{number}\n".encode())
        number += 1


def kill_once(path: Path, number: int, seed: int, wait: float) -> int:
    """Returns the number of the last act that the child said to stand, or `number` - 1."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            paint_until_killed(path, number, seed, write)
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        first = said.readline()
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        lines = [first, *said.read().split(b"\n")]
    if not os.WIFSIGNALED(status):
        raise SystemExit(f"the painter ended by itself: {status}")
    numbers = [int(line) for line in lines if line.strip().isdigit()]
    return numbers[-1] if numbers else number - 1


def main(folder: Path, kills: int, seed: int) -> dict[str, int]:
    path = folder / "killed.cimgen"
    project_over(path, READER).project.close()
    rng, model, number = random.Random(seed), Model(seed), 0
    result = {"kills": kills, "acts": 0, "lost": 0, "in_flight": 0}
    for _ in range(kills):
        last = kill_once(path, number, seed, rng.uniform(0, 0.15))
        for done in range(number, last + 1):
            model.do(done)
        number = last + 1
        scene = Scene(Project.open(path), READER)
        ahead = model.copy()
        ahead.do(number)
        if not model.fits(scene):
            result["lost" if not ahead.fits(scene) else "in_flight"] += 1
            model, number = ahead, number + 1
        if len(model.states) > 40:  # keep the model small: forget, on both sides, what can no longer be undone here
            scene.project.close()
            path.unlink()
            fresh = project_over(path, READER)
            fresh.project.close()
            model = Model(seed)
        else:
            scene.project.close()
    result["acts"] = number
    return result


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))) + "\n")
