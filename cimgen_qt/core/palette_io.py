"""Palettes in files: TOML of our own, QGIS's paletted style (QML), GDAL's colour table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from cimgen_qt.core import durable
from cimgen_qt.core.errors import CimgenError, MapError
from cimgen_qt.core.palette import Palette, SemanticClass, palette_of
from cimgen_qt.core.safe_xml import parse_xml
from cimgen_qt.core.toml import parse_toml

LARGEST_BYTES = 4 * 2**20
WIDEST = 1000.0
Rgba = tuple[int, int, int, int]


def load_palette(path: Path) -> Palette:
    """Read a TOML or QML palette, whichever it is by content. Raises `MapError`."""
    try:
        if path.exists() and not path.is_file():
            raise MapError(f"{path.name} is no plain file", hint="Give a TOML or a QML file.")
        if path.stat().st_size > LARGEST_BYTES:
            raise MapError(f"{path.name} is too large for a palette", hint="Is it the right file?")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise MapError(f"{path.name} cannot be read: {error.strerror}", hint="Check the path.") from error
    except UnicodeDecodeError as error:
        raise MapError(f"{path.name} is no palette", hint="Give a TOML or a QML file.") from error
    return from_qml(text, path.stem) if text.lstrip().startswith("<") else from_toml(text, path.name)


def save_palette(path: Path, palette: Palette) -> None:
    """Write QML where the name says so, else TOML."""
    durable.write_text(path, to_qml(palette) if path.suffix.lower() == ".qml" else to_toml(palette))


def from_toml(text: str, name: str = "palette") -> Palette:
    """`[[class]]` tables: id, name, colour ("#rrggbb" or three numbers), and if wanted pattern, key, width, aliases."""
    try:
        data = parse_toml(text, name)
    except CimgenError as error:
        raise MapError(error.message, hint=error.hint) from error
    except RecursionError as error:
        raise MapError(f"{name} is nested too deeply", hint="Is it the right file?") from error
    tables = data.get("class")
    if not isinstance(tables, list) or not tables:
        raise MapError(f"{name} lists no classes", hint="Write [[class]] tables with id, name and colour.")
    return Palette(tuple(_class(table, name) for table in tables), str(data.get("name", Path(name).stem)))


def _class(table: Any, name: str) -> SemanticClass:
    known = {"id", "name", "colour", "pattern", "key", "width", "aliases"}
    try:
        unknown = set(table) - known
        if unknown:
            raise MapError(
                f"{name}: a class has no {', '.join(sorted(unknown))}", hint=f"It has {', '.join(sorted(known))}."
            )
        width, aliases = table.get("width"), table.get("aliases", ())
        if width is not None and not 0 < float(width) <= WIDEST:
            raise ValueError(f"the width {width} is not above 0 and up to {WIDEST:.0f} metres")
        if isinstance(aliases, str):
            raise ValueError('aliases are a list: ["a", "b"]')
        return SemanticClass(
            _whole(table["id"]),
            str(table["name"]),
            colour_of(table["colour"]),
            str(table.get("pattern", "solid")),
            str(table.get("key", "")),
            None if width is None else float(width),
            tuple(map(str, aliases)),
        )
    except KeyError as error:
        raise MapError(f"{name}: a class has no {error.args[0]}", hint="Give id, name and colour.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise MapError(f"{name}: a class cannot be understood ({error})", hint="Give id, name and colour.") from error


def colour_of(value: Any) -> tuple[int, int, int]:
    """ "#rrggbb" or three numbers. Raises `ValueError`."""
    if isinstance(value, str):
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            raise ValueError(f"{value!r} is no colour like #d55e00")
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    red, green, blue = (_whole(v) for v in value)
    return red, green, blue


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no whole number")
    return value


def to_toml(palette: Palette) -> str:
    """The inverse of `from_toml`."""
    lines = [f"name = {_quoted(palette.name)}"]
    for c in palette:
        lines += ["", "[[class]]", f"id = {c.id}", f"name = {_quoted(c.name)}", f'colour = "{hex_of(c.colour)}"']
        lines += [f'pattern = "{c.pattern}"'] if c.pattern != "solid" else []
        lines += [f"key = {_quoted(c.key)}"] if c.key else []
        lines += [f"width = {c.width!r}"] if c.width is not None else []
        lines += [f"aliases = [{', '.join(map(_quoted, c.aliases))}]"] if c.aliases else []
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda m: f"\\u{ord(m.group()):04x}", escaped) + '"'


def hex_of(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def from_qml(text: str, name: str = "palette") -> Palette:
    """The entries of a paletted style; an entry without a label is called by its value. No DTD, no entities."""
    root = parse_xml(text, name, hint="Save the style again from QGIS.")
    entries = {int(float(e.get("value", ""))): e for e in root.iter("paletteEntry") if _is_id(e.get("value"))}
    if not entries:
        raise MapError(f"{name} is no paletted style with values from 0 to 255", hint="Style the layer as Paletted.")
    called = _unique({i: (e.get("label") or "").strip() or f"class {i}" for i, e in entries.items()})
    try:
        classes = [SemanticClass(i, called[i], colour_of(e.get("color", ""))) for i, e in entries.items()]
    except ValueError as error:
        raise MapError(f"{name}: {error}", hint="Save the style again from QGIS.") from error
    return palette_of(classes, name)


def _is_id(text: str | None) -> bool:
    return text is not None and re.fullmatch(r"\d{1,3}(\.0*)?", text) is not None and float(text) <= 255


def _attribute(text: str) -> str:
    """Quoted for XML, which has no way to write most control characters."""
    return quoteattr(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", " ", text))


def to_qml(palette: Palette) -> str:
    """A style that QGIS loads for a class raster."""
    entries = "\n".join(
        f'        <paletteEntry value="{c.id}" color="{hex_of(c.colour)}" label={_attribute(c.name)} alpha="255"/>'
        for c in palette
    )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.22" styleCategories="Symbology">\n  <pipe>\n'
        '    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1">\n      <colorPalette>\n'
        f"{entries}\n      </colorPalette>\n    </rasterrenderer>\n  </pipe>\n</qgis>\n"
    )


def from_colour_table(table: Mapping[int, Rgba], names: Mapping[int, str], name: str = "palette") -> Palette:
    """Entries that have a name, or all that are used where none has. Raises `MapError` where none is left."""
    used = used_entries(table)
    ids = sorted(i for i in table if 0 <= i <= 255 and (names.get(i) if names else i in used))
    if not ids:
        raise MapError(f"{name} has no colours", hint="Give a paletted raster, a TOML or a QML file.")
    called = _unique({i: names.get(i) or f"class {i}" for i in ids})
    return palette_of([SemanticClass(i, called[i], table[i][:3]) for i in ids], name)


def used_entries(table: Mapping[int, Rgba]) -> dict[int, Rgba]:
    """Without the black ones at the end, by which GDAL fills a table up."""
    last = max((i for i, rgba in table.items() if tuple(rgba[:3]) != (0, 0, 0)), default=-1)
    return {i: rgba for i, rgba in table.items() if i <= last}


def _unique(names: Mapping[int, str]) -> dict[int, str]:
    """Names that stand twice, told apart by their ids."""
    folded = [name.casefold() for name in names.values()]
    return {i: name if folded.count(name.casefold()) == 1 else f"{name} ({i})" for i, name in names.items()}


def to_colour_table(palette: Palette) -> dict[int, Rgba]:
    """All classes, opaque."""
    return {c.id: (*c.colour, 255) for c in palette}
