"""Find in a text of metadata what would make GDAL open another file or address."""

from __future__ import annotations

import html

WORDS = (b"overview_file", b"/vsi", b"<!doctype", b"<!entity", b"sourcefilename", b"sourcedataset", b"vrtdataset",
         b"<gdal_wms", b"<gdal_mrf", b"mrf_meta", b"<wcs_gdal", b"gdaltileindexdataset", b"x_dataset", b"y_dataset",
         b"derived_subdataset:", b"auxiliarydataset")  # fmt: skip
"""Keys that GDAL follows (overviews, geolocation arrays), its paths that are no paths, and descriptions of other data.
A plain address in a tag is not among them: nothing reads it, and very many sound files carry one."""
_DEEPEST = 4
"""GDAL unescapes a text of metadata twice."""


def points_elsewhere(text: bytes) -> bool:
    """Whether one of `WORDS` stands in it, escaped as XML or not, in letters of any case."""
    for _ in range(_DEEPEST):
        small = text.lower()
        if any(word in small for word in WORDS):
            return True
        plain = html.unescape(text.decode("latin-1")).encode("utf-8") if b"&" in text else text
        if plain == text:
            return False
        text = plain
    return True
