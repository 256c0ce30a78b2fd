"""A configuration with every setting of a recipe at its default, to be shortened: what can be set, in one look."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any

from cimgen_qt.training.config import CardFacts, Schedule, TrainConfig
from cimgen_qt.training.recipes import options_of, summary_of

_WIDTH = 100
_OWN = ("name", "recipe", "dataset", "seed", "start", "freeze", "precision")
"""Settings of a configuration that stand above its tables."""


def template(recipe: str) -> str:
    """TOML that `cimgen train` reads as it is, once `dataset` is filled in. Raises CimgenError for no recipe."""
    options = options_of(recipe)
    lines = [*_comment(summary_of(recipe)), f"name = {json.dumps(f'my-{recipe}')}", f"recipe = {json.dumps(recipe)}"]
    told = _told(TrainConfig)
    for field in fields(TrainConfig):
        if field.name in _OWN[2:]:
            value = "" if field.default is MISSING else field.default
            lines += _setting(field.name, value, told)
    for name, table in (("schedule", Schedule), ("options", options), ("card", CardFacts)):
        lines += ["", f"[{name}]"]
        told, defaults = _told(table), table()
        for field in fields(table):
            lines += _setting(field.name, getattr(defaults, field.name), told)
    return "\n".join(lines) + "\n"


def _setting(name: str, value: Any, told: dict[str, str]) -> Iterator[str]:
    yield from _comment(told.get(name, ""))
    yield f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), _WIDTH)]


def _told(kind: type) -> dict[str, str]:
    """What stands below each field in the source; nothing where there is no source, as in a frozen program."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except (OSError, SyntaxError):
        return {}
    found: dict[str, str] = {}
    name = ""
    for node in body.body if isinstance(body, ast.ClassDef) else []:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name], name = str(node.value.value), ""
    return found
