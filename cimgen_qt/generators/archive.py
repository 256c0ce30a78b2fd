"""Read single members of a zip into memory, within limits and whatever their names say; nothing is unpacked."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath

from cimgen_qt.core.disk import explained
from cimgen_qt.core.errors import ModelError

MOST_MEMBERS = 10_000
LARGEST_RATIO = 1000
"""Deflate reaches 1032; weights hardly shrink, and texts are small."""
SMALL = 1 << 20
"""Members up to this size may shrink as they like."""
_HINT = "Get the package anew from where it came."


def member_names(path: Path) -> list[str]:
    """Names of the files in a package. Raises ModelError for a bomb, a name that leaves the folder, a damaged zip."""
    with explained(path, "read", ModelError), _opened(path) as package:
        return [info.filename for info in package.infolist() if not info.is_dir()]


def read_member(path: Path, name: str, largest: int) -> bytes:
    """One file of a package, at most `largest` bytes of it. Raises ModelError where it is more, or damaged."""
    with explained(path, "read", ModelError), _opened(path) as package:
        try:
            with package.open(name) as member:
                data = member.read(largest + 1)
        except KeyError as error:
            raise ModelError(f"{path.name} holds no {name}", hint=_HINT) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise ModelError(f"{name} in {path.name} cannot be read: {error}", hint=_HINT) from error
    if len(data) > largest:
        raise ModelError(f"{name} in {path.name} is larger than {largest:,} bytes", hint=_HINT)
    return data


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        package = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ModelError(f"{path.name} is no zip package: {error}", hint=_HINT) from error
    try:
        _require_harmless(package, path)
    except BaseException:
        package.close()
        raise
    return package


def _require_harmless(package: zipfile.ZipFile, path: Path) -> None:
    members = package.infolist()
    if len(members) > MOST_MEMBERS:
        raise ModelError(f"{path.name} holds {len(members):,} files", hint="That is no model package.")
    seen: set[str] = set()
    for info in members:
        name = info.filename.replace("\\", "/")
        plain = PurePosixPath(name)
        if plain.is_absolute() or ".." in plain.parts or ":" in name or "\0" in name:
            raise ModelError(f"{path.name} holds a file named {info.filename!r}, outside the package", hint=_HINT)
        if name.casefold() in seen:
            raise ModelError(f"{path.name} holds {info.filename!r} twice", hint=_HINT)
        seen.add(name.casefold())
        if info.flag_bits & 1:
            raise ModelError(f"{info.filename} in {path.name} is encrypted", hint="Unlock the package first.")
        if info.file_size > SMALL and info.file_size > LARGEST_RATIO * max(1, info.compress_size):
            raise ModelError(f"{info.filename} in {path.name} would swell to {info.file_size:,} bytes", hint=_HINT)
