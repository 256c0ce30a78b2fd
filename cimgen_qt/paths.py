"""Where resources, models and user files lie: beside a checkout, in a wheel, in a frozen program, in a plugin zip."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OVERRIDE = "CIMGEN_DATA"
"""Environment variable that puts everything of the user into one folder: for portable copies, clusters and tests."""
_MARK = "palettes"
"""A folder that any complete set of resources holds."""


@dataclass(frozen=True, slots=True)
class UserPlaces:
    """Folders of one user. None of them need exist yet; whoever writes makes them."""

    data: Path
    """Models, and projects that have no name yet."""
    config: Path
    """Settings."""
    cache: Path
    """May be emptied at any time."""
    logs: Path


def user_places(
    environ: Mapping[str, str] | None = None, platform: str = sys.platform, home: Path | None = None
) -> UserPlaces:
    """By the custom of the system: XDG, `AppData` or `Library`; all below `CIMGEN_DATA` where that is set.

    Models are large, so on Windows they stay on the machine (`LOCALAPPDATA`) and only settings roam. A relative path
    in an XDG variable is ignored, as its specification asks.
    """
    environ = os.environ if environ is None else environ
    if environ.get(OVERRIDE):
        root = Path(environ[OVERRIDE]).expanduser().absolute()
        return UserPlaces(root, root / "config", root / "cache", root / "logs")
    home = Path.home() if home is None else home
    if platform == "win32":
        roaming = _folder(environ, "APPDATA", home / "AppData" / "Roaming") / "CIMGen"
        local = _folder(environ, "LOCALAPPDATA", home / "AppData" / "Local") / "CIMGen"
        return UserPlaces(local, roaming, local / "cache", local / "logs")
    if platform == "darwin":
        library = home / "Library"
        support = library / "Application Support" / "CIMGen"
        return UserPlaces(support, support / "config", library / "Caches" / "CIMGen", library / "Logs" / "CIMGen")
    return UserPlaces(
        _folder(environ, "XDG_DATA_HOME", home / ".local" / "share") / "cimgen",
        _folder(environ, "XDG_CONFIG_HOME", home / ".config") / "cimgen",
        _folder(environ, "XDG_CACHE_HOME", home / ".cache") / "cimgen",
        _folder(environ, "XDG_STATE_HOME", home / ".local" / "state") / "cimgen",
    )


def _folder(environ: Mapping[str, str], name: str, otherwise: Path) -> Path:
    path = Path(environ.get(name, ""))
    return path if path.is_absolute() else otherwise


def user_data() -> Path:
    """The user's data folder, see `user_places`."""
    return user_places().data


def user_models() -> Path:
    """Models that the user added."""
    return user_data() / "models"


def unnamed_projects() -> Path:
    """Projects that wait for their first "Save as"."""
    return user_data() / "projects"


def settings_file() -> Path:
    """What the user prefers."""
    return user_places().config / "settings.toml"


def resources(package: Path | None = None, frozen: str | None = None) -> Path:
    """The folder that holds `models`, `palettes`, `samples`, `icons` and `i18n`.

    Looked for in the frozen program, in the package (wheel), and beside the package (checkout, plugin zip). Where there
    is none, the place in the package is returned, so that what is missing can be named.
    """
    package = Path(__file__).resolve().parent if package is None else package
    frozen = getattr(sys, "_MEIPASS", None) if frozen is None else frozen
    places = [package / "resources", package.parent / "resources"]
    if frozen:
        places.insert(0, Path(frozen) / "resources")
    return next((place for place in places if (place / _MARK).is_dir()), package / "resources")


def shipped_models() -> Path:
    """Models that came with the program; the folder may be missing or empty."""
    return resources() / "models"
