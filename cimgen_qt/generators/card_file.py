"""Read model cards from TOML, telling everything that is wrong at once, and write them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cimgen_qt.core.errors import CimgenError, ModelError
from cimgen_qt.core.toml import load_toml, parse_toml
from cimgen_qt.generators import card_values as check
from cimgen_qt.generators import cards
from cimgen_qt.generators.card_values import Table
from cimgen_qt.generators.cards import CardClass, CardInput, CardOutput, CardRemote, DataFile, ModelCard
from cimgen_qt.networks.architecture import FEWEST_DOWNS, NORMS, PAINTERS, Architecture

LARGEST_SIDE = 16384
LARGEST_CHANNELS = 1024
LARGEST_INDEX = 65535
MOST_SHOWN = 8
_NETWORK = ("kind", "width", "down", "blocks", "norm", "bias", "dropout", "local", "blocks_local")
_EMPTY: dict[str, Any] = {}
_NO_TEXTS: dict[str, str] = {}
_HINT = "See the section on model cards in the manual; `cimgen models` checks a card."


def load_card(path: Path) -> ModelCard:
    """Read a card file. Raises ModelError that names every fault."""
    try:
        return card_of(load_toml(path), path)
    except ModelError:
        raise
    except CimgenError as error:
        raise ModelError(error.message, error.hint) from error


def parse_card(text: str, path: Path) -> ModelCard:
    """A card from its text; `path` is the file it stood in. Raises ModelError that names every fault."""
    try:
        values = parse_toml(text, path.name)
    except CimgenError as error:
        raise ModelError(error.message, error.hint) from error
    return card_of(values, path)


def card_of(values: Mapping[str, Any], path: Path) -> ModelCard:
    """A card from the values of its file. Raises ModelError that names every fault."""
    problems: list[str] = []
    top = Table(dict(values), "", problems)
    written = top.whole("format", cards.FORMAT, 1, 1_000_000, True)
    if written > cards.FORMAT:
        raise ModelError(
            f"{path.name} is a card of format {written}; this program knows {cards.FORMAT}",
            hint="Take a newer CIMGen.",
        )
    card = _read(top, path)
    top.close()
    problems += _contradictions(card)
    if problems:
        more = f"; and {len(problems) - MOST_SHOWN} more" if len(problems) > MOST_SHOWN else ""
        raise ModelError(f"{path.name} is no valid model card: {'; '.join(problems[:MOST_SHOWN])}{more}", hint=_HINT)
    return card


def _read(top: Table, path: Path) -> ModelCard:
    kind = top.choice("kind", cards.KINDS, "other", True)
    makes, away = kind == "map-to-image", "remote" in top.values
    output = Table(top.take("output", _EMPTY, check.table, "a table", makes), "output", top.problems)
    network = Table(top.take("network", _EMPTY, check.table, "a table"), "network", top.problems)
    remote = Table(top.take("remote", _EMPTY, check.table, "a table"), "remote", top.problems)
    inputs = tuple(_input(table) for table in top.tables("inputs", makes))
    made = _output(output) if "output" in top.values else None
    card = ModelCard(
        name=top.text("name", True),
        version=top.text("version", True),
        kind=kind,
        path=path,
        file=top.text("file", not away),
        sha256=top.take("sha256", "", check.sha256, "64 hexadecimal digits", not away),
        data=tuple(_data_file(table) for table in top.tables("data")),
        licence=top.text("licence", makes),
        source=top.text("source"),
        credits=top.text("credits"),
        notes=top.text("notes"),
        trained=top.take("trained", True, check.flag, "true or false", True),
        classes=tuple(_class(table) for table in top.tables("classes", makes)),
        unknown=top.text("unknown"),
        inputs=inputs,
        output=made,
        layout=top.choice("layout", cards.LAYOUTS, "nchw", makes),
        metres_per_pixel=top.optional("metres_per_pixel", check.positive, "a number of metres above 0"),
        metres_range=top.optional("metres_range", check.positive_pair, "two rising numbers of metres"),
        tile=top.whole("tile", 0, 0, LARGEST_SIDE, makes),
        stride=top.whole("stride", 1, 1, 1024, makes),
        halo=top.whole("halo", 0, 0, LARGEST_SIDE, makes),
        largest=top.whole("largest", 2048, 1, LARGEST_SIDE),
        padding=top.choice("padding", cards.PADDINGS, "reflect"),
        batch=top.whole("batch", 1, 1, 256),
        dtype=top.choice("dtype", cards.PHOTOS, "uint8", makes),
        levels=top.optional("levels", check.pair, "two rising numbers"),
        network=_network(network, inputs, made) if "network" in top.values else None,
        statistics=top.choice("statistics", cards.STATISTICS, "scene"),
        remote=_remote(remote) if away else None,
        extra=tuple(sorted(top.take("extra", _NO_TEXTS, check.text_table, "a table of texts").items())),
    )
    return card


def _remote(table: Table) -> CardRemote:
    made = CardRemote(
        table.take("url", "", check.server, "http(s)://host[:port][/path], without name, password or query", True),
        table.take("model", "", check.path_segment, "a name without / and ?", True),
        table.take("version", "", check.path_segment, "a name without / and ?"),
        table.take("timeout", 300.0, check.positive, "a number of seconds above 0"),
    )
    table.close()
    return made


def _data_file(table: Table) -> DataFile:
    made = DataFile(table.text("file", True), table.take("sha256", "", check.sha256, "64 hexadecimal digits", True))
    table.close()
    return made


def _class(table: Table) -> CardClass:
    made = CardClass(
        table.whole("index", 0, 0, LARGEST_INDEX, True),
        table.text("name", True),
        table.take("aliases", (), check.texts, "a list of texts"),
        table.optional("colour", check.colour, "three whole numbers from 0 to 255"),
    )
    table.close()
    return made


def _input(table: Table) -> CardInput:
    made = CardInput(
        table.choice("group", cards.GROUPS, "mask", True),
        table.text("graph", True),
        table.whole("channels", 1, 1, LARGEST_CHANNELS, True),
        table.choice("dtype", cards.TENSORS, "float32"),
        table.take("range", (0.0, 1.0), check.pair, "two rising numbers"),
        table.take("mean", (), check.reals, "a list of numbers"),
        table.take("std", (), check.divisors, "a list of numbers above 0"),
        table.take("scale", 1.0, check.nonzero, "a number other than 0"),
        table.take("bands", (), check.texts, "a list of texts"),
        table.take("fill", 0.0, check.real, "a number"),
    )
    table.close()
    return made


def _output(table: Table) -> CardOutput:
    made = CardOutput(
        table.text("graph", True),
        table.take("bands", (), lambda v: check.texts(v) or None, "a list of band names", True),
        table.take("range", (0.0, 1.0), check.pair, "two rising numbers", True),
    )
    table.close()
    return made


def _colour_faults(card: ModelCard, group: CardInput) -> list[str]:
    plain = [c.name for c in card.classes if c.colour is None]
    found = [f" is labels-colour, and {', '.join(plain)} has no colour"] if plain else []
    if not card.unknown:
        found.append(" is labels-colour, so `unknown` has to name the class of unlabelled ground")
    if group.channels != 3:
        found.append(".channels has to be 3 for labels-colour")
    return found


def _network(table: Table, inputs: tuple[CardInput, ...], output: CardOutput | None) -> Architecture:
    """Its inputs and outputs are those of the card."""
    bias, flag = table.optional("bias", check.flag, "true or false"), "true or false"
    made = Architecture(
        kind=PAINTERS[PAINTERS.index(table.choice("kind", PAINTERS, PAINTERS[0], True))],
        inputs=sum(group.channels for group in inputs),
        outputs=0 if output is None else len(output.bands),
        width=table.whole("width", 64, 1, 1024),
        down=table.whole("down", 2, 0, 10),
        blocks=table.whole("blocks", 9, 0, 64),
        norm="batch" if table.choice("norm", NORMS, "instance") == "batch" else "instance",
        bias=bias,
        dropout=table.take("dropout", False, check.flag, flag),
        local=table.whole("local", 1, 1, 4),
        blocks_local=table.whole("blocks_local", 3, 0, 64),
    )
    table.close()
    return made


def _contradictions(card: ModelCard) -> list[str]:
    """What is wrong between the values of a card, each of which is right alone."""
    found = []
    names = [name.casefold() for c in card.classes for name in (c.name, *c.aliases)]
    for what, values in (("index", [c.index for c in card.classes]), ("name", names)):
        twice = sorted({str(v) for v in values if list(values).count(v) > 1})
        if twice:
            found.append(f"classes: the {what} {', '.join(twice)} stands twice")
    if card.unknown and card.unknown.casefold() not in names:
        found.append(f"unknown names the class {card.unknown!r}, which is not among the classes")
    if card.levels is not None and card.dtype == "uint8" and not (0 <= card.levels[0] < card.levels[1] <= 255):
        found.append("levels do not fit the dtype uint8")
    middle, known = card.metres_per_pixel, card.metres_range
    if middle is not None and known is not None and not known[0] <= middle <= known[1]:
        found.append("metres_per_pixel lies outside metres_range")
    side = card.tile + 2 * (-(-card.halo // card.stride) * card.stride)
    if card.tile and side > card.largest:
        found.append(f"tile and halo make {side} pixels, more than largest ({card.largest})")
    if card.tile % card.stride:
        found.append(f"tile ({card.tile}) is no multiple of stride ({card.stride})")
    for place, group in enumerate(card.inputs):
        found += [f"inputs[{place}]{fault}" for fault in _input_faults(card, group)]
    found += _weight_faults(card)
    if card.kind == "map-to-image" and card.inputs and not card.takes_labels:
        found.append("inputs hold no labels: painted classes would change nothing")
    return found


def _weight_faults(card: ModelCard) -> list[str]:
    found = []
    if card.remote is not None and (card.file or card.sha256 or card.data or card.network):
        found.append("remote says that a server computes, so file, sha256, data and network have no place")
    elif card.network is not None and not card.runs_in_torch:
        found.append(f"network says what {card.file} itself says: it is for {' and '.join(cards.TORCH)} only")
    if card.network is not None and card.stride % card.network.stride:
        found.append(f"stride ({card.stride}) is no multiple of {card.network.stride}, as its network wants it")
    if card.network is not None and card.network.kind == "unet" and card.network.down < FEWEST_DOWNS:
        found.append(f"network.down has to be {FEWEST_DOWNS} at least for a U-Net")
    return found


def _input_faults(card: ModelCard, group: CardInput) -> list[str]:
    found = []
    if group.group == "labels-onehot":
        highest = max((c.index for c in card.classes), default=-1)
        if highest >= group.channels:
            found.append(f".channels is {group.channels}, but there is a class of index {highest}")
    elif group.group == "labels-index" and not card.unknown:
        found.append(" is labels-index, so `unknown` has to name the class of unlabelled ground")
    if group.group == "labels-colour":
        found += _colour_faults(card, group)
    if group.group in ("labels-index", "edges", "mask") and group.channels != 1:
        found.append(f".channels has to be 1 for {group.group}")
    if group.group in ("photo", "masked-photo"):
        if len(group.bands) != group.channels:
            found.append(f".bands names {len(group.bands)} bands for {group.channels} channels")
    elif group.bands:
        found.append(f".bands means nothing for {group.group}")
    for key, values in (("mean", group.mean), ("std", group.std)):
        if len(values) not in (0, 1, group.channels):
            found.append(f".{key} has {len(values)} numbers for {group.channels} channels")
    holders = {"photo": ("float32", "float16", "uint8"), "noise": ("float32", "float16")}
    if group.dtype not in holders.get(group.group.removeprefix("masked-"), cards.TENSORS):
        found.append(f".dtype {group.dtype} cannot hold {group.group}")
    return found


def card_text(card: ModelCard) -> str:
    """The card as TOML; reading it back gives the same card."""
    plain: dict[str, Any] = {"format": cards.FORMAT, "name": card.name, "version": card.version, "kind": card.kind}
    plain |= {"file": card.file, "sha256": card.sha256, "licence": card.licence, "source": card.source}
    plain |= {"credits": card.credits, "notes": card.notes, "trained": card.trained, "unknown": card.unknown}
    plain |= {"layout": card.layout, "metres_per_pixel": card.metres_per_pixel, "metres_range": card.metres_range}
    plain |= {"tile": card.tile, "stride": card.stride, "halo": card.halo, "largest": card.largest}
    plain |= {"padding": card.padding, "batch": card.batch, "dtype": card.dtype, "levels": card.levels}
    plain |= {"statistics": "" if card.statistics == "scene" else card.statistics}
    parts = [_lines("", plain)]
    parts += [_lines("[[data]]", {"file": d.file, "sha256": d.sha256}) for d in card.data]
    parts += [_lines("[[classes]]", {k: getattr(c, k) for k in CardClass.__slots__}) for c in card.classes]
    parts += [_lines("[[inputs]]", {k: getattr(i, k) for k in CardInput.__slots__}) for i in card.inputs]
    if card.output is not None:
        parts.append(_lines("[output]", {k: getattr(card.output, k) for k in CardOutput.__slots__}))
    if card.network is not None:
        parts.append(_lines("[network]", {k: getattr(card.network, k) for k in _NETWORK}))
    if card.remote is not None:
        parts.append(_lines("[remote]", {k: getattr(card.remote, k) for k in CardRemote.__slots__}))
    if card.extra:
        parts.append(_lines("[extra]", dict(card.extra)))
    return "\n\n".join(parts) + "\n"


def _lines(head: str, values: Mapping[str, Any]) -> str:
    kept = [f"{_key(k)} = {_toml(v)}" for k, v in values.items() if v is not None and v not in ("", ())]
    return "\n".join([head, *kept] if head else kept)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):  # a JSON string is a TOML basic string, but for the one control sign JSON lets pass
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
