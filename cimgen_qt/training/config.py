"""What a run of learning is to be, as it stands in a TOML file. Imports no torch."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.toml import load_toml

RECIPES = ("context", "segment", "paired", "unpaired", "fast")
PRECISIONS = ("auto", "float32", "bfloat16")
FORMAT = 1
V = TypeVar("V")


@dataclass(frozen=True)
class Schedule:
    """How long, on how much at once, and how often to look."""

    steps: int = 4000
    batch: int = 1
    crop: int = 192
    """Side of the square that is drawn from a tile, in pixels."""
    shrink: int = 1
    """Tiles are learned from at 1/2, 1/3 ... of their resolution: the first stage of pix2pixHD takes 2."""
    whole: float = 0.35
    """Share of holes that cover the whole crop, so that the network learns to serve a map alone."""
    balanced: float = 0.7
    """Share of crops that are drawn round a class, each class as often as any other."""
    turn: bool = True
    """Whether crops are mirrored and turned."""
    judge_every: int = 250
    judge_on: int = 16
    """Crops of held-out ground that each look is taken on."""
    patience: int = 0
    """Looks without a better figure after which the run ends early; 0: never."""
    chosen: str = "last"
    """Which weights the run gives: the "last", or the "best" on held-out ground."""
    keep_every: int = 200
    sample_every: int = 500


@dataclass(frozen=True)
class CardFacts:
    """What the card of the result will say that no program can know."""

    version: str = "1"
    licence: str = ""
    credits: str = ""
    notes: str = ""


@dataclass(frozen=True)
class TrainConfig:
    """One run. `options` are those of the recipe; `start` is a run folder or a file of weights to go on from."""

    name: str
    recipe: str
    dataset: str = ""
    seed: int = 1
    start: str = ""
    freeze: tuple[str, ...] = ()
    """Beginnings of the names of weights that stay as they are: "stem", "down.0"..."""
    precision: str = "auto"
    schedule: Schedule = field(default_factory=Schedule)
    options: Mapping[str, Any] = field(default_factory=dict)
    card: CardFacts = field(default_factory=CardFacts)

    def digest(self) -> str:
        """Tells runs apart that would not learn the same."""
        plain = asdict(self) | {"card": None, "dataset": Path(self.dataset).name}
        return hashlib.sha256(json.dumps(plain, sort_keys=True, default=list).encode()).hexdigest()[:16]


def load_config(path: Path, dataset: str | None = None) -> TrainConfig:
    """Read a configuration; paths in it count from its folder. `dataset` replaces the one it names.

    Raises CimgenError that names what is wrong and where.
    """
    values = dict(load_toml(path))
    written = values.pop("format", FORMAT)
    if written != FORMAT:
        raise CimgenError(f"{path.name} is a configuration of format {written}", hint=f"This program knows {FORMAT}.")
    if dataset is not None:
        values["dataset"] = dataset
    elif "dataset" in values:
        values["dataset"] = str(path.parent / str(values["dataset"]))
    if values.get("start"):
        beside = path.parent / str(values["start"])
        values["start"] = str(beside) if beside.exists() else str(values["start"])
    values.setdefault("name", path.stem)
    config = filled(TrainConfig, values, path.name)
    _require_sense(config, path.name)
    return config


def filled(kind: type[V], values: Mapping[str, Any], where: str) -> V:
    """A frozen dataclass from a table, tables within it too. Raises CimgenError for what it does not know or take."""
    hints = get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    strange = sorted(set(values) - set(known))
    if strange:
        raise CimgenError(
            f"{where}: there is no setting {strange[0]!r}", hint=f"There are: {', '.join(sorted(known))}."
        )
    made = {}
    for name, value in values.items():
        wanted = hints[name]
        if dataclasses.is_dataclass(wanted):
            if not isinstance(value, Mapping):
                raise CimgenError(f"{where}: {name} has to be a table", hint=f"Write [{name}] and its settings below.")
            made[name] = filled(wanted, value, f"{where}, [{name}]")  # type: ignore[arg-type]
        else:
            made[name] = _value(value, wanted, f"{where}: {name}")
    try:
        return kind(**made)
    except TypeError as error:
        missing = [n for n, f in known.items() if n not in made and f.default is dataclasses.MISSING
                   and f.default_factory is dataclasses.MISSING]  # fmt: skip
        raise CimgenError(f"{where} does not say {', '.join(missing)}", hint="Add it to the file.") from error


def _value(value: Any, wanted: Any, where: str) -> Any:
    origin = get_origin(wanted)
    if origin is tuple:
        inner = get_args(wanted)[0]
        fixed = () if Ellipsis in get_args(wanted) else get_args(wanted)
        if not isinstance(value, (list, tuple)) or (fixed and len(value) != len(fixed)):
            count = f"{len(fixed)} " if fixed else ""
            raise CimgenError(f"{where} has to be a list of {count}values", hint="Such as [1, 2].")
        return tuple(_value(v, inner, where) for v in value)
    if origin is not None and issubclass(origin, Mapping):
        wanted = Mapping
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        name = getattr(wanted, "__name__", str(wanted))
        raise CimgenError(f"{where} is {value!r}", hint=f"It has to be of the kind {name}.")
    return value


def _require_sense(config: TrainConfig, where: str) -> None:
    schedule = config.schedule
    for name, value, known in (
        ("recipe", config.recipe, RECIPES),
        ("precision", config.precision, PRECISIONS),
        ("schedule.chosen", schedule.chosen, ("last", "best")),
    ):
        if value not in known:
            raise CimgenError(f"{where}: there is no {name} {value!r}", hint=f"There are: {', '.join(known)}.")
    if not config.dataset:
        raise CimgenError(f"{where} does not say dataset", hint="Name it there, or by --dataset.")
    for name in ("steps", "batch", "crop", "shrink", "judge_every", "judge_on", "keep_every", "sample_every"):
        if getattr(schedule, name) < 1:
            raise CimgenError(f"{where}: schedule.{name} is below 1", hint="Give a whole number from 1 on.")
    if schedule.crop % 32:
        raise CimgenError(f"{where}: schedule.crop is {schedule.crop}", hint="It has to be a multiple of 32.")
    for name in ("whole", "balanced"):
        if not 0 <= getattr(schedule, name) <= 1:
            raise CimgenError(f"{where}: schedule.{name} is no share", hint="Give a number from 0 to 1.")
