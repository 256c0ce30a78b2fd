"""A model card is read whole or refused with every fault named, and what is written is read back alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.card_file import card_text, load_card, parse_card
from cimgen_qt.generators.cards import CardClass, CardInput, CardOutput, DataFile
from tests.generators.nets import colour_card

GOOD = """
format = 1
name = "streets"
version = "2.1"
kind = "map-to-image"
file = "net.onnx"
sha256 = "{hash}"
licence = "CC-BY-4.0"
source = "https://example.org/streets"
credits = "Surveyors of Example"
trained = true
layout = "nchw"
metres_per_pixel = 0.3
metres_range = [0.2, 0.5]
tile = 256
stride = 4
halo = 84
largest = 1024
padding = "reflect"
batch = 2
dtype = "uint8"
unknown = "other"

[[data]]
file = "net.onnx.data"
sha256 = "{hash}"

[[classes]]
index = 0
name = "other"

[[classes]]
index = 1
name = "building"
aliases = ["house", "roof"]

[[inputs]]
group = "labels-onehot"
graph = "x"
channels = 2

[[inputs]]
group = "masked-photo"
graph = "x"
channels = 3
bands = ["red", "green", "blue"]
range = [-1, 1]
mean = [0.1, 0.2, 0.3]
std = [0.5]
scale = 2.0
fill = -1.5

[output]
graph = "y"
bands = ["red", "green", "blue"]
range = [-1.0, 1.0]

[extra]
"training set" = "tile 3, 5, 7, 8"
""".replace("{hash}", "0a" * 32)
PLACE = Path("models") / "streets" / "card.toml"


def refused(text: str) -> str:
    with pytest.raises(ModelError) as caught:
        parse_card(text, PLACE)
    assert caught.value.hint
    return caught.value.message


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_a_card_says_everything_that_stands_in_it() -> None:
    card = parse_card(GOOD, PLACE)
    assert (card.name, card.version, card.kind, card.file) == ("streets", "2.1", "map-to-image", "net.onnx")
    assert card.data == (DataFile("net.onnx.data", "0a" * 32),)
    assert card.classes[1] == CardClass(1, "building", ("house", "roof"))
    rgb = ("red", "green", "blue")
    photo = CardInput("masked-photo", "x", 3, "float32", (-1.0, 1.0), (0.1, 0.2, 0.3), (0.5,), 2.0, rgb, -1.5)
    assert card.inputs == (CardInput("labels-onehot", "x", 2), photo)
    assert card.output == CardOutput("y", rgb, (-1.0, 1.0))
    assert (card.metres_per_pixel, card.metres_range) == (0.3, (0.2, 0.5))
    assert (card.tile, card.stride, card.halo, card.largest, card.batch) == (256, 4, 84, 1024, 2)
    assert (card.unknown, card.extra, card.unfit) == ("other", (("training set", "tile 3, 5, 7, 8"),), "")


def test_what_is_written_is_read_back_alike() -> None:
    card = parse_card(GOOD, PLACE)
    assert parse_card(card_text(card), PLACE) == card


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(lambda t: bool(t.strip()))
NUMBERS = st.floats(-1e20, 1e20, allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS, NUMBERS.filter(lambda v: v != 0), st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_any_text_and_number_survives_writing(name: str, notes: str, scale: float, extra: dict[str, str]) -> None:
    card = replace(
        parse_card(GOOD, PLACE),
        name=name,
        notes=notes,
        inputs=(CardInput("labels-onehot", "x", 2, scale=scale),),
        extra=tuple(sorted(extra.items())),
    )
    assert parse_card(card_text(card), PLACE) == card


def test_a_card_file_is_read_from_disk(tmp_path: Path) -> None:
    card = colour_card(tmp_path)
    assert load_card(tmp_path / "card.toml") == card
    assert card.folder == tmp_path


FAULTS = [
    ('name = "streets"', 'name = "  "', "name has to be a text"),
    ('kind = "map-to-image"', 'kind = "magic"', "kind has to be one of map-to-image, image-to-map"),
    ("0a0a", "zz0a", "sha256 has to be 64 hexadecimal digits"),
    ("trained = true", "trained = 1", "trained has to be true or false"),
    ("trained = true\n", "", "trained is missing"),
    ('licence = "CC-BY-4.0"\n', "", "licence is missing"),
    ('layout = "nchw"', 'layout = "chw"', "layout has to be one of nchw, nhwc"),
    ("tile = 256", "tile = 2.5", "tile has to be a whole number"),
    ("tile = 256", "tile = true", "tile has to be a whole number"),
    ("tile = 256", "tile = 254", "tile (254) is no multiple of stride (4)"),
    ("halo = 84", "halo = 500", "tile and halo make 1256 pixels, more than largest (1024)"),
    ("halo = 84", "hallo = 84", "hallo is not known; is halo meant?"),
    ("[0.2, 0.5]", "[0.5, 0.2]", "metres_range has to be two rising numbers"),
    ("[0.2, 0.5]", "[0.4, 0.5]", "metres_per_pixel lies outside metres_range"),
    ("metres_per_pixel = 0.3", "metres_per_pixel = nan", "metres_per_pixel has to be a number of metres above 0"),
    ("metres_per_pixel = 0.3", f"metres_per_pixel = 1{'0' * 400}", "metres_per_pixel has to be"),
    ('padding = "reflect"', 'padding = "zero"', "padding has to be one of reflect, edge"),
    ('dtype = "uint8"', 'dtype = "int32"', "dtype has to be one of uint8, uint16"),
    ('unknown = "other"', 'unknown = "nowhere"', "unknown names the class 'nowhere', which is not among the classes"),
    ('name = "building"', 'name = "OTHER"', "classes: the name other stands twice"),
    ('"roof"]', '"Building"]', "classes: the name building stands twice"),
    ("index = 1", "index = 0", "classes: the index 0 stands twice"),
    ("index = 1", "index = 2", "inputs[0].channels is 2, but there is a class of index 2"),
    ("index = 1", "", "classes[1].index is missing"),
    ('group = "labels-onehot"', 'group = "labels"', "inputs[0].group has to be one of labels-onehot"),
    ('group = "labels-onehot"', 'group = "noise"', "inputs hold no labels: painted classes would change nothing"),
    ('group = "labels-onehot"', 'group = "edges"', "inputs[0].channels has to be 1 for edges"),
    ('bands = ["red", "green", "blue"]\nrange = [-1, 1]', "range = [-1, 1]", "inputs[1].bands names 0 bands for 3"),
    ("channels = 2", 'channels = 2\nbands = ["red"]', "inputs[0].bands means nothing for labels-onehot"),
    ("channels = 3", 'channels = 3\ndtype = "int64"', "inputs[1].dtype int64 cannot hold masked-photo"),
    ("std = [0.5]", "std = [0.0]", "inputs[1].std has to be a list of numbers above 0"),
    ("std = [0.5]", "std = [0.5, 0.5]", "inputs[1].std has 2 numbers for 3 channels"),
    ("scale = 2.0", "scale = 0", "inputs[1].scale has to be a number other than 0"),
    ("range = [-1.0, 1.0]", "", "output.range is missing"),
    ('[output]\ngraph = "y"', "[output]", "output.graph is missing"),
    ("[[data]]", "[data]", "data has to be a list of tables"),
    ('= "tile 3, 5, 7, 8"', "= 5", "extra has to be a table of texts"),
    ('source = "https://example.org/streets"', "source = 4", "source has to be a text"),
    ('dtype = "uint8"', 'dtype = "uint8"\nlevels = [0, 256]', "levels do not fit the dtype uint8"),
]


@pytest.mark.parametrize(("old", "new", "message"), FAULTS, ids=[f[2][:40] for f in FAULTS])
def test_a_fault_is_named_by_its_place(old: str, new: str, message: str) -> None:
    assert message in refused(changed(old, new))


def test_index_labels_need_a_class_for_unlabelled_ground() -> None:
    text = changed('unknown = "other"\n', "").replace('group = "labels-onehot"\ngraph = "x"\nchannels = 2', "{}")
    text = text.format('group = "labels-index"\ngraph = "x"\nchannels = 1')
    assert "`unknown` has to name the class of unlabelled ground" in refused(text)


def test_all_faults_are_named_at_once() -> None:
    text = changed("tile = 256", "tile = -1").replace("stride = 4", 'stride = "4"').replace("batch = 2", "bach = 2")
    message = refused(text)
    assert all(word in message for word in ("tile has", "stride has", "bach is not known; is batch meant?"))


def test_a_flood_of_faults_is_cut_short() -> None:
    message = refused(GOOD + "".join(f"[k{i}]\n" for i in range(10)))
    assert "and 2 more" in message
    assert len(message) < 1000


def test_a_newer_format_asks_for_a_newer_program() -> None:
    assert "format 2" in refused(changed("format = 1", "format = 2"))


def test_what_is_no_toml_is_refused_with_its_line() -> None:
    assert "line 3" in refused('\nname = "a"\nversion = = 1\n')


def test_a_model_that_reads_photos_needs_less_but_is_no_generator() -> None:
    text = 'format = 1\nname = "cover"\nversion = "1"\nkind = "image-to-map"\nfile = "a.onnx"\ntrained = true\n'
    text += f'sha256 = "{"00" * 32}"'
    card = parse_card(text, PLACE)
    assert card.unfit == "it is of the kind image-to-map: it reads classes from a photo"
    assert parse_card(card_text(card), PLACE) == card
