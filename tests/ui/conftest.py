"""A real GeoTIFF, a project over it, and the window on it; nothing of it touches the settings of the user."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

HEIGHT, WIDTH = 2300, 2100


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8-bit RGB, 0.5 m a pixel in UTM zone 33N, larger than any screen here, with overviews."""
    import rasterio
    from rasterio import Affine

    path = tmp_path_factory.mktemp("image") / "ground.tif"
    rows, cols = np.mgrid[0:HEIGHT, 0:WIDTH]
    bands = np.stack([rows % 251, cols % 241, (rows + cols) % 239]).astype(np.uint8)
    profile = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": 3, "dtype": "uint8", "crs": "EPSG:32633",
               "transform": Affine(0.5, 0, 458000, 0, -0.5, 5428000), "tiled": True, "compress": "deflate"}  # fmt: skip
    with rasterio.open(path, "w", photometric="RGB", **profile) as target:
        target.write(bands)
        target.build_overviews([2, 4, 8])
    return path


@pytest.fixture
def project(image: Path, tmp_path: Path) -> Path:
    """A new project whose map is vegetation everywhere."""
    from cimgen_qt.core.jobs import run_inline
    from cimgen_qt.core.palette import DEFAULT_PALETTE
    from cimgen_qt.core.project import Project
    from cimgen_qt.core.scene import Scene
    from cimgen_qt.opening import source_of
    from cimgen_qt.raster.rasterio_io import open_raster
    from tests.rasters import blocks_of

    path = tmp_path / "ground.cimgen"
    with (
        open_raster(image) as reader,
        Project.create(path, reader.info, DEFAULT_PALETTE, source_of(image, path)) as made,
    ):
        labels = np.full((HEIGHT, WIDTH), 4, np.uint8)
        run_inline(Scene(made, reader).import_map(blocks_of(labels), {"source": "array"}))
    return path


@pytest.fixture
def empty_window(qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The window with no project; it leaves no thread behind."""
    from cimgen_qt.ui.compat import QtCore
    from cimgen_qt.ui.main_window import MainWindow

    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path / "data"))
    for kind in (QtCore.QSettings.Format.NativeFormat, QtCore.QSettings.Format.IniFormat):
        QtCore.QSettings.setPath(kind, QtCore.QSettings.Scope.UserScope, str(tmp_path / "settings"))
    QtCore.QCoreApplication.setOrganizationName("CIMGen")
    QtCore.QCoreApplication.setApplicationName("CIMGen")
    before = threads()
    window = MainWindow()
    window.resize(1100, 800)
    window.show()
    yield window
    worker = window.workbench._jobs._runner.pid
    window.workbench.generation.proposal = None  # else the window asks
    window.close()
    qtbot.waitUntil(lambda: threads() <= before, timeout=5000)
    window.deleteLater()
    assert worker is None or not is_running(worker)


def threads() -> set[str]:
    """Names of Python threads that run; threads of Qt that once ran Python are still listed as dummies."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("Dummy")}


def is_running(pid: int) -> bool:
    """Whether a process of this number is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def window(qtbot: Any, empty_window: Any, project: Path) -> Any:
    """The window on `project`, drawn to the last tile."""
    empty_window.files.open_path(project)
    qtbot.waitUntil(lambda: empty_window.workbench.areas is not None and empty_window.canvas.complete, timeout=20000)
    return empty_window
