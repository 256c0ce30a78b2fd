"""Draw the embedded sample: a small village seen from above, and its class map. Every pixel is computed here.

Run `python resources/samples/make_sample.py` to make `village.tif` and `village_map.tif` again, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling

from cimgen_qt.core.palette import DEFAULT_PALETTE

Floats = NDArray[np.float64]
SIZE = 640
"""Pixels of the finished scene; it is drawn at twice that."""
METRES = 0.3
DRAWN = SIZE * 2
BUILDING, ROAD, WATER, VEGETATION, BARE, TREE, PAVED = range(1, 8)


@dataclass
class Sheet:
    """What is drawn on: colour (0-255), classes, and the height of what casts a shadow."""

    rng: np.random.Generator
    colour: Floats = field(default_factory=lambda: np.zeros((DRAWN, DRAWN, 3)))
    classes: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((DRAWN, DRAWN), np.uint8))
    height: Floats = field(default_factory=lambda: np.zeros((DRAWN, DRAWN)))

    def __post_init__(self) -> None:
        self.y, self.x = np.mgrid[:DRAWN, :DRAWN] * (METRES / 2)

    def noise(self, slope: float, seed_scale: float = 1.0) -> Floats:
        """Random field with a spectrum that falls with `slope`; mean 0, deviation 1."""
        spectrum = np.fft.rfft2(self.rng.standard_normal((DRAWN, DRAWN)))
        fy, fx = np.fft.fftfreq(DRAWN)[:, None], np.fft.rfftfreq(DRAWN)[None, :]
        radius = np.maximum(np.hypot(fy, fx), 1 / DRAWN) * seed_scale
        plane = np.fft.irfft2(spectrum / radius**slope, (DRAWN, DRAWN))
        return (plane - plane.mean()) / plane.std()

    def paint(self, mask: NDArray[np.bool_], class_id: int, colour: Any, grain: Floats | float = 0.0) -> None:
        """Give `mask` a class and a colour, (3,) or (..., 3), with the same `grain` on all bands."""
        full = np.broadcast_to(np.asarray(colour, float), self.colour.shape) + np.asarray(grain)[..., None]
        self.colour[mask] = full[mask]
        self.classes[mask] = class_id


def ground(sheet: Sheet) -> None:
    broad, fine, blades = sheet.noise(1.6), sheet.noise(0.7), sheet.noise(0.1)
    mix = np.clip(0.5 + 0.28 * broad, 0, 1)[..., None]
    lawn = (1 - mix) * np.array([96, 122, 66]) + mix * np.array([124, 134, 82])
    sheet.paint(np.ones((DRAWN, DRAWN), bool), VEGETATION, lawn, 5 * fine + 5 * blades)
    field_mask = (sheet.x > 118 + 6 * np.sin(sheet.y / 25)) & (sheet.y > 96)
    rows = 7 * np.sin((sheet.x * 0.94 + sheet.y * 0.34) * 2 * np.pi / 1.4)
    sheet.paint(field_mask, BARE, (171, 142, 104), rows + 6 * sheet.noise(0.9) + 3 * blades)


def river(sheet: Sheet) -> None:
    centre = 158 + 9 * np.sin(sheet.x / 23) + 0.06 * sheet.x
    distance = np.abs(sheet.y - centre)
    bank = distance < 12.5 + 0.8 * sheet.noise(1.5)
    sheet.paint(bank, VEGETATION, (128, 126, 78), 8 * sheet.noise(0.7))
    edge = 9.5 + 0.7 * sheet.noise(1.6)
    depth = np.clip((edge - distance) / 6, 0, 1)[..., None]
    water = (1 - depth) * np.array([96, 116, 104]) + depth * np.array([58, 86, 98])
    ripples = 2.0 * sheet.noise(0.9) + 1.5 * np.sin((sheet.x + 0.4 * sheet.y + 2 * sheet.noise(2.0)) * 2.2)
    sheet.paint(distance < edge, WATER, water, ripples)


def road(sheet: Sheet, centre: Floats, width: float, along: Floats) -> None:
    """`centre` is the signed distance from the axis in metres, `along` the way travelled."""
    asphalt = 4 * sheet.noise(0.5) + 3 * sheet.noise(1.4)
    walk = np.abs(centre) < width / 2 + 1.6
    sheet.paint(walk & (sheet.classes != ROAD), PAVED, (178, 174, 168), 4 * sheet.noise(0.3))
    kerb = np.abs(centre) < width / 2
    sheet.paint(kerb, ROAD, (112, 113, 117), asphalt)
    wear = np.exp(-(((np.abs(centre) - width / 4) / 0.5) ** 2))
    sheet.colour[kerb] -= (7 * wear)[kerb][:, None]
    dash = (np.abs(centre) < 0.14) & (np.mod(along, 6) < 3)
    sheet.colour[dash & kerb] = 214
    sheet.height[walk] = 0


def house(
    sheet: Sheet, x: float, y: float, size: tuple[float, float], angle: float, tone: tuple[int, int, int]
) -> None:
    """A gable roof with rows of tiles, lit from the north-west; `size` is length and width in metres."""
    u = (sheet.x - x) * np.cos(angle) + (sheet.y - y) * np.sin(angle)
    v = -(sheet.x - x) * np.sin(angle) + (sheet.y - y) * np.cos(angle)
    length, width = size
    mask = (np.abs(u) < length / 2) & (np.abs(v) < width / 2)
    lit = np.where(v * np.cos(angle) < 0, 1.12, 0.8) if np.cos(angle) > 0.7 else np.where(v > 0, 1.1, 0.82)
    tiles = 5 * np.sign(np.sin(v * 2 * np.pi / 0.7)) + 2.5 * np.sin(u * 2 * np.pi / 0.5)
    stain = 5 * sheet.noise(1.5)
    sheet.paint(mask, BUILDING, lit[..., None] * np.array(tone, float), tiles + stain)
    ridge = mask & (np.abs(v) < 0.22)
    sheet.colour[ridge] = np.array(tone) * 1.22
    eaves = mask & ((np.abs(u) > length / 2 - 0.25) | (np.abs(v) > width / 2 - 0.25))
    sheet.colour[eaves] = np.array(tone) * 0.62
    sheet.height[mask] = 6.5 - 2.5 * np.abs(v[mask]) / (width / 2)
    chimney = (np.abs(u - length * 0.22) < 0.45) & (np.abs(v - width * 0.15) < 0.45)
    sheet.colour[chimney] = (92, 84, 80)


def tree(sheet: Sheet, x: float, y: float, radius: float, grain: Floats) -> None:
    dx, dy = sheet.x - x, sheet.y - y
    lobes = radius * (1 + 0.13 * np.sin(5 * np.arctan2(dy, dx) + x) + 0.08 * np.sin(9 * np.arctan2(dy, dx) + y))
    near = np.hypot(dx, dy) / lobes
    mask = near < 1
    light = (0.78 - 0.32 * (dx + dy) / (1.6 * radius))[..., None]
    sheet.paint(mask, TREE, np.clip(light, 0.35, 1.25) * np.array([74, 104, 52]), 11 * grain)
    sheet.height[mask] = (5 * np.sqrt(np.maximum(0, 1 - near**2)))[mask]


def shadows(sheet: Sheet) -> None:
    """The sun stands in the north-west, at 65 degrees."""
    shade = np.zeros_like(sheet.height)
    for step in range(1, 20):
        metres = step * METRES / 2 * np.sqrt(2) * np.tan(np.radians(65))
        moved = np.zeros_like(sheet.height)
        moved[step:, step:] = sheet.height[:-step, :-step]
        shade = np.maximum(shade, np.clip((moved - sheet.height - metres) / 0.8, 0, 1))
    sheet.colour *= (1 - 0.48 * shade)[..., None]
    sheet.colour += (shade * 6)[..., None] * np.array([-0.3, 0.2, 1.0])


def village(seed: int = 7) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The scene (640, 640, 3) and its classes (640, 640)."""
    sheet = Sheet(np.random.default_rng(seed))
    ground(sheet)
    river(sheet)
    main = sheet.y - (74 + 5 * np.sin(sheet.x / 30))
    side = sheet.x - (88 + 0.08 * sheet.y + 3 * np.sin(sheet.y / 20))
    road(sheet, side, 6.0, sheet.y)
    road(sheet, main, 7.5, sheet.x)
    sheet.classes[(np.abs(side) < 3) & (np.abs(main) < 5)] = ROAD
    tones = [(178, 92, 66), (166, 80, 60), (188, 108, 80), (138, 122, 116), (156, 90, 72)]
    lots = [(14, 56), (36, 55), (60, 58), (112, 60), (138, 56), (166, 52), (16, 98), (42, 100), (66, 96), (104, 100),
            (20, 24), (50, 22), (118, 26), (150, 22), (176, 84), (24, 128), (58, 130)]  # fmt: skip
    for number, (x, y) in enumerate(lots):
        jitter = sheet.rng.uniform(-1.5, 1.5, 2)
        size = (sheet.rng.uniform(11, 16), sheet.rng.uniform(8, 10))
        angle = sheet.rng.choice([0.0, np.pi / 2]) + sheet.rng.uniform(-0.12, 0.12)
        drive = (np.abs(sheet.x - x - 8) < 1.6) & (np.abs(sheet.y - (y + 74) / 2) < abs(y - 74) / 2)
        if 40 < y < 110:
            sheet.paint(drive & (sheet.classes == VEGETATION), PAVED, (166, 160, 150), 5 * sheet.noise(0.4))
        house(sheet, x + jitter[0], y + jitter[1], size, angle, tones[number % len(tones)])
    grain = sheet.noise(0.4)
    planted = 0
    while planted < 120:
        x, y = sheet.rng.uniform(2, SIZE * METRES - 2, 2)
        radius = sheet.rng.uniform(1.4, 3.6)
        around = sheet.classes[np.hypot(sheet.x - x, sheet.y - y) < radius + 0.6]
        if np.isin(around, (VEGETATION, TREE)).all():
            tree(sheet, x, y, radius, grain)
            planted += 1
    shadows(sheet)
    drawn = np.clip(sheet.colour + 2.0 * sheet.rng.standard_normal(sheet.colour.shape), 0, 255)
    photo = drawn.reshape(SIZE, 2, SIZE, 2, 3).mean(axis=(1, 3))
    return np.rint(photo).astype(np.uint8), np.ascontiguousarray(sheet.classes[1::2, 1::2])


def write(folder: Path) -> None:
    """Both files in UTM 33N, tiled and compressed."""
    photo, classes = village()
    shape = {"driver": "GTiff", "width": SIZE, "height": SIZE, "dtype": "uint8", "crs": "EPSG:32633", "tiled": True,
             "blockxsize": 128, "blockysize": 128, "compress": "deflate",
             "transform": rasterio.transform.from_origin(458000, 5428000, METRES, METRES)}  # fmt: skip
    with rasterio.open(folder / "village.tif", "w", count=3, photometric="rgb", predictor=2, **shape) as out:
        out.write(np.moveaxis(photo, 2, 0))
        out.update_tags(TIFFTAG_IMAGEDESCRIPTION="Drawn by resources/samples/make_sample.py of CIMGen")
        out.build_overviews([2, 4], Resampling.average)
    with rasterio.open(folder / "village_map.tif", "w", count=1, **shape) as out:
        out.write(classes, 1)
        known = [c for c in DEFAULT_PALETTE if c.id <= PAVED]
        out.write_colormap(1, {c.id: (*c.colour, 255) for c in known})
        out.update_tags(1, **{f"CLASS_{c.id}": c.name for c in known})


if __name__ == "__main__":
    write(Path(__file__).parent)
