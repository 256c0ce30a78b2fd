"""The one mutable object: the present of a project, painted on, undone and filled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.brush import Brush
from cimgen_qt.core.change_log import log_changes
from cimgen_qt.core.chunks import CHUNK, Key, chunk_keys, chunk_window
from cimgen_qt.core.edits import Edit
from cimgen_qt.core.errors import ProjectError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette import UNLABELLED, Palette
from cimgen_qt.core.project import ActWriter, Project
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo, RasterReader
from cimgen_qt.core.render import Patch, Rendered
from cimgen_qt.core.scope import Area, Scope, changed_scope
from cimgen_qt.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Change:
    """Something is different now: these layers, within this window. `act` is the new head."""

    window: Window
    layers: frozenset[str]
    act: int


SceneBrush = Brush["Change | None"]


class Scene:
    """Paints, undoes, accepts. Every finished call is one act on disk."""

    def __init__(self, project: Project, reader: RasterReader) -> None:
        self.project = project
        self.reader = reader
        self._brush: SceneBrush | None = None

    @property
    def grid(self) -> Grid:
        return self.project.grid

    @property
    def info(self) -> RasterInfo:
        return self.reader.info

    @property
    def palette(self) -> Palette:
        return self.project.palette

    def snapshot(self) -> Snapshot:
        """The present, frozen."""
        return Snapshot(self.project, self.reader, self.project.head)

    def read_labels(self, window: Window) -> Labels:
        """The edited classes, with the stroke that is being drawn."""
        labels = self.snapshot().read_labels(window)
        if self._brush is not None:
            self._brush.show(labels, window)
        return labels

    def read_map(self, window: Window) -> Labels:
        return self.snapshot().read_map(window)

    def read_pixels(self, window: Window) -> Pixels:
        """The photo with what was accepted laid over it."""
        return self.snapshot().read_pixels(window)

    def areas(self) -> tuple[Area, ...]:
        """What is still to be generated."""
        return self.scope().areas

    def scope(self) -> Scope:
        """The same, with the masks of the areas."""
        return changed_scope(self.snapshot())

    # --- painting ------------------------------------------------------------------------------------------------

    def paint(self, edit: Edit) -> Change | None:
        """Apply one edit as one act; None where it would change nothing."""
        if edit.class_id is not None:
            self.palette.find(edit.class_id)
        snapshot = self.snapshot()
        old: dict[Key, Labels] = {}
        new: dict[Key, Labels] = {}
        cleared: dict[Key, Mask] = {}
        for window, mask in edit.shape.pieces(snapshot):
            key = (window.row // CHUNK, window.col // CHUNK)
            whole = chunk_window(key, self.grid)
            if key not in new:
                old[key] = snapshot.read_labels(whole)
                new[key] = old[key].copy()
                cleared[key] = np.zeros(whole.shape, bool)
            part = window.slices(whole)
            open_to = mask & ~np.isin(old[key][part], sorted(edit.protect))
            cleared[key][part] |= open_to & (edit.class_id is None)
            fresh = snapshot.read_map(window) if edit.class_id is None else edit.class_id
            new[key][part] = np.where(open_to, fresh, new[key][part])
        return self._write(edit.to_json(), snapshot, old, new, cleared)

    def brush(
        self, class_id: int | None, radius: float, shape: str = "round", protect: frozenset[int] = frozenset()
    ) -> SceneBrush:
        """Begin a stroke that shows while it is drawn. `radius` in columns; class None restores the original."""
        if class_id is not None:
            self.palette.find(class_id)
        size = self.grid.pixel_size
        aspect = size[0] / size[1] if size is not None else 1.0
        self._brush = Brush(self.snapshot(), class_id, radius, shape, aspect, protect, self._end_stroke)
        return self._brush

    def _end_stroke(self, brush: SceneBrush) -> Change | None:
        self._brush = None
        edit = brush.edit
        return None if edit is None else self.paint(edit)

    def _write(
        self,
        data: Mapping[str, Any],
        snapshot: Snapshot,
        old: Mapping[Key, Labels],
        new: Mapping[Key, Labels],
        cleared: Mapping[Key, Mask],
    ) -> Change | None:
        painted = {key for key in new if not np.array_equal(old[key], new[key])}
        layers = {key: _restored(snapshot, key, mask) for key, mask in cleared.items()}
        layers = {key: chunks for key, chunks in layers.items() if chunks}
        if not painted and not layers:
            return None
        with self.project.act("paint", data) as act:
            for key in sorted(painted):
                act.put("labels", key, new[key])
            for key, chunks in sorted(layers.items()):
                for layer, array in chunks.items():
                    act.put(layer, key, array)
            log_changes(act, self.project, [(chunk_window(k, self.grid), old[k], new[k]) for k in sorted(painted)], {})
        return self._change(act.number)

    # --- importing -----------------------------------------------------------------------------------------------

    def import_map(
        self, blocks: Iterable[tuple[Window, Labels]], data: Mapping[str, Any], edited: bool = False
    ) -> Job[Change]:
        """Take a map in, chunk by chunk, as one act: as the original map, or (`edited`) as the user's new one.

        A block is a whole chunk. Closed half-way it leaves nothing. An edited map says nothing where it is unlabelled.
        """
        layer, total = ("labels" if edited else "map"), len(list(chunk_keys(self.grid.window)))
        snapshot = self.snapshot()
        with self.project.act("import", {**data, "layer": layer}) as act:
            for done, (window, labels) in enumerate(blocks, start=1):
                key = (window.row // CHUNK, window.col // CHUNK)
                if window != chunk_window(key, self.grid):
                    raise ProjectError(f"the block {window} is no chunk", hint="Cut the map along chunks.")
                if not edited:
                    act.put(layer, key, labels)
                else:
                    self._put_wanted(act, key, snapshot.read_labels(window), labels)
                yield Progress(done, total, "reading the map")
        return self._change(act.number)

    def _put_wanted(self, act: ActWriter, key: Key, before: Labels, wanted: Labels) -> None:
        after = np.where(wanted == UNLABELLED, before, wanted)
        if not np.array_equal(before, after):
            act.put("labels", key, after)
            log_changes(act, self.project, [(chunk_window(key, self.grid), before, after)], {})

    # --- generating ----------------------------------------------------------------------------------------------

    def lay(self, rendered: Rendered) -> Change:
        """Accept a proposal: its pixels become part of the scene, as one act."""
        snapshot = self.snapshot()
        seen = snapshot.at(rendered.revision)
        if not any(a.id == rendered.revision and a.id <= snapshot.revision for a in self.project.acts()):
            raise ProjectError("the map that the proposal was made for is gone", hint="Generate again.")
        with self.project.act("generate", rendered.facts()) as act:
            chunks: dict[Key, dict[str, NDArray[Any]]] = {}
            for patch in rendered.patches:
                for key in chunk_keys(patch.window):
                    window = chunk_window(key, self.grid)
                    if key not in chunks:
                        chunks[key] = {
                            "pixels": np.array(snapshot.read_pixels(window)),
                            "origin": snapshot.read_origin(window),
                            "made": snapshot.read_made(window),
                            "maker": snapshot.read_maker(window),
                        }
                    _lay(chunks[key], patch, window, seen, act.number)
                self._log_patch(act, patch, seen, rendered)
            for key, layers in sorted(chunks.items()):
                for layer, array in layers.items():
                    act.put(layer, key, array if layers["origin"].any() or layers["maker"].any() else None)
        return self._change(act.number)

    def _log_patch(self, act: ActWriter, patch: Patch, seen: Snapshot, rendered: Rendered) -> None:
        old = np.where(patch.mask, seen.read_map(patch.window), 0)
        new = np.where(patch.mask, seen.read_labels(patch.window), 0)
        extra = {
            "model": rendered.model.get("name"),
            "model_sha256": rendered.model.get("sha256"),
            "seed": rendered.seed,
        }
        log_changes(act, self.project, [(patch.window, old, new)], extra, patch.mask)

    # --- history -------------------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        return self.project.can_step(back=True)

    @property
    def can_redo(self) -> bool:
        return self.project.can_step(back=False)

    def undo(self) -> Change | None:
        """Step back over the last act; None where there is none."""
        return self._step(back=True)

    def redo(self) -> Change | None:
        """Step forward again; None where there is nothing undone."""
        return self._step(back=False)

    def _step(self, back: bool) -> Change | None:
        act = self.project.step(back)
        return None if act is None else self._change(act.id)

    def _change(self, act: int) -> Change:
        window, layers = self.project.touched(act)
        return Change(window, layers, self.project.head)


def _restored(snapshot: Snapshot, key: Key, mask: Mask) -> dict[str, NDArray[Any] | None]:
    """New pixel layers of a chunk in which the pixels of `mask` get the photo back; empty where none was made."""
    window = chunk_window(key, snapshot.grid)
    maker = snapshot.read_maker(window)
    if not (mask & (maker > 0)).any():
        return {}
    pixels = np.where(mask[..., None], snapshot.read_photo(window), snapshot.read_pixels(window))
    keep = ~mask
    layers = {
        "pixels": pixels,
        "origin": snapshot.read_origin(window) * keep,
        "made": snapshot.read_made(window) * keep,
        "maker": maker * keep,
    }
    return dict.fromkeys(layers) if not layers["maker"].any() else dict(layers)


def _lay(layers: Mapping[str, NDArray[Any]], patch: Patch, window: Window, seen: Snapshot, act: int) -> None:
    common = window.intersect(patch.window)
    here, there = common.slices(window), common.slices(patch.window)
    made, back = patch.mask[there], patch.reverted[there]
    touched = made | back
    layers["pixels"][here][touched] = patch.pixels[there][touched]
    layers["origin"][here][touched] = np.where(made, patch.origin[there], 0)[touched]
    layers["made"][here][touched] = np.where(made, seen.read_labels(common), 0)[touched]
    layers["maker"][here][touched] = np.where(made, act, 0)[touched]
