"""What a generation has made so far and nobody has accepted yet."""

from __future__ import annotations

from dataclasses import dataclass

from cimgen_qt.core.grid import Window
from cimgen_qt.core.render import Patch, Rendered


@dataclass(frozen=True, slots=True)
class Proposal:
    """Patches that are here; `rendered` once all of them are, and only then it can be accepted."""

    patches: tuple[Patch, ...] = ()
    rendered: Rendered | None = None

    @property
    def window(self) -> Window:
        """The smallest window round all patches."""
        window = Window(0, 0, 0, 0)
        for patch in self.patches:
            window = window.union(patch.window)
        return window
