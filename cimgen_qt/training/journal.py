"""What a person looks at while a network learns: curves, sample grids, and logs that TensorBoard reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cimgen_qt.core.durable import write_bytes, write_text
from cimgen_qt.training.batch import Batch
from cimgen_qt.training.curves import draw_curves

CURVES, PICTURE, SAMPLES, EVENTS = "curves.csv", "curves.svg", "samples", "events"
_BACKED = 20
"""Lines that are gathered before the file is set in place anew."""


class Journal:
    """Keeps `curves.csv` (step, name, value), draws `curves.svg`, and writes `samples/` and `events/`."""

    def __init__(self, folder: Path, step: int) -> None:
        """`step`: where the run goes on; what an earlier try wrote beyond it is dropped."""
        from tensorboardX import SummaryWriter

        self._folder = folder
        (folder / SAMPLES).mkdir(parents=True, exist_ok=True)
        self._rows = [row for row in read_curves(folder) if row[0] < step]
        self._since = 0
        self._events = SummaryWriter(logdir=str(folder / EVENTS), purge_step=step or None, flush_secs=30)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of a step, by name ("train/colour")."""
        for name, value in values.items():
            self._rows.append((step, name, float(value)))
            self._events.add_scalar(name, float(value), step)
        self._since += 1
        if self._since >= _BACKED:
            self.flush()

    def sample(self, step: int, batch: Batch, painted: Tensor) -> Path:
        """A grid: classes, photo, photo with its hole, and what was painted; one row a crop."""
        grid = sample_grid(batch, painted)
        path = self._folder / SAMPLES / f"step-{step:07d}.png"
        write_bytes(path, _png(grid))
        self._events.add_image("samples", grid.transpose(2, 0, 1), step)
        return path

    def flush(self) -> None:
        """Bring the files up to date."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["step", "name", "value"])
        writer.writerows((step, name, f"{value:.6g}") for step, name, value in self._rows)
        write_text(self._folder / CURVES, text.getvalue())
        write_text(self._folder / PICTURE, draw_curves(self._rows))
        self._since = 0

    def close(self) -> None:
        self.flush()
        self._events.close()


def read_curves(folder: Path) -> list[tuple[int, str, float]]:
    """The figures of a run so far: (step, name, value), in the order they were written; none where there is no run."""
    path = folder / CURVES
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [(int(row["step"]), row["name"], float(row["value"])) for row in csv.DictReader(file)]


def sample_grid(batch: Batch, painted: Tensor) -> NDArray[np.uint8]:
    """(rows * side, 4 * side, 3)."""
    count = batch.onehot.shape[1]
    shades = torch.linspace(-1, 1, count + 1, device=batch.image.device)[1:]
    classes = (batch.onehot * shades[None, :, None, None]).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    columns = [classes, batch.image, batch.image * (1 - batch.mask), painted]
    rows = torch.cat([column.float() for column in columns], 3).cpu()
    grid = torch.cat(list(rows), 1).permute(1, 2, 0)
    found: NDArray[np.uint8] = ((grid + 1) * 127.5).clamp(0, 255).round().byte().numpy()
    return found


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()
