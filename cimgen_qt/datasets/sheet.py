"""A contact sheet: what was kept beside what was left out, with the reason under each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE, COLUMNS, TEXT = 128, 8, 14
MOST = 96


@dataclass(frozen=True)
class Shown:
    """A small picture and what is said under it; kept tiles have a green rim, others a red one."""

    picture: NDArray[np.uint8]
    text: str
    kept: bool


def small(photo: NDArray[np.generic], side: int = SIDE) -> NDArray[np.uint8]:
    """(side, side, 3) of 0..255 by picking pixels."""
    rows, cols = (np.linspace(0, size - 1, side).astype(int) for size in photo.shape[:2])
    part = photo[np.ix_(rows, cols)]
    part = part[..., :3] if part.shape[2] >= 3 else part[..., :1].repeat(3, 2)
    if part.dtype == np.uint8:
        plain: NDArray[np.uint8] = part.astype(np.uint8)
        return plain
    values = np.nan_to_num(part.astype(np.float64))
    low, high = np.percentile(values, [1, 99])
    made: NDArray[np.uint8] = (np.clip((values - low) / max(1e-9, high - low), 0, 1) * 255).astype(np.uint8)
    return made


def draw(shown: Sequence[Shown]) -> bytes:
    """PNG; of very many tiles all that were left out come before those that were kept, up to `MOST`."""
    from PIL import Image, ImageDraw

    picked = [s for s in shown if not s.kept][: MOST // 2]
    picked += [s for s in shown if s.kept][: MOST - len(picked)]
    rows = max(1, -(-len(picked) // COLUMNS))
    sheet = Image.new("RGB", (COLUMNS * (SIDE + 4), rows * (SIDE + TEXT + 6)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, item in enumerate(picked):
        x, y = number % COLUMNS * (SIDE + 4) + 2, number // COLUMNS * (SIDE + TEXT + 6) + 2
        pen.rectangle((x - 2, y - 2, x + SIDE + 1, y + SIDE + 1), fill=(0, 140, 60) if item.kept else (200, 30, 30))
        sheet.paste(Image.fromarray(item.picture), (x, y))
        pen.text((x, y + SIDE + 2), item.text[:24], fill="black")
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()
