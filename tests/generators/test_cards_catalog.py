"""Models are listed, described, verified, added to and removed from the user's folder, and never half."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cimgen_qt.core.errors import ExportError, ModelError
from cimgen_qt.generators import catalog, list_models, open_generator
from cimgen_qt.generators.cards import DataFile
from cimgen_qt.generators.catalog import add, describe, find_model, folder_name, remove, verify
from cimgen_qt.generators.packages import read_card
from tests.generators.nets import colour_card, colour_net, sha256
from tests.generators.test_cards_refusals import far_net
from tests.generators.test_packages import LAND_COVER, SEGMENTOR, dlpk, emd, segmentor


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user of this test alone."""
    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path / "user"))
    return tmp_path / "user" / "models"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Where models lie that are to be added."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


def test_built_in_generators_are_always_listed_and_open() -> None:
    built_in = [e for e in list_models() if e.origin == "built in"]
    assert [e.name for e in built_in] == ["exemplar", "flat"]
    for entry in built_in:
        assert open_generator(entry.source).spec.name == entry.name
        assert describe(entry)["usable"] is True
        assert describe(entry)["notes"]


def test_an_added_model_is_listed_and_opens_by_its_name(work: Path, user: Path) -> None:
    card = colour_card(work, name="Red Roofs 2")
    entry = add(card.path)
    assert Path(entry.source) == user / "red-roofs-2" / "card.toml"
    assert [e for e in list_models() if e.origin == "yours"] == [entry]
    assert find_model("red roofs 2") == find_model("red-roofs-2") == entry
    spec = open_generator("Red Roofs 2", device="cpu").spec
    assert (spec.sha256, spec.source) == (card.sha256, entry.source)
    assert verify(read_card(Path(entry.source))) == []


def test_adding_copies_bytes_and_takes_nothing_away(work: Path) -> None:
    card = colour_card(work)
    before = {p.name: p.read_bytes() for p in work.iterdir()}
    place = Path(add(work).source).parent
    assert (place / "net.onnx").read_bytes() == before["net.onnx"]
    assert {p.name: p.read_bytes() for p in work.iterdir()} == before
    assert sorted(p.name for p in place.iterdir()) == ["card.toml", "net.onnx"]
    assert read_card(place).classes == card.classes


def test_files_in_folders_and_beside_the_network_come_along(work: Path) -> None:
    (work / "w").mkdir()
    far_net(work / "w" / "net.onnx", "far.data")
    data = (DataFile("w/far.data", sha256(work / "w" / "far.data")),)
    card = colour_card(work, file="w/net.onnx", sha256=sha256(work / "w" / "net.onnx"), data=data)
    place = Path(add(card.path).source).parent
    assert sorted(p.name for p in place.rglob("*") if p.is_file()) == ["card.toml", "far.data", "net.onnx"]
    assert open_generator(str(place), device="cpu").spec.name == "colours"


def test_a_model_of_a_name_that_is_taken_is_refused(work: Path) -> None:
    card = colour_card(work)
    add(card.path)
    with pytest.raises(ModelError, match="already a model"):
        add(card.path)


@pytest.mark.parametrize("fault", ["hash", "missing", "graph", "outside"])
def test_a_refused_model_leaves_nothing_behind(work: Path, user: Path, fault: str) -> None:
    card = colour_card(work, **({"batch": 1} if fault != "outside" else {"file": "../net.onnx"}))
    if fault == "hash":
        (work / "net.onnx").write_bytes(b"\x08\x09")
    elif fault == "missing":
        (work / "net.onnx").unlink()
    elif fault == "graph":
        (work / "net.onnx").unlink()
        colour_net(work / "net.onnx", ("n", 5, "h", "w"))
        card = colour_card(work)
    with pytest.raises(ModelError):
        add(card.path)
    assert not user.exists() or not list(user.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")
def test_a_copy_that_fails_half_way_leaves_nothing_behind(work: Path, user: Path) -> None:
    import resource

    card = colour_card(work)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(ExportError, match="larger than this disk allows"):
            add(card.path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(user.iterdir()) == []
    assert add(card.path).name == "colours"


def test_a_folder_that_cannot_be_made_is_named(work: Path, user: Path) -> None:
    user.parent.mkdir(parents=True)
    user.write_text("in the way")
    with pytest.raises(ExportError, match="cannot be made"):
        add(colour_card(work).path)
    assert user.read_text() == "in the way"


def test_what_only_tells_of_itself_gets_a_card(work: Path) -> None:
    entry = add(segmentor(work / "landcover.onnx", SEGMENTOR))
    assert Path(entry.source).name == "card.toml"
    assert entry.card is not None
    assert (entry.card.kind, len(entry.card.classes)) == ("image-to-map", 3)
    assert "image-to-map" in entry.problem
    assert describe(entry)["usable"] is False
    with pytest.raises(ModelError, match="reads classes"):
        open_generator("landcover")


def test_esri_models_can_be_kept_and_shown(work: Path, user: Path) -> None:
    colour_net(work / "trained.onnx")
    entry = add(emd(work / "trained.emd"))
    assert (user / "land-cover" / "trained.onnx").is_file()
    assert describe(entry)["kind"] == "image-to-map"
    remove("land cover")
    package = dlpk(work / "cover.dlpk", {"a.emd": json.dumps(LAND_COVER).encode(), "trained.onnx": b"weights"})
    entry = add(package)
    assert Path(entry.source) == user / "land-cover" / "cover.dlpk"
    assert [c["name"] for c in describe(entry)["classes"]] == ["Evergreen Forest", "Open Water"]


def test_a_map_to_image_package_without_its_inputs_asks_for_a_card(work: Path) -> None:
    colour_net(work / "trained.onnx")
    with pytest.raises(ModelError, match="does not say how its inputs"):
        add(emd(work / "trained.emd", ModelType="Pix2PixHD", label_nc=6))


def test_removing_takes_the_whole_folder_and_only_that(work: Path, user: Path) -> None:
    add(colour_card(work, name="one").path)
    add(colour_card(work, name="two").path)
    assert remove("one") == user / "one"
    assert sorted(p.name for p in user.iterdir()) == ["two"]
    with pytest.raises(ModelError, match="no model 'one'"):
        remove("one")


def test_built_in_generators_cannot_be_removed() -> None:
    with pytest.raises(ModelError, match="built in"):
        remove("flat")


def test_removing_does_not_follow_links(work: Path, user: Path, tmp_path: Path) -> None:
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "gold").write_text("gold")
    place = Path(add(colour_card(work).path).source).parent
    (place / "link").symlink_to(treasure, target_is_directory=True)
    remove("colours")
    assert (treasure / "gold").read_text() == "gold"
    assert not place.exists()


def test_a_linked_folder_is_not_removed(work: Path, user: Path) -> None:
    card = colour_card(work)
    user.mkdir(parents=True)
    (user / "linked").symlink_to(work, target_is_directory=True)
    with pytest.raises(ModelError, match="no model of yours"):
        remove("colours")
    assert card.path.is_file()


def test_a_broken_card_is_listed_with_its_problem_and_hides_no_other(work: Path, user: Path) -> None:
    add(colour_card(work).path)
    (user / "broken").mkdir()
    (user / "broken" / "card.toml").write_text("name = 3")
    (user / "empty").mkdir()
    (user / "stray.txt").write_text("")
    entries = {e.name: e for e in list_models() if e.origin == "yours"}
    assert set(entries) == {"broken", "colours", "empty"}
    assert "no valid model card" in entries["broken"].problem
    assert entries["colours"].problem == ""
    with pytest.raises(ModelError, match="no valid model card"):
        open_generator("broken")
    assert remove("broken") == user / "broken"


def test_a_description_is_plain_json(work: Path) -> None:
    about = describe(colour_card(work, metres_range=(0.2, 0.4), levels=(0.0, 200.0)))
    assert json.loads(json.dumps(about)) == about
    assert (about["origin"], about["usable"], about["bands"]) == ("file", True, ["red", "green", "blue"])
    assert about["bytes"] == (work / "net.onnx").stat().st_size
    assert about["metres_range"] == [0.2, 0.4]


def test_verification_names_what_is_wrong(work: Path) -> None:
    card = colour_card(work)
    assert verify(card) == []
    (work / "net.onnx").unlink()
    assert verify(card) == [f"colours: the file net.onnx is missing in {work}"]
    colour_net(work / "net.onnx", ("n", 5, "h", "w"))
    assert "not the file that its card describes" in verify(card)[0]
    fresh = colour_card(work)
    assert verify(fresh) == ["input labels has 5 channels, the card says 3"]


def test_two_models_of_one_name_have_to_be_told_apart_by_path(work: Path, user: Path) -> None:
    add(colour_card(work).path)
    (user / "other").mkdir()
    colour_card(user / "other")
    with pytest.raises(ModelError, match="2 models"):
        open_generator("colours")


@pytest.mark.parametrize(
    ("name", "folder"),
    [("Red Roofs", "red-roofs"), ("../../etc", "etc"), ("Städte: 2", "städte-2"), ("a" * 90, "a" * 64)],
)
def test_folder_names_are_tame(name: str, folder: str) -> None:
    assert folder_name(name) == folder


def test_a_name_without_letters_is_refused() -> None:
    with pytest.raises(ModelError, match="no name"):
        folder_name("../..")


def test_shipped_models_are_listed_before_the_users_own(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped" / "first"
    shipped.mkdir(parents=True)
    colour_card(shipped, name="zebra")
    monkeypatch.setattr(catalog.paths, "shipped_models", lambda: shipped.parent)
    add(colour_card(work).path)
    assert [e.name for e in list_models()] == ["exemplar", "flat", "zebra", "colours"]
    with pytest.raises(ModelError, match="shipped"):
        remove("zebra")
