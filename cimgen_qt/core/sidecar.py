"""The JSON file beside an export: what was changed, by what, how it is proved, and how it is made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt import __version__
from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.packing import along, pack, spread, unpack, unpack_runs
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.proof import METHOD, Proof
from cimgen_qt.core.raster import Labels, Mask
from cimgen_qt.core.regions import Runs
from cimgen_qt.core.snapshot import Generation, Snapshot

FORMAT = "cimgen-export/1"
LARGEST_BYTES = 512 * 2**20
_NEEDED = ("format", "profile", "target", "companions", "source", "grid", "bands", "dtype", "palette", "proof",
           "generations")  # fmt: skip


@dataclass(frozen=True)
class ReplayStep:
    """One generation, with what the generator saw of the edited map. Arrays go along the pixels of `runs`."""

    model: Mapping[str, Any]
    seed: int
    blend: Mapping[str, Any]
    runs: Runs
    labels: NDArray[np.uint8]
    wanted: NDArray[np.bool_]
    """False for pixels that got the photo back."""
    kept: NDArray[np.bool_]
    """False for pixels that a later act made anew or restored."""
    adapter: bytes | None = None
    """What changed the model's weights for the scene."""


@dataclass(frozen=True)
class Sidecar:
    """A sidecar that was read; `data` is all of it."""

    path: Path
    data: Mapping[str, Any]

    @property
    def grid(self) -> Grid:
        return Grid(**{**self.data["grid"], "transform": tuple(self.data["grid"]["transform"])})

    @property
    def palette(self) -> Palette:
        return Palette.from_json(self.data["palette"])

    @property
    def proof(self) -> Proof:
        p = self.data["proof"]
        return Proof(tuple(p["outside"]), tuple(p["changed"]), int(p["outside_pixels"]), int(p["changed_pixels"]))

    def beside(self, name: str) -> Path:
        """A file that the sidecar names, in its own folder. Raises `ExportError` for any other place."""
        plain = Path(name).name
        if plain != name or plain in ("", ".", ".."):
            raise ExportError(f"{self.path.name} names a file elsewhere: {name}", hint="Its files lie beside it.")
        return self.path.parent / plain

    def source(self) -> Path:
        """Where the source should lie."""
        relative: str = self.data["source"]["relative"]
        return (self.path.parent / relative).resolve()

    def steps(self) -> list[ReplayStep]:
        """The generations of which pixels are left, the oldest first."""
        return [_step(g) for g in self.data["generations"] if "replay" in g]


def read_sidecar(path: Path) -> Sidecar:
    """Raises `ExportError` where the file is missing, too large, no sidecar, or of a later format."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ExportError(f"{path.name} is too large for a sidecar", hint="Is it the right file?")
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ExportError(
            f"{path.name} cannot be read: {error.strerror}",
            hint="It lies beside the exported file; keep them together.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path.name} is no sidecar of CIMGen", hint="Give the .json beside the export.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT or not all(key in data for key in _NEEDED):
        raise ExportError(f"{path.name} is no sidecar of this CIMGen", hint=f"It must say {FORMAT} and be complete.")
    sidecar = Sidecar(path, data)
    try:
        _ = sidecar.grid, sidecar.palette, sidecar.proof, sidecar.data["source"]["relative"]
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{path.name} is damaged: {error}", hint="Export again.") from error
    return sidecar


def describe(snapshot: Snapshot, facts: Mapping[str, Any], proof: Proof) -> dict[str, Any]:
    """All that a sidecar says, in plain values. `facts` are those that the exporter alone knows."""
    grid, info = snapshot.grid, snapshot.info
    return {
        "format": FORMAT,
        "tool": {"name": "CIMGen", "version": __version__},
        **facts,
        "grid": {"width": grid.width, "height": grid.height, "transform": list(grid.transform), "crs": grid.crs},
        "bands": info.bands,
        "dtype": info.dtype,
        "palette": snapshot.palette.to_json(),
        "proof": {
            "method": METHOD,
            "outside": list(proof.outside),
            "changed": list(proof.changed),
            "outside_pixels": proof.outside_pixels,
            "changed_pixels": proof.changed_pixels,
        },
        "generations": [_describe(snapshot, generation) for generation in surviving(snapshot)],
        "changes": [
            {name: getattr(change, name) for name in change.__dataclass_fields__} for change in snapshot.changes()
        ],
    }


def surviving(snapshot: Snapshot) -> tuple[Generation, ...]:
    """The generations of which at least one pixel is left."""
    left: set[int] = set()
    for window in snapshot.pixel_blocks():
        left.update(np.unique(snapshot.read_maker(window)).tolist())
    return tuple(g for g in snapshot.generations if g.act in left)


def _describe(snapshot: Snapshot, generation: Generation) -> dict[str, Any]:
    plain = {
        "act": generation.act,
        "model": {**generation.model, "source": PurePath(str(generation.model.get("source", ""))).name},
        "seed": generation.seed,
        "blend": dict(generation.blend),
        "scope": generation.scope,
        "time": generation.time,
        "warnings": list(generation.warnings),
    }
    runs = unpack_runs(generation.areas)
    seen, made = snapshot.at(generation.revision), snapshot.at(generation.act)
    labels = along(runs, seen.read_labels)
    wanted = along(runs, made.read_maker) == generation.act
    kept = along(runs, snapshot.read_maker) == generation.act
    replay = {
        "areas": generation.areas,
        "labels": pack(labels),
        "wanted": pack(np.packbits(wanted)),
        "kept": pack(np.packbits(kept)),
    }
    digest = str(generation.model.get("adapter", ""))
    adapter = snapshot.adapter(digest) if digest else None
    if adapter is not None:
        replay["adapter"] = pack(np.frombuffer(adapter, np.uint8))
    return {**plain, "replay": replay}


def _step(data: Mapping[str, Any]) -> ReplayStep:
    try:
        replay = data["replay"]
        runs = unpack_runs(replay["areas"])
        count = int((runs.end - runs.start).sum())
        labels = unpack(replay["labels"], "uint8")
        wanted, kept = (np.unpackbits(unpack(replay[k], "uint8"), count=count).astype(bool) for k in ("wanted", "kept"))
        if labels.size != count:
            raise ValueError("the classes do not fit the areas")
        adapter = unpack(replay["adapter"], "uint8").tobytes() if "adapter" in replay else None
        return ReplayStep(data["model"], int(data["seed"]), data["blend"], runs, labels, wanted, kept, adapter)
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"a generation of the sidecar cannot be read: {error}", hint="Export again.") from error


def mask_over(runs: Runs, values: NDArray[np.bool_], window: Window) -> Mask:
    """True where a pixel of the runs is, and its value is True."""
    found: Mask = spread(runs, values, window, False)
    return found


def labels_over(runs: Runs, values: Labels, window: Window, below: Labels) -> Labels:
    """`values` where the runs are, else `below`."""
    inside = mask_over(runs, np.ones(values.size, bool), window)
    return np.where(inside, spread(runs, values, window), below)
