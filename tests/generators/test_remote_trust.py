"""Pixels go to servers that the user allowed, tokens only where nobody can read them, and cards say servers right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimgen_qt.cli import main
from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators import catalog, open_generator
from cimgen_qt.generators.card_file import card_text, load_card, parse_card
from cimgen_qt.generators.cards import CardRemote, ModelCard
from cimgen_qt.generators.remote_protocol import inference, understood
from cimgen_qt.generators.remote_trust import allow, allowed, forbid, origin, token
from tests.generators.nets import context_card
from tests.generators.remote_fake import Fake, served

FAR = "https://gpu.example.org"


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


def remote_card(tmp_path: Path, url: str = FAR, **changes: object) -> ModelCard:
    (tmp_path / "local").mkdir(exist_ok=True)
    local = context_card(tmp_path / "local")
    folder = tmp_path / "remote"
    folder.mkdir(exist_ok=True)
    card = replace(local, file="", sha256="", remote=CardRemote(url, "net"), **changes)
    (folder / "card.toml").write_text(card_text(card))
    return load_card(folder / "card.toml")


def test_a_card_alone_opens_no_way_out(tmp_path: Path) -> None:
    card = remote_card(tmp_path)
    with pytest.raises(ModelError, match=r"pixels round each change would be sent there") as caught:
        open_generator(str(card.path))
    assert caught.value.hint.endswith("cimgen models allow https://gpu.example.org:443")
    allow("https://GPU.example.org/some/path")
    open_generator(str(card.path)).close()
    forbid(FAR)
    with pytest.raises(ModelError):
        open_generator(str(card.path))


def test_another_port_or_scheme_is_another_server() -> None:
    assert allow(FAR) == f"{FAR}:443"
    assert allowed() == (f"{FAR}:443",)
    assert origin("http://gpu.example.org") == "http://gpu.example.org:80"
    assert origin("https://[::1]:8000/a") == "https://[::1]:8000"
    with pytest.raises(ModelError, match="was not allowed"):
        forbid("https://gpu.example.org:8443")


@pytest.mark.parametrize(
    "url",
    ["", "gpu.example.org", "ftp://a", "https://", "https://me:pw@host", "https://host?x=1", "https://host/#a",
     "https://host:99999", "https://ho st", "https://host\\@other", "https://höst", "https://host\r\nX: 1"],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(ModelError, match="no address"):
        allow(url)


def test_a_token_does_not_travel_in_the_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIMGEN_TOKEN_GPU_EXAMPLE_ORG", "s3cret")
    assert token("https://gpu.example.org:8443") == "s3cret"
    assert token("http://other.example.org") == ""
    with pytest.raises(ModelError, match="unencrypted") as caught:
        token("http://gpu.example.org")
    monkeypatch.setenv("CIMGEN_TOKEN_GPU_EXAMPLE_ORG", "s3c\nret")
    with pytest.raises(ModelError, match="no token has") as other:
        token(FAR)
    assert "s3c" not in caught.value.message + caught.value.hint + other.value.message + other.value.hint


def test_a_token_is_taken_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    class Held(KeyringBackend):
        priority = 1.0  # type: ignore[assignment]

        def get_password(self, service: str, username: str) -> str | None:
            return "from the ring".replace(" ", "-") if (service, username) == ("cimgen", f"{FAR}:443") else None

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

        def delete_password(self, service: str, username: str) -> None:
            raise NotImplementedError

    before = keyring.get_keyring()
    keyring.set_keyring(Held())
    try:
        assert token(FAR) == "from-the-ring"
        assert token("https://other.example.org") == ""
    finally:
        keyring.set_keyring(before)


def test_a_card_of_a_server_reads_back_the_same(tmp_path: Path) -> None:
    card = remote_card(tmp_path, "https://gpu.example.org:8443/models")
    again = parse_card(card_text(card), card.path)
    assert again == card and again.remote == CardRemote("https://gpu.example.org:8443/models", "net")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('url = "https://gpu.example.org"', 'url = "file:///etc/passwd"', r"remote\.url has to be http"),
        ('model = "net"', 'model = "../../other"', r"remote\.model has to be a name"),
        ('model = "net"', 'model = ".."', r"remote\.model has to be a name"),
        ("timeout = 300.0", "timeout = -1", r"remote\.timeout"),
        ("[remote]", '[remote]\ntoken = "secret"', r"remote\.token"),
        ('kind = "map-to-image"', 'kind = "map-to-image"\nfile = "net.onnx"', "have no place"),
    ],
)
def test_faults_of_such_a_card_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    card = remote_card(tmp_path)
    text = card_text(card)
    assert old in text
    with pytest.raises(ModelError, match=message):
        parse_card(text.replace(old, new), card.path)


def test_it_is_added_listed_verified_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served(Fake(context_card_file(tmp_path))) as fake:
        card = remote_card(tmp_path, fake.url)
        assert catalog.add(card.path).name == "context"
        assert main(["models"]) == 0
        assert f"context (yours): computed by {fake.url}" in capsys.readouterr().out
        assert main(["models", "verify", "context"]) == 0
        assert all(method == "GET" for method, _ in fake.asked) and len(fake.asked) == 4
    assert main(["models", "verify", "context"]) == 1
    assert "is down" in capsys.readouterr().out
    catalog.remove("context")
    assert all(entry.name != "context" for entry in catalog.list_models())


def context_card_file(tmp_path: Path) -> Path:
    (tmp_path / "local").mkdir(exist_ok=True)
    card = context_card(tmp_path / "local")
    return card.folder / card.file


def test_the_command_line_allows_and_forbids(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "allow", FAR]) == 0
    assert f"may be sent to {FAR}:443" in capsys.readouterr().out
    assert main(["models", "forbid", FAR]) == 0
    assert main(["models", "forbid", FAR]) == 2
    assert main(["models", "allow"]) == 2


ANSWER = {"outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}]}


def test_a_tensor_behind_others_is_found() -> None:
    other = {"name": "z", "datatype": "UINT8", "shape": [3], "parameters": {"binary_data_size": 3}}
    head = json.dumps({"outputs": [other, *ANSWER["outputs"]]}).encode()
    body = head + b"abc" + np.array([1.5, -2], "<f4").tobytes()
    assert understood(body, str(len(head)), "y", (1, 2)).tolist() == [[1.5, -2.0]]


def test_a_request_is_laid_out_as_the_extension_says() -> None:
    made = inference({"x": np.array([[1, 2]], np.float16)}, "y", True)
    assert made.head is not None
    head = json.loads(made.body[: made.head])
    (one,) = head["inputs"]
    assert one == {"name": "x", "shape": [1, 2], "datatype": "FP16", "parameters": {"binary_data_size": 4}}
    assert np.frombuffer(made.body[made.head :], "<f2").tolist() == [1, 2]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5) | st.floats(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["outputs", "name", "shape", "datatype", "data", "parameters"]), inner
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    ),
    st.one_of(st.none(), st.text(max_size=8), st.integers(-5, 300).map(str)),
)
def test_no_answer_brings_it_down(body: bytes, head: str | None) -> None:
    with pytest.raises(ModelError):
        understood(body, head, "y", (1, 2))
