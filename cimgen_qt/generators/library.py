"""Hold what a scene offers as examples, class by class, within a bounded memory."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import SceneView
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.generators.atlas import Atlas, Scaling, measure, pack
from cimgen_qt.generators.examples import MARGIN, Census, Example, invent, read_example, take_census

log = logging.getLogger(__name__)

PER_CLASS, IN_ALL = 6, 12
"""Windows of examples: of one class at most, and of all classes of one request (two a class at least)."""
SHEET = 4 * (256 + 2 * MARGIN + 16) + 16
"""Width of the sheet of examples: four of them side by side."""


@dataclass(slots=True)
class Library:
    """Finds the examples of a class when it is first asked for, always the same ones; keeps the last sheet made."""

    scene: SceneView
    census: Census
    scaling: Scaling
    warnings: tuple[str, ...] = ()
    _examples: dict[int, list[Example]] = field(default_factory=dict)
    _sheet: tuple[tuple[int, ...], Atlas, list[Window | None]] | None = None

    def is_inside(self, class_id: int) -> bool:
        """True where the class stands nowhere but under the scope, so that examples come from there."""
        return not self.census.has_free(class_id) and bool(self.census.scoped[:, class_id].any())

    def is_invented(self, class_id: int) -> bool:
        """True where the scene shows no usable pixel of the class."""
        return any(e.window is None for e in self.examples(class_id))

    def examples(self, class_id: int) -> list[Example]:
        if class_id not in self._examples:
            found = _read(self.scene, self.census, class_id, PER_CLASS)
            if not found:
                found = [_invented(self.scene, self.census, class_id, self.scaling)]
            self._examples[class_id] = found
        return self._examples[class_id]

    def atlas(self, classes: tuple[int, ...]) -> tuple[Atlas, list[Window | None]]:
        """A sheet with examples of `classes`, and the window of each of its places."""
        if self._sheet is None or self._sheet[0] != classes:
            most = max(2, min(PER_CLASS, IN_ALL // len(classes)))
            pieces: list[Example] = []
            for class_id in classes:
                for example in self.examples(class_id)[:most]:
                    if not any(example.window is not None and example.window == p.window for p in pieces):
                        pieces.append(example)
            self._sheet = classes, pack(pieces, self.scaling, SHEET), [p.window for p in pieces]
        return self._sheet[1], self._sheet[2]


def open_library(scene: SceneView) -> Job[Library]:
    """Look through the scene. Raises `ModelError` where it has no valid pixel."""
    census = yield from take_census(scene)
    wanted = [int(c) for c in np.flatnonzero(census.wanted)]
    found: dict[int, list[Example]] = {}
    for number, class_id in enumerate(wanted):
        found[class_id] = _read(scene, census, class_id, PER_CLASS)
        yield Progress(number + 1, len(wanted), "Reading examples")
    sample = [e for examples in found.values() for e in examples] or _any(scene, census)
    library = Library(scene, census, measure(sample, scene.info.alpha))
    library._examples.update({c: examples for c, examples in found.items() if examples})
    warnings = []
    for class_id in wanted:
        warnings += _warnings(library, class_id)
        yield Progress(len(wanted), len(wanted), "Reading examples")
    library.warnings = tuple(warnings)
    return library


def _warnings(library: Library, class_id: int) -> list[str]:
    known = library.scene.palette.get(class_id)
    name = known.name if known is not None else str(class_id)
    if library.is_invented(class_id):
        return [
            f"no example of class '{name}' in this scene: an invented tone with the faint grain of the smoothest "
            "ground is used instead"
        ]
    if library.is_inside(class_id):
        return [f"class '{name}' stands only where pixels are to be made: its own photo there serves as the example"]
    return []


def _read(scene: SceneView, census: Census, class_id: int, most: int) -> list[Example]:
    """Examples that do hold usable pixels of the class."""
    inside = [] if census.has_free(class_id) else [class_id]
    examples = []
    for block in census.best_blocks(class_id, 2 * most):
        example = read_example(scene, block.padded(MARGIN), inside)
        if (example.classes == class_id).any():
            examples.append(example)
        if len(examples) == most:
            break
    return examples


def _any(scene: SceneView, census: Census) -> list[Example]:
    """Examples of the commonest classes; from inside the scope where there is nothing else."""
    free, scoped = census.free.sum(axis=0), census.scoped.sum(axis=0)
    for counts in (free, scoped):
        found = [
            e for c in np.argsort(-counts, kind="stable")[:4] if counts[c] for e in _read(scene, census, int(c), 1)
        ]
        if found:
            return found
    raise ModelError("the scene has no valid pixel to take as an example", hint="Is all of it nodata?")


def _invented(scene: SceneView, census: Census, class_id: int, scaling: Scaling) -> Example:
    log.info("class %d is invented", class_id)
    return invent(scene, class_id, _any(scene, census), scaling.low, scaling.high)
