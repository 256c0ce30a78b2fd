"""Where resources and user files are looked for, on every system."""

from __future__ import annotations

from pathlib import Path

import pytest

from cimgen_qt import paths

HOME = Path("/home/someone") if Path("/").is_absolute() else Path("C:/home/someone")


def test_linux_follows_xdg() -> None:
    places = paths.user_places({"XDG_DATA_HOME": str(HOME / "d"), "XDG_CONFIG_HOME": str(HOME / "c")}, "linux", HOME)
    assert places.data == HOME / "d" / "cimgen"
    assert places.config == HOME / "c" / "cimgen"
    assert places.cache == HOME / ".cache" / "cimgen"
    assert places.logs == HOME / ".local" / "state" / "cimgen"


def test_a_relative_xdg_path_is_ignored() -> None:
    assert paths.user_places({"XDG_DATA_HOME": "here"}, "linux", HOME).data == HOME / ".local" / "share" / "cimgen"


def test_windows_keeps_models_on_the_machine_and_lets_settings_roam() -> None:
    environ = {"APPDATA": str(HOME / "roam"), "LOCALAPPDATA": str(HOME / "local")}
    places = paths.user_places(environ, "win32", HOME)
    assert places.data == HOME / "local" / "CIMGen"
    assert places.config == HOME / "roam" / "CIMGen"
    assert paths.user_places({}, "win32", HOME).data == HOME / "AppData" / "Local" / "CIMGen"


def test_macos_uses_library() -> None:
    places = paths.user_places({}, "darwin", HOME)
    assert places.data == HOME / "Library" / "Application Support" / "CIMGen"
    assert places.cache == HOME / "Library" / "Caches" / "CIMGen"


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_one_variable_moves_everything(platform: str, tmp_path: Path) -> None:
    environ = {"CIMGEN_DATA": str(tmp_path), "XDG_DATA_HOME": str(HOME), "APPDATA": str(HOME)}
    places = paths.user_places(environ, platform, HOME)
    assert places.data == tmp_path
    assert all(tmp_path in place.parents for place in (places.config, places.cache, places.logs))


def test_the_named_folders_lie_under_the_override(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path))
    assert paths.user_models() == tmp_path / "models"
    assert paths.unnamed_projects() == tmp_path / "projects"
    assert paths.settings_file() == tmp_path / "config" / "settings.toml"


def _filled(folder: Path) -> Path:
    (folder / "palettes").mkdir(parents=True)
    return folder


def test_resources_of_this_checkout_are_found() -> None:
    assert (paths.resources() / "palettes").is_dir()
    assert paths.shipped_models().parent == paths.resources()


def test_resources_lie_beside_the_package_in_a_plugin_zip(tmp_path: Path) -> None:
    beside = _filled(tmp_path / "plugin" / "resources")
    assert paths.resources(tmp_path / "plugin" / "cimgen_qt") == beside


def test_resources_lie_in_the_package_of_a_wheel(tmp_path: Path) -> None:
    inside = _filled(tmp_path / "site" / "cimgen_qt" / "resources")
    _filled(tmp_path / "site" / "resources")  # somebody else's folder of the same name
    assert paths.resources(tmp_path / "site" / "cimgen_qt") == inside


def test_a_frozen_program_looks_in_its_own_folder_first(tmp_path: Path) -> None:
    bundled = _filled(tmp_path / "bundle" / "resources")
    _filled(tmp_path / "site" / "cimgen_qt" / "resources")
    assert paths.resources(tmp_path / "site" / "cimgen_qt", str(tmp_path / "bundle")) == bundled


def test_missing_resources_are_named_by_their_place_in_the_package(tmp_path: Path) -> None:
    assert paths.resources(tmp_path / "cimgen_qt") == tmp_path / "cimgen_qt" / "resources"
