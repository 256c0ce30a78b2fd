"""Read from a CRS's WKT what the core must know without PROJ: its kind, its unit, its ellipsoid."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_MERCATOR = re.compile(
    r'"(?:Popular Visualisation Pseudo Mercator|Mercator[ _][^"]*|[^"]*Web_?Mercator[^"]*)"', re.IGNORECASE
)
_NUMBER = r"\s*,\s*([-+0-9.eE]+)"
_WGS84 = (6378137.0, 298.257223563)


@dataclass(frozen=True, slots=True)
class Crs:
    """Facts read from WKT 1 or WKT 2 text."""

    wkt: str

    @property
    def kind(self) -> str:
        """`geographic`, `projected` or `other` (local, engineering, geocentric)."""
        text = self.wkt.lstrip().upper()
        if text.startswith(("COMPD_CS", "COMPOUNDCRS", "BOUNDCRS")):
            found = re.search(r"PROJCS\[|PROJCRS\[|PROJECTEDCRS\[|GEOGCS\[|GEOGCRS\[|GEODCRS\[|GEOGRAPHICCRS\[", text)
            text = text[found.start() :] if found else ""
        if text.startswith(("PROJCS", "PROJCRS", "PROJECTEDCRS")):
            return "projected"
        if text.startswith(("GEOGCS", "GEOGCRS", "GEOGRAPHICCRS")):
            return "geographic"
        if text.startswith(("GEODCRS", "GEODETICCRS")) and "CS[ELLIPSOIDAL" in text.replace(" ", ""):
            return "geographic"
        return "other"

    @property
    def name(self) -> str:
        """The first quoted name."""
        found = re.search(r'"([^"]*)"', self.wkt)
        return found.group(1) if found else "unnamed"

    @property
    def ellipsoid(self) -> tuple[float, float]:
        """Semi-major axis in metres and inverse flattening (0: a sphere); WGS 84 where the text names none."""
        found = re.search(r'(?:ELLIPSOID|SPHEROID)\s*\[\s*"[^"]*"' + _NUMBER + _NUMBER, self.wkt, re.IGNORECASE)
        return (float(found.group(1)), float(found.group(2))) if found else _WGS84

    @property
    def _linear_unit(self) -> float | None:
        """Metres of a unit of a projected CRS: the last length unit (WKT 1: the last UNIT outside the GEOGCS)."""
        found = re.findall(r'LENGTHUNIT\s*\[\s*"[^"]*"' + _NUMBER, self.wkt, re.IGNORECASE)
        if found:
            after = self.wkt.upper().rfind("CS[CARTESIAN")
            tail = re.findall(r'LENGTHUNIT\s*\[\s*"[^"]*"' + _NUMBER, self.wkt[max(0, after) :], re.IGNORECASE)
            return float((tail or found)[0])
        text = re.split(r"VERT_CS", self.wkt, flags=re.IGNORECASE)[0]
        units = re.findall(r'(?<!ANGLE)(?<!SCALE)\bUNIT\s*\[\s*"([^"]*)"' + _NUMBER, text, re.IGNORECASE)
        lengths = [float(value) for unit, value in units if "deg" not in unit.lower() and "grad" not in unit.lower()]
        return lengths[-1] if lengths else None

    @property
    def _angular_unit(self) -> float:
        """Radians of a unit of a geographic CRS."""
        found = re.search(
            r'(?:ANGLEUNIT|UNIT)\s*\[\s*"(?:[^"]*deg[^"]*|grad|radian)"' + _NUMBER, self.wkt, re.IGNORECASE
        )
        return float(found.group(1)) if found else math.pi / 180

    def metres_per_unit(self, x: float, y: float) -> tuple[float, float] | None:
        """Metres on the ground of one unit of x and of y, at (x, y) given east first; None if not known."""
        kind = self.kind
        axis, inverse = self.ellipsoid
        if kind == "geographic":
            unit = self._angular_unit
            return tuple(unit * radius for radius in _radii(axis, inverse, y * unit))  # type: ignore[return-value]
        unit_metres = self._linear_unit if kind == "projected" else None
        if unit_metres is None:
            return None
        if _MERCATOR.search(self.wkt) and "TRANSVERSE" not in self.wkt.upper() and "OBLIQUE" not in self.wkt.upper():
            latitude = 2 * math.atan(math.exp(y * unit_metres / axis)) - math.pi / 2
            unit_metres *= math.cos(latitude)
        return unit_metres, unit_metres


def _radii(axis: float, inverse: float, latitude: float) -> tuple[float, float]:
    """Metres of a radian of longitude and of latitude on the ellipsoid (Snyder 1987, eq. 4-20 and 4-18)."""
    flattening = 1 / inverse if inverse else 0.0
    e2 = flattening * (2 - flattening)
    w = math.sqrt(max(1e-12, 1 - e2 * math.sin(latitude) ** 2))
    return axis / w * max(0.0, math.cos(latitude)), axis * (1 - e2) / w**3
