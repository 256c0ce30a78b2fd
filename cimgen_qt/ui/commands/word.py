"""One action: its text, keys and icon, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Slots = Mapping[str, Callable[[], object]]
"""What each action does, by its name."""


@dataclass(frozen=True, slots=True)
class Word:
    """`needs`: "scene" an open project, "proposal" one that is ready, "job" a running one, "" nothing.

    `text` is marked by `later` and has its mnemonic; `toggle` actions are told apart by `QAction.isChecked`.
    """

    name: str
    text: str
    keys: tuple[str, ...] = ()
    icon: str = ""
    needs: str = "scene"
    tool: bool = False
    toggle: bool = False
    on_canvas: bool = False
    """The key acts while the canvas has the focus only: elsewhere Enter ends what is typed."""
