"""Palettes in files: TOML of our own, QGIS's paletted style (QML), GDAL's colour table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from cimgen_qt.core import durable
from cimgen_qt.core.errors import MapError
from cimgen_qt.core.palette import Palette, SemanticClass, palette_of
from cimgen_qt.core.toml import parse_toml

LARGEST_BYTES = 4 * 2**20
Rgba = tuple[int, int, int, int]


def load_palette(path: Path) -> Palette:
    """Read a TOML or QML palette, whichever it is by content. Raises `MapError`."""
    try:
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
    data = parse_toml(text, name)
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
        width = table.get("width")
        return SemanticClass(
            int(table["id"]),
            str(table["name"]),
            colour_of(table["colour"]),
            str(table.get("pattern", "solid")),
            str(table.get("key", "")),
            None if width is None else float(width),
            tuple(map(str, table.get("aliases", ()))),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MapError(f"{name}: a class cannot be understood ({error})", hint="Give id, name and colour.") from error


def colour_of(value: Any) -> tuple[int, int, int]:
    """ "#rrggbb" or three numbers. Raises `ValueError`."""
    if isinstance(value, str):
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            raise ValueError(f"{value!r} is no colour like #d55e00")
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    red, green, blue = (int(v) for v in value)
    return red, green, blue


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
    if "<!ENTITY" in text or re.search(r"<!DOCTYPE[^>]*\[", text):
        raise MapError(f"{name} declares entities", hint="Save the style again from QGIS.")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise MapError(f"{name} is no valid style: {error}", hint="Save the style again from QGIS.") from error
    entries = [e for e in root.iter("paletteEntry") if _is_id(e.get("value"))]
    if not entries:
        raise MapError(f"{name} is no paletted style with values from 0 to 255", hint="Style the layer as Paletted.")
    try:
        classes = [
            SemanticClass(
                int(float(e.get("value", "0"))),
                e.get("label") or f"class {e.get('value')}",
                colour_of(e.get("color", "")),
            )
            for e in entries
        ]
    except ValueError as error:
        raise MapError(f"{name}: {error}", hint="Save the style again from QGIS.") from error
    return palette_of(classes, name)


def _is_id(text: str | None) -> bool:
    return text is not None and re.fullmatch(r"\d{1,3}(\.0*)?", text) is not None and float(text) <= 255


def to_qml(palette: Palette) -> str:
    """A style that QGIS loads for a class raster."""
    entries = "\n".join(
        f'        <paletteEntry value="{c.id}" color="{hex_of(c.colour)}" label={quoteattr(c.name)} alpha="255"/>'
        for c in palette
    )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.22" styleCategories="Symbology">\n  <pipe>\n'
        '    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1">\n      <colorPalette>\n'
        f"{entries}\n      </colorPalette>\n    </rasterrenderer>\n  </pipe>\n</qgis>\n"
    )


def from_colour_table(table: Mapping[int, Rgba], names: Mapping[int, str], name: str = "palette") -> Palette:
    """Entries that have a name, or all where none has: a GDAL table holds 256 colours, most of them unused."""
    ids = sorted(i for i in table if 0 <= i <= 255 and (not names or names.get(i)))
    return palette_of([SemanticClass(i, names.get(i) or f"class {i}", table[i][:3]) for i in ids], name)


def to_colour_table(palette: Palette) -> dict[int, Rgba]:
    """All classes, opaque."""
    return {c.id: (*c.colour, 255) for c in palette}
