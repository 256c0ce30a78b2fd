"""Say in the file itself that some of its pixels are no photograph, and who made them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

from cimgen_qt.core.snapshot import Generation

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED = IPTC + "compositeWithTrainedAlgorithmicMedia"
"""A composite with parts made by a model that learned from data."""
UNTRAINED = IPTC + "compositeSynthetic"
"""A composite with synthetic parts of another kind: `exemplar` and `flat` learned from nothing."""
_PACKET = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_TERM = "Iptc4xmpExt:DigitalSourceType"
_SPACE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"


def source_type(generations: Sequence[Generation]) -> str | None:
    """The IPTC term for a file with these generations; None where nothing was generated."""
    if not generations:
        return None
    return TRAINED if any(g.model.get("trained") for g in generations) else UNTRAINED


def tags_of(generations: Sequence[Generation], footprint: str, sidecar: str) -> dict[str, str]:
    """Tags of GDAL's default domain, which survive most copies; empty where nothing was generated."""
    if not generations:
        return {}
    models = [f"{g.model['name']} {g.model.get('version', '')}".strip() for g in generations]
    return {
        "AI_EDITED": "YES",
        "AI_SOURCE_TYPE": source_type(generations) or "",
        "AI_MODEL": "; ".join(dict.fromkeys(models)),
        "AI_MODEL_SHA256": "; ".join(dict.fromkeys(str(g.model.get("sha256") or "none") for g in generations)),
        "AI_SEED": "; ".join(dict.fromkeys(str(g.seed) for g in generations)),
        "AI_FOOTPRINT_SHA256": footprint,
        "AI_SIDECAR": sidecar,
    }


def xmp_with(existing: str, term: str | None) -> str:
    """An XMP packet that carries `term`; what `existing` says otherwise is kept. Without a term it is unchanged."""
    if term is None:
        return existing
    if _TERM in existing:
        changed = re.sub(rf'({_TERM}\s*=\s*")[^"]*(")', rf"\g<1>{escape(term)}\g<2>", existing)
        return re.sub(rf"(<{_TERM}>)[^<]*(</{_TERM}>)", rf"\g<1>{escape(term)}\g<2>", changed)
    block = f'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{_SPACE}" {_TERM}="{escape(term)}"/>'
    if "</rdf:RDF>" in existing:
        return existing.replace("</rdf:RDF>", block + "</rdf:RDF>", 1)
    return (
        f'{_PACKET}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        f'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{block}</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )
