"""Take values out of the tables of a card one by one, noting everything that is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
_LARGEST = 1e30
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Table:
    """One table of a card: takes values out by name, notes what is wrong, and at the end what nobody asked for."""

    def __init__(self, values: object, place: str, problems: list[str]) -> None:
        self.place = place
        self.problems = problems
        self.known: set[str] = set()
        self.values: Mapping[str, Any] = values if isinstance(values, dict) else {}
        if not isinstance(values, dict):
            self.wrong("", "has to be a table")

    def wrong(self, key: str, why: str) -> None:
        self.problems.append(f"{self.place}{'.' if self.place and key else ''}{key} {why}")

    def take(self, key: str, otherwise: T, check: Callable[[Any], T | None], what: str, required: bool = False) -> T:
        """The checked value of `key`; `otherwise` where it is missing or wrong."""
        self.known.add(key)
        if key not in self.values:
            if required:
                self.wrong(key, f"is missing: {what}")
            return otherwise
        found = check(self.values[key])
        if found is None:
            self.wrong(key, f"has to be {what}, not {_shown(self.values[key])}")
            return otherwise
        return found

    def optional(self, key: str, check: Callable[[Any], T | None], what: str) -> T | None:
        """None where the key is missing or its value wrong."""
        return self.take(key, None, check, what)

    def text(self, key: str, required: bool = False, otherwise: str = "") -> str:
        return self.take(key, otherwise, lambda v: _text(v, required), "a text", required)

    def choice(self, key: str, choices: tuple[str, ...], otherwise: str, required: bool = False) -> str:
        what = "one of " + ", ".join(choices)
        return self.take(key, otherwise, lambda v: v if v in choices else None, what, required)

    def whole(self, key: str, otherwise: int, low: int, high: int, required: bool = False) -> int:
        what = f"a whole number from {low} to {high}"
        return self.take(key, otherwise, lambda v: v if _is_whole(v) and low <= v <= high else None, what, required)

    def tables(self, key: str, required: bool = False) -> list[Table]:
        what = "a list of tables"
        empty: list[Any] = []
        found = self.take(key, empty, lambda v: v if isinstance(v, list) else None, what, required)
        return [Table(value, f"{self.place}{key}[{i}]", self.problems) for i, value in enumerate(found)]

    def close(self) -> None:
        """Note the keys that nobody asked for."""
        for key in sorted(set(self.values) - self.known):
            near = difflib.get_close_matches(key, self.known, 1)
            self.wrong(key, "is not known" + (f"; is {near[0]} meant?" if near else ""))


def _shown(value: object) -> str:
    return f"{value!r}"[:60]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: object, filled: bool) -> str | None:
    return value if isinstance(value, str) and (value.strip() or not filled) else None


def real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST < value < _LARGEST:
        return None
    return float(value)


def flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def positive(value: object) -> float | None:
    found = real(value)
    return found if found is not None and found > 0 else None


def nonzero(value: object) -> float | None:
    return real(value) or None


def pair(value: object) -> tuple[float, float] | None:
    numbers = reals(value)
    return (numbers[0], numbers[1]) if numbers is not None and len(numbers) == 2 and numbers[0] < numbers[1] else None


def positive_pair(value: object) -> tuple[float, float] | None:
    found = pair(value)
    return found if found is not None and found[0] > 0 else None


def reals(value: object) -> tuple[float, ...] | None:
    if isinstance(value, list) and value and all(real(v) is not None for v in value):
        return tuple(float(v) for v in value)
    return None


def divisors(value: object) -> tuple[float, ...] | None:
    found = reals(value)
    return found if found is not None and all(v > 0 for v in found) else None


def colour(value: object) -> tuple[int, int, int] | None:
    if isinstance(value, list) and len(value) == 3 and all(_is_whole(v) and 0 <= v <= 255 for v in value):
        return (value[0], value[1], value[2])
    return None


def texts(value: object) -> tuple[str, ...] | None:
    if isinstance(value, list) and all(isinstance(v, str) and v.strip() for v in value):
        return tuple(value)
    return None


def sha256(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and _SHA256.fullmatch(value.lower()) else None


def table(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def text_table(value: object) -> dict[str, str] | None:
    if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
        return value
    return None


def server(value: object) -> str | None:
    """The address of a server, in small letters up to the path and without a slash at its end."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        return None
    try:
        found = urlsplit(value)
        port = found.port
    except ValueError:
        return None
    extra = found.query or found.fragment or "@" in found.netloc or "?" in value or "#" in value or "\\" in value
    if found.scheme not in ("http", "https") or not found.hostname or extra or port == 0:
        return None
    return f"{found.scheme}://{found.netloc.lower()}{found.path.rstrip('/')}"


def path_segment(value: object) -> str | None:
    """What can stand between two slashes of an address."""
    fits = isinstance(value, str) and re.fullmatch(r"[\w.:@+ -]{1,200}", value) and value.strip(".")
    return str(value) if fits else None
