"""Only core/durable.py and what it stands on may write files that a user sees; everybody else stages."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "cimgen_qt"

ALLOWED = {
    # blocks are shared memory; what is remembered is packed in memory and then staged
    "open": ["core/disk.py", "core/durable_folder.py", "blocks.py", "generators/remembered.py"],
    "move": ["core/disk.py"],
    # these copy to and open *staged* rasters: a path that `stage` gave them
    "copy": ["raster/write.py"],
    "raster": ["raster/write*.py", "raster/cog.py", "raster/patch.py"],
}
"""Rule -> the files, relative to the package, that may break it."""

OPENERS = {"open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open", "zipfile.ZipFile", "tarfile.open"}
MODE = re.compile(r"[rwaxbtU+]+")
MOVES = {"os.rename", "os.replace", "os.renames", "os.link", "os.symlink", "os.truncate", "shutil.move"}
COPIES = {"shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.copymode", "shutil.make_archive"}
ARRAYS = {"save", "savez", "savez_compressed", "savetxt", "memmap"}
GDAL_WRITERS = {"Create", "CreateCopy", "Translate", "Warp", "VectorTranslate"}
PATH_WRITERS = {"write_text", "write_bytes", "touch", "symlink_to", "hardlink_to", "tofile", "imwrite"}


def _imported(tree: ast.Module) -> dict[str, str]:
    """Local name -> dotted name, of every import wherever it stands."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                names[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(function: ast.expr, imported: dict[str, str]) -> str:
    """What a call goes to, as far as imports tell; `?.name` for a method of some value."""
    if isinstance(function, ast.Name):
        return imported.get(function.id, function.id)
    if isinstance(function, ast.Attribute):
        if isinstance(function.value, ast.Name | ast.Attribute):
            owner = _dotted(function.value, imported)
            root = owner.partition(".")[0]
            if root in {name.partition(".")[0] for name in imported.values()}:
                return f"{owner}.{function.attr}"
        return f"?.{function.attr}"
    return "?"


def _mode(call: ast.Call, position: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == "mode":
            return keyword.value
    return call.args[position] if len(call.args) > position else None


def _may_write(mode: ast.expr | None) -> bool:
    """A mode that is not a literal may be anything."""
    if mode is None:
        return False
    if not (isinstance(mode, ast.Constant) and isinstance(mode.value, str)):
        return True
    return bool(set(mode.value) & set("wax+"))


def _raster_rule(call: ast.Call, name: str) -> bool:
    last = name.rpartition(".")[2]
    if name.startswith("rasterio."):
        return (last == "open" and _may_write(_mode(call, 1))) or name.startswith("rasterio.shutil.cop")
    return last == "CreateCopy" or (name.startswith("osgeo.") and last in GDAL_WRITERS)


def _open_rule(call: ast.Call, name: str) -> bool:
    owner, _, last = name.rpartition(".")
    if name in OPENERS:
        return _may_write(_mode(call, 1))
    if name == "os.open":
        return ast.unparse(call.args[1]) != "os.O_RDONLY"
    if owner == "numpy":
        return last in ARRAYS
    if owner == "?" and last == "open":
        first = call.args[0] if call.args else None
        literal = isinstance(first, ast.Constant) and isinstance(first.value, str) and MODE.fullmatch(first.value)
        return _may_write(next((k.value for k in call.keywords if k.arg == "mode"), first if literal else None))
    return last in PATH_WRITERS and bool(owner) and not name.startswith("cimgen_qt.core.durable.")


def _move_rule(call: ast.Call, name: str) -> bool:
    return name in MOVES or (name in {"?.replace", "?.rename"} and len(call.args) == 1 and not call.keywords)


RULES: dict[str, Callable[[ast.Call, str], bool]] = {
    "raster": _raster_rule,
    "open": _open_rule,
    "move": _move_rule,
    "copy": lambda _call, name: name in COPIES,
}


def broken_rules(source: str) -> list[tuple[int, str]]:
    """(line, rule) of every call that writes a file without `stage`."""
    tree = ast.parse(source)
    imported = _imported(tree)
    found = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = _dotted(call.func, imported)
        found |= {(call.lineno, rule) for rule, breaks in RULES.items() if breaks(call, name)}
    return sorted(found)


def test_nobody_else_writes_files() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 10
    found = []
    for file in files:
        path = file.relative_to(PACKAGE).as_posix()
        for line, rule in broken_rules(file.read_text(encoding="utf-8")):
            if not any(fnmatch(path, pattern) for pattern in ALLOWED[rule]):
                found.append(f"{path}:{line}: {rule}")
    assert found == [], "write through cimgen_qt.core.durable.stage"


PLANTED = [
    ("open('a', 'w')", "open"),
    ("open('a', mode='ab')", "open"),
    ("open('a', 'r+b')", "open"),
    ("open('a', mode)", "open"),
    ("import io\nio.open('a', 'x')", "open"),
    ("import gzip\ngzip.open('a', 'wb')", "open"),
    ("import zipfile\nzipfile.ZipFile('a', 'w')", "open"),
    ("import os\nos.open('a', os.O_RDWR)", "open"),
    ("from pathlib import Path\nPath('a').open('w')", "open"),
    ("path.open(mode='a')", "open"),
    ("path.open('r+')", "open"),
    ("folder.path.write_text('x')", "open"),
    ("(folder / 'a').write_bytes(b'x')", "open"),
    ("path.touch()", "open"),
    ("path.symlink_to(other)", "open"),
    ("array.tofile('a')", "open"),
    ("import numpy as np\nnp.save('a', array)", "open"),
    ("import numpy as np\nnp.savez_compressed('a', array)", "open"),
    ("import cv2\ncv2.imwrite('a.png', array)", "open"),
    ("import shutil\nshutil.move('a', 'b')", "move"),
    ("import os as system\nsystem.replace('a', 'b')", "move"),
    ("from os import rename as r\nr('a', 'b')", "move"),
    ("path.replace(target)", "move"),
    ("path.rename(target)", "move"),
    ("import shutil\nshutil.copyfile('a', 'b')", "copy"),
    ("def f():\n    from shutil import copy2\n    copy2('a', 'b')", "copy"),
    ("import rasterio\nrasterio.open(p, 'w', **profile)", "raster"),
    ("import rasterio as rio\nrio.open(p, mode='r+')", "raster"),
    ("def f():\n    import rasterio\n    rasterio.open(p, mode)", "raster"),
    ("from rasterio import open as o\no(p, 'w+')", "raster"),
    ("import rasterio.shutil\nrasterio.shutil.copy(a, b)", "raster"),
    ("from rasterio.shutil import copy\ncopy(a, b, driver='COG')", "raster"),
    ("from osgeo import gdal\ngdal.Translate('a', b)", "raster"),
    ("driver.CreateCopy('a', b)", "raster"),
]

HARMLESS = [
    "open('a')",
    "open('a', 'rb')",
    "path.open('rb')",
    "import os\nos.open(os.devnull, os.O_RDONLY)",
    "Project.open(path, read_only=True)",
    "import rasterio\nrasterio.open(p)\nrasterio.open(p, 'r')",
    "'a'.replace('b', 'c')",
    "import dataclasses\ndataclasses.replace(value, name=1)",
    "from cimgen_qt.core import durable\ndurable.write_text(path, 'x')",
    "from cimgen_qt.core.durable import write_bytes\nwrite_bytes(path, b'x')",
    "import zipfile\nzipfile.ZipFile('a')",
    "import numpy as np\nnp.load('a')",
]


@pytest.mark.parametrize(("source", "rule"), PLANTED)
def test_a_planted_write_is_found(source: str, rule: str) -> None:
    assert [found for _, found in broken_rules(source)] == [rule]


@pytest.mark.parametrize("source", HARMLESS)
def test_reading_is_allowed(source: str) -> None:
    assert broken_rules(source) == []
