"""Keep what was measured of a scene for the next program: every render opens its network anew."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.durable import write_bytes
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.paths import user_places

MOST = 256
"""Files; the ones that were written longest ago go first. Each holds some kilobytes."""
LARGEST_BYTES = 16 << 20


def folder() -> Path:
    """May be emptied at any time."""
    return user_places().cache / "statistics"


def recall(key: str, names: Sequence[str]) -> dict[str, NDArray[Any]] | None:
    """What was kept under `key`, a hash of all it depends on; None where it is missing, damaged or of other names."""
    path = folder() / f"{key}.npz"
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return None
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    whole = set(found) == set(names) and all(values.dtype.kind in "fi" for values in found.values())
    return found if whole and all(np.isfinite(values).all() for values in found.values()) else None


def remember(key: str, values: Mapping[str, NDArray[Any]]) -> None:
    """Write it down; a cache that cannot be written is none, and nobody has to hear of it."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(values))
    with contextlib.suppress(OSError, CimgenError):
        folder().mkdir(parents=True, exist_ok=True)
        write_bytes(folder() / f"{key}.npz", buffer.getvalue())
        kept = sorted(folder().glob("*.npz"), key=lambda path: path.stat().st_mtime_ns)
        for path in kept[:-MOST]:
            path.unlink(missing_ok=True)
