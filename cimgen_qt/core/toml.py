"""Read TOML on every Python that is supported, with limits and errors a user can follow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cimgen_qt.core.errors import CimgenError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the floor is 3.10
    import tomli as tomllib

LARGEST_BYTES = 4 * 1024 * 1024


def parse_toml(text: str, name: str = "text") -> dict[str, Any]:
    """Raises `CimgenError` that names the line."""
    try:
        values: dict[str, Any] = tomllib.loads(text)
        return values
    except tomllib.TOMLDecodeError as error:
        raise CimgenError(f"{name} is not valid TOML: {error}", hint="Mend the line and try again.") from error


def load_toml(path: Path) -> dict[str, Any]:
    """Parse a file of at most 4 MiB. Raises `CimgenError` where it is missing, too large or not TOML."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise CimgenError(f"{path.name} is too large for a settings file", hint="Is it the right file?")
        text = path.read_text("utf-8")
    except OSError as error:
        raise CimgenError(f"{path.name} cannot be read: {error.strerror}", hint="Check the path.") from error
    except UnicodeDecodeError as error:
        raise CimgenError(f"{path.name} is no text file", hint="Is it the right file?") from error
    return parse_toml(text, path.name)
