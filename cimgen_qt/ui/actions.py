"""Everything a user can do by menu or key, in one table: texts, keys, icons."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cimgen_qt.ui.commands import edit, files, generate, tools, view
from cimgen_qt.ui.commands import help as help_
from cimgen_qt.ui.compat import QAction, QActionGroup, Qt, QtGui, QtWidgets, later, tr
from cimgen_qt.ui.icons import icon

WORDS = (*files.WORDS, *edit.WORDS, *tools.WORDS, *view.WORDS, *generate.WORDS, *help_.WORDS)

_MENUS: Mapping[str, tuple[str, ...]] = {
    later("&File"): files.MENU,
    later("&Edit"): edit.MENU,
    later("&Tools"): tools.MENU,
    later("&View"): view.MENU,
    later("&Generate"): generate.MENU,
    later("&Help"): help_.MENU,
}

HELD = (
    ("Space", later("hold to pan")),
    ("\\", later("hold to see the original photo")),
    ("Alt+click", later("pick the class there")),
    ("0-9", later("choose a class")),
    ("wheel", later("zoom")),
    ("Ctrl+wheel", later("brush size")),
    ("Esc", later("one step back")),
)
"""What is no action: keys that are held, and the mouse."""


class Actions:
    """The actions of one window, by name; the window connects them to what they do."""

    def __init__(self, window: QtWidgets.QMainWindow) -> None:
        self.tools = QActionGroup(window)
        self._needs: dict[str, str] = {}
        self._by_name: dict[str, QAction] = {}
        for word in WORDS:
            action = QAction(tr(word.text), window)
            action.setShortcuts([QtGui.QKeySequence(key) for key in word.keys])
            keys = f" ({word.keys[0]})" if word.keys else ""
            action.setToolTip(tr(word.text).replace("&", "") + keys)
            if word.on_canvas:
                action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            if word.icon:
                action.setIcon(icon(word.icon))
            action.setCheckable(word.tool or word.toggle)
            if word.tool:
                self.tools.addAction(action)
            self._by_name[word.name], self._needs[word.name] = action, word.needs
        window.addActions(list(self._by_name.values()))

    def __getitem__(self, name: str) -> QAction:
        return self._by_name[name]

    def connect(self, slots: Mapping[str, Callable[[], object]]) -> None:
        """What each action does."""
        for name, slot in slots.items():
            self._by_name[name].triggered.connect(lambda _=False, slot=slot: slot())

    def enable(self, able: Mapping[str, bool]) -> None:
        """By what they need."""
        for name, need in self._needs.items():
            if need:
                self._by_name[name].setEnabled(able[need])

    def fill_menus(self, bar: QtWidgets.QMenuBar, menus: Mapping[str, QtWidgets.QMenu]) -> None:
        """All of them, in their menus; `menus` are those that stand in another one, by name."""
        for title, names in _MENUS.items():
            menu = bar.addMenu(tr(title))
            for name in names if menu is not None else ():
                if menu is None:
                    continue
                if not name:
                    menu.addSeparator()
                elif name in menus:
                    menu.addMenu(menus[name])
                else:
                    menu.addAction(self._by_name[name])

    def keys(self) -> list[tuple[str, str]]:
        """(key, what it does), for the help."""
        rows = [(" / ".join(w.keys), tr(w.text).replace("&", "")) for w in WORDS if w.keys]
        return rows + [(key, tr(text)) for key, text in HELD]
