"""The classes that a map may hold: id, name, colour, hatch, key, and the width a line of it has by default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import MapError

UNLABELLED = 0
PATTERNS = ("solid", "horizontal", "vertical", "cross", "diagonal", "backdiagonal", "diagcross", "dots")


@dataclass(frozen=True, slots=True)
class SemanticClass:
    """`id` is the value in the map (1-255; 0 is unlabelled), `colour` is (red, green, blue) 0-255.

    `pattern` is one of `PATTERNS`, `key` a digit that picks the class, `width` metres for a line of this class,
    `aliases` other names it is known by (of OSM tags, of models).
    """

    id: int
    name: str
    colour: tuple[int, int, int]
    pattern: str = "solid"
    key: str = ""
    width: float | None = None
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.id <= 255:
            raise MapError(f"class id {self.id} does not fit", hint="Ids run from 0 to 255.")
        if not self.name.strip():
            raise MapError(f"class {self.id} has no name", hint="Give every class a name.")
        if len(self.colour) != 3 or any(not 0 <= c <= 255 for c in self.colour):
            raise MapError(f"class {self.name} has a colour out of range", hint="Three numbers from 0 to 255.")
        if self.pattern not in PATTERNS:
            raise MapError(f"class {self.name} has the unknown pattern {self.pattern!r}", hint=", ".join(PATTERNS))


@dataclass(frozen=True, slots=True)
class Palette:
    """Classes by id. Names and ids are unique; names are compared without case."""

    classes: tuple[SemanticClass, ...]
    name: str = "palette"

    def __post_init__(self) -> None:
        for what, values in (
            ("id", [c.id for c in self.classes]),
            ("name", [c.name.casefold() for c in self.classes]),
            ("key", [c.key for c in self.classes if c.key]),
        ):
            twice = sorted({str(v) for v in values if list(values).count(v) > 1})
            if twice:
                raise MapError(
                    f"palette {self.name}: the {what} {', '.join(twice)} stands twice", hint="Make it unique."
                )

    def __iter__(self) -> Iterator[SemanticClass]:
        return iter(self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def get(self, class_id: int) -> SemanticClass | None:
        """The class of this id, or None."""
        return next((c for c in self.classes if c.id == class_id), None)

    def name_of(self, class_id: int) -> str:
        """The name of a class; "class 17" for an id that the palette does not know."""
        known = self.get(class_id)
        return known.name if known is not None else f"class {class_id}"

    def find(self, name: str | int) -> SemanticClass:
        """The class of this name, alias or id. Raises `MapError` that lists what there is."""
        text = str(name).strip().casefold()
        for known in self.classes:
            if text in (known.name.casefold(), str(known.id)) or text in (a.casefold() for a in known.aliases):
                return known
        names = ", ".join(c.name for c in self.classes)
        raise MapError(f"no class {str(name)!r} in palette {self.name}", hint=f"There are: {names}.")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"name": self.name, "classes": [asdict(known) for known in self.classes]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Palette:
        """The inverse of `to_json`. Raises `MapError`."""
        try:
            classes = [
                SemanticClass(**{**c, "colour": tuple(c["colour"]), "aliases": tuple(c.get("aliases", ()))})
                for c in data["classes"]
            ]
            return cls(tuple(classes), str(data.get("name", "palette")))
        except (KeyError, TypeError) as error:
            raise MapError(f"the palette cannot be understood: {error}", hint="Is it a CIMGen palette?") from error

    def colour_table(self) -> NDArray[np.uint8]:
        """(256, 3) colours by id; ids without a class are grey."""
        table = np.full((256, 3), 128, np.uint8)
        for known in self.classes:
            table[known.id] = known.colour
        return table


def palette_of(classes: Iterable[SemanticClass], name: str = "palette") -> Palette:
    """A palette in the order of ids."""
    return Palette(tuple(sorted(classes, key=lambda c: c.id)), name)


DEFAULT_PALETTE = Palette(
    (
        SemanticClass(0, "unlabelled", (128, 128, 128), "solid", "0"),
        SemanticClass(1, "building", (213, 94, 0), "diagcross", "1"),
        SemanticClass(2, "road", (104, 104, 110), "solid", "2", 7.5, ("highway", "street")),
        SemanticClass(3, "water", (0, 114, 220), "horizontal", "3", 4.0, ("waterway",)),
        SemanticClass(4, "vegetation", (90, 200, 120), "dots", "4", 2.0, ("grass", "low vegetation")),
        SemanticClass(5, "bare land", (245, 230, 90), "solid", "5", None, ("land", "land (unpaved)", "soil")),
        SemanticClass(6, "tree", (0, 70, 40), "cross", "6", 4.0, ("forest", "wood")),
        SemanticClass(7, "paved", (204, 121, 167), "diagonal", "7", 2.0, ("parking", "pavement")),
        SemanticClass(8, "rail", (86, 180, 233), "vertical", "8", 3.5, ("railway",)),
        SemanticClass(9, "crop", (230, 159, 0), "backdiagonal", "9", None, ("farmland", "field")),
    ),
    "cimgen",
)
"""Colours in the manner of Okabe and Ito (2008); the first six stay apart for colour-blind eyes, as a test measures."""
