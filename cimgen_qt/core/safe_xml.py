"""Parse XML that somebody else wrote: no DTD of its own, no entities, no size without limit."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from cimgen_qt.core.errors import MapError

LARGEST_CHARACTERS = 4 * 2**20
_OWN_DTD = re.compile(r"<!(?:ENTITY|ELEMENT|ATTLIST|NOTATION)|<!DOCTYPE[^>]*\[")


def parse_xml(text: str, name: str, hint: str) -> ElementTree.Element:
    """The root. A DOCTYPE that only names a DTD is passed over, never fetched. Raises `MapError` with `hint`."""
    if len(text) > LARGEST_CHARACTERS:
        raise MapError(f"{name} is too large", hint=hint)
    if _OWN_DTD.search(text):
        raise MapError(f"{name} declares entities", hint=hint)
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise MapError(f"{name} is no valid XML: {error}", hint=hint) from error
