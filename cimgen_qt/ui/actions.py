"""Everything a user can do by menu or key, in one table: texts, keys, icons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cimgen_qt.ui.compat import QAction, QActionGroup, Qt, QtGui, QtWidgets, tr
from cimgen_qt.ui.icons import icon


@dataclass(frozen=True, slots=True)
class Word:
    """One action. `needs`: "scene" an open project, "proposal" one that is ready, "job" a running one, "" nothing."""

    name: str
    text: str
    keys: tuple[str, ...] = ()
    icon: str = ""
    needs: str = "scene"
    tool: bool = False
    on_canvas: bool = False
    """The key acts while the canvas has the focus only: elsewhere Enter ends what is typed."""


_WORDS = (
    Word("new", "&New from image…", ("Ctrl+N",), "image", ""),
    Word("open", "&Open project…", ("Ctrl+O",), "open", ""),
    Word("sample", "Open the &sample", (), "", ""),
    Word("export", "&Export…", ("Ctrl+E",), "export"),
    Word("quit", "&Quit", ("Ctrl+Q",), "", ""),
    Word("undo", "&Undo", ("Ctrl+Z",), "undo"),
    Word("redo", "&Redo", ("Ctrl+Y", "Ctrl+Shift+Z"), "redo"),
    Word("last_class", "&Last class", ("X",)),
    Word("smaller", "&Smaller brush", ("[", "Ctrl+Alt+-")),
    Word("larger", "L&arger brush", ("]", "Ctrl+Alt++")),
    Word("brush", "&Brush", ("B",), "brush", "scene", True),
    Word("eraser", "&Eraser: restore the original", ("E",), "eraser", "scene", True),
    Word("rectangle", "&Rectangle", ("R",), "rectangle", "scene", True),
    Word("polygon", "&Polygon", ("P",), "polygon", "scene", True),
    Word("fill", "&Fill connected ground", ("F",), "fill", "scene", True),
    Word("fit", "&Fit", ("Ctrl+0",), "fit"),
    Word("actual", "&One pixel to one", ("Ctrl+1",)),
    Word("nearer", "Zoom &in", ("+", "Ctrl++", "Ctrl+=")),
    Word("farther", "Zoom &out", ("-", "Ctrl+-")),
    Word("hide_map", "&Hide the map", ("H",), "map"),
    Word("generate", "&Generate", ("Ctrl+Return", "Ctrl+Enter"), "generate"),
    Word("cancel", "&Cancel the job", ("Ctrl+.",), "cancel", "job"),
    Word("accept", "&Accept the proposal", ("Return", "Enter"), "accept", "proposal", on_canvas=True),
    Word("discard", "&Discard the proposal", ("Delete",), "discard", "proposal", on_canvas=True),
    Word("again", "&Try again with the next seed", ("Ctrl+R",), "again", "proposal"),
    Word("help", "&First steps", ("F1",), "help", ""),
    Word("shortcuts", "&Shortcuts", ("Ctrl+/",), "", ""),
    Word("about", "&About CIMGen", (), "", ""),
)

_MENUS: Mapping[str, tuple[str, ...]] = {
    "&File": ("new", "open", "recent", "sample", "", "export", "", "quit"),
    "&Edit": ("undo", "redo", "", "last_class", "smaller", "larger"),
    "&Tools": ("brush", "eraser", "rectangle", "polygon", "fill"),
    "&View": ("fit", "actual", "nearer", "farther", "", "hide_map"),
    "&Generate": ("generate", "cancel", "", "accept", "discard", "again"),
    "&Help": ("help", "shortcuts", "", "about"),
}

HELD = (
    ("Space", "hold to pan"),
    ("\\", "hold to see the original photo"),
    ("Alt+click", "pick the class there"),
    ("0-9", "choose a class"),
    ("wheel", "zoom"),
    ("Ctrl+wheel", "brush size"),
    ("Esc", "one step back"),
)
"""What is no action: keys that are held, and the mouse."""


class Actions:
    """The actions of one window, by name; the window connects them to what they do."""

    def __init__(self, window: QtWidgets.QMainWindow) -> None:
        self.tools = QActionGroup(window)
        self._needs: dict[str, str] = {}
        self._by_name: dict[str, QAction] = {}
        for word in _WORDS:
            action = QAction(tr(word.text), window)
            action.setShortcuts([QtGui.QKeySequence(key) for key in word.keys])
            keys = f" ({word.keys[0]})" if word.keys else ""
            action.setToolTip(tr(word.text).replace("&", "") + keys)
            if word.on_canvas:
                action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            if word.icon:
                action.setIcon(icon(word.icon))
            if word.tool:
                action.setCheckable(True)
                self.tools.addAction(action)
            self._by_name[word.name], self._needs[word.name] = action, word.needs
        self._by_name["hide_map"].setCheckable(True)
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

    def fill_menus(self, bar: QtWidgets.QMenuBar, recent: QtWidgets.QMenu) -> None:
        """All of them, in their menus."""
        for title, names in _MENUS.items():
            menu = bar.addMenu(tr(title))
            for name in names if menu is not None else ():
                if menu is None:
                    continue
                if not name:
                    menu.addSeparator()
                elif name == "recent":
                    menu.addMenu(recent)
                else:
                    menu.addAction(self._by_name[name])

    def keys(self) -> list[tuple[str, str]]:
        """(key, what it does), for the help."""
        rows = [(" / ".join(w.keys), tr(w.text).replace("&", "")) for w in _WORDS if w.keys]
        return rows + [(key, tr(text)) for key, text in HELD]
