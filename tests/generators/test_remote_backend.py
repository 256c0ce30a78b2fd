"""A model on a server paints what the same model paints here, and everything that can go wrong is said in words."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cimgen_qt.core.blend import BlendMode, BlendSettings
from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.jobs import Cancelled, run_inline
from cimgen_qt.core.render import Rendered, render
from cimgen_qt.core.scope import changed_scope
from cimgen_qt.core.snapshot import Snapshot
from cimgen_qt.generators import open_generator, remote_server
from cimgen_qt.generators.card_file import card_text
from cimgen_qt.generators.cards import CardRemote, ModelCard
from tests.generators.nets import context_card
from tests.generators.remote_fake import Fake, broken_off, served, status
from tests.rasters import MemoryReader, noise, project_over

SIDE = 200


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(remote_server, "DELAYS", (0.0, 0.01, 0.01, 0.01))


@pytest.fixture
def local(tmp_path: Path) -> ModelCard:
    folder = tmp_path / "local"
    folder.mkdir()
    return context_card(folder)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Snapshot]:
    classes = np.kron(np.random.default_rng(4).integers(1, 4, (10, 10)), np.ones((20, 20))).astype(np.uint8)
    project = project_over(tmp_path / "p.cimgen", MemoryReader(noise(SIDE, SIDE)), classes)
    project.paint(Edit(Rectangle(30, 40, 80, 90), 3))
    yield project.snapshot()
    project.project.close()


def remote_card(local: ModelCard, url: str, version: str = "", timeout: float = 20.0) -> str:
    """The card of a model like `local` that `url` computes; gives its path."""
    folder = local.folder.parent / "remote"
    folder.mkdir(exist_ok=True)
    card = replace(local, file="", sha256="", remote=CardRemote(url, "net", version, timeout))
    (folder / "card.toml").write_text(card_text(card))
    return str(folder / "card.toml")


def rendered(scene: Snapshot, model: str) -> Rendered:
    generator = open_generator(model, scene.palette, "cpu")
    try:
        return run_inline(render(scene, changed_scope(scene), generator, 1, BlendSettings(BlendMode.REPLACE)))
    finally:
        generator.close()


def fake_of(local: ModelCard, **options: object) -> Fake:
    return Fake(local.folder / local.file, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("version", ["", "1"])
def test_same_pixels_as_the_model_here(local: ModelCard, scene: Snapshot, binary: bool, version: str) -> None:
    with served(fake_of(local, binary=binary)) as fake:
        there = rendered(scene, remote_card(local, fake.url, version))
    here = rendered(scene, str(local.path))
    assert len(there.patches) == len(here.patches) > 0
    for one, other in zip(there.patches, here.patches, strict=True):
        assert np.array_equal(one.pixels, other.pixels) and np.array_equal(one.mask, other.mask)
    assert fake.url in there.model["device"] and "fake 2.0" in there.model["device"]
    assert any(fake.url in note and "sent" in note for note in there.warnings)


def test_no_pixel_is_sent_before_the_server_was_asked_for_itself(local: ModelCard, scene: Snapshot) -> None:
    """What it gets to see while it is tried is made up."""
    with served(fake_of(local)) as fake:
        generator = open_generator(remote_card(local, fake.url), scene.palette)
        texts: list[str] = []
        run_inline(generator.prepare(scene), lambda progress: texts.append(progress.text) or True)
        posts = [n for n, (method, _) in enumerate(fake.asked) if method == "POST"]
        assert [path for _, path in fake.asked[: posts[0]]] == [
            "/v2/health/ready", "/v2", "/v2/models/net/ready", "/v2/models/net",
        ]  # fmt: skip
        assert fake.url in texts[0] and "sent" in texts[0]
        photo = scene.read_photo(scene.grid.window)
        colours = {tuple(pixel) for pixel in photo.reshape(-1, 3)}
        for feeds in fake.fed:
            seen = np.round((feeds["x"][0, 3:6].reshape(3, -1).T + 1) * 127.5).astype(np.uint8)
            assert len(colours & {tuple(pixel) for pixel in seen}) < len(seen) / 50
        assert generator.spec.exact
        generator.close()


def test_a_halo_that_is_too_small_is_found_out(local: ModelCard, scene: Snapshot) -> None:
    with served(fake_of(local)) as fake:
        path = Path(remote_card(replace(local, halo=2), fake.url))
        generator = open_generator(str(path), scene.palette)
        warnings = run_inline(generator.prepare(scene))
        assert not generator.spec.exact
        assert any("differ where they meet" in warning for warning in warnings)
        generator.close()


def test_a_server_that_is_busy_or_breaks_off_is_asked_again(local: ModelCard, scene: Snapshot) -> None:
    with served(fake_of(local)) as fake:
        card = remote_card(local, fake.url)
        fake.faults = [status(503), None, broken_off, None, None, None, status(429), broken_off, status(502)]
        there = rendered(scene, card)
        assert fake.faults == []
    here = rendered(scene, str(local.path))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(there.patches, here.patches, strict=True))


def test_a_server_that_is_down_is_named(local: ModelCard, scene: Snapshot) -> None:
    with served(fake_of(local)) as fake:
        card = remote_card(local, fake.url)
    with pytest.raises(ModelError, match=f"{fake.url} is down") as caught:
        rendered(scene, card)
    assert "Start the server" in caught.value.hint


def test_a_server_that_never_answers_is_left(local: ModelCard, scene: Snapshot) -> None:
    with served(fake_of(local)) as fake:
        fake.faults = [lambda _: time.sleep(3)]
        with pytest.raises(ModelError, match=r"no answer within 0.3 s"):
            rendered(scene, remote_card(local, fake.url, timeout=0.3))
        assert len(fake.asked) == 1


def test_cancelling_ends_a_request_that_hangs(local: ModelCard, scene: Snapshot) -> None:
    released = threading.Event()
    with served(fake_of(local)) as fake:
        generator = open_generator(remote_card(local, fake.url, timeout=60), scene.palette)
        fake.faults = [None, None, None, None, lambda _: released.wait(30)]
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            run_inline(generator.prepare(scene), lambda progress: "waiting" not in progress.text)
        generator.close()
        assert time.monotonic() - begun < 10
        released.set()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (status(404, b'{"error": "unknown model"}'), r"no such model \(404: unknown model\)"),
        (status(301, b"", {"Location": "https://elsewhere.example/"}), "moved to https://elsewhere.example/"),
        (status(413), "no tiles so large"),
        (status(500, b'{"error": "out of\\u001b[31m memory"}'), r"refused \(500: out of \[31m memory\)"),
        (status(400, b"<html>"), r"refused \(400\)"),
        (status(200, b"<html>hello</html>"), "no JSON"),
        (status(200, b"[]"), "no JSON object"),
        (status(200, b"{}"), "what the model takes"),
        (status(200, b"x" * (1 << 21)), "more than"),
    ],
)
def test_answers_that_are_no_use_are_refused(local: ModelCard, scene: Snapshot, fault: object, message: str) -> None:
    with served(fake_of(local)) as fake:
        fake.faults = [None, None, None, fault]  # type: ignore[list-item]
        with pytest.raises(ModelError, match=message):
            rendered(scene, remote_card(local, fake.url))


def _shape(said: dict, tail: bytes) -> tuple[dict, bytes]:
    rows = said["outputs"][0]["shape"]
    return {**said, "outputs": [{**said["outputs"][0], "shape": [rows[0], rows[1], rows[3] * rows[2], 1]}]}, tail


def _nan(said: dict, tail: bytes) -> tuple[dict, bytes]:
    return said, np.full(len(tail) // 4, np.nan, "<f4").tobytes()


def _typed(said: dict, tail: bytes) -> tuple[dict, bytes]:
    return {**said, "outputs": [{**said["outputs"][0], "datatype": "BYTES"}]}, tail


def _negative(said: dict, tail: bytes) -> tuple[dict, bytes]:
    return {**said, "outputs": [{**said["outputs"][0], "parameters": {"binary_data_size": -4}}]}, tail


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda said, tail: (said, tail[:-4]), "bytes were announced"),
        (lambda said, tail: (said, tail * 40), "more than"),
        (lambda said, tail: ({**said, "outputs": []}, tail), "no output y"),
        (lambda said, tail: ({**said, "outputs": said["outputs"] * 2}, tail), "no output y"),
        (lambda said, tail: ({**said, "outputs": None}, tail), "no outputs"),
        (_shape, "has the shape"),
        (_nan, "no numbers"),
        (_typed, "no picture's"),
        (_negative, "no whole number"),
    ],
)  # fmt: skip
def test_spoilt_tensors_are_refused(local: ModelCard, scene: Snapshot, spoil: object, message: str) -> None:
    with served(fake_of(local, spoil=spoil)) as fake, pytest.raises(ModelError, match=message):
        rendered(scene, remote_card(local, fake.url))


def test_a_model_other_than_the_cards_is_refused_before_any_pixel(local: ModelCard, scene: Snapshot) -> None:
    with served(fake_of(local)) as fake:
        other = replace(local, inputs=local.inputs[:2])
        with pytest.raises(ModelError, match="has 7 channels, the card says 6"):
            rendered(scene, remote_card(other, fake.url))
        assert fake.fed == []


def test_the_token_comes_from_the_environment_and_goes_nowhere_else(
    local: ModelCard, scene: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(fake_of(local, token="s3cret")) as fake:
        card = remote_card(local, fake.url)
        with pytest.raises(ModelError, match="wants another token") as caught:
            rendered(scene, card)
        assert "CIMGEN_TOKEN_127_0_0_1" in caught.value.hint
        monkeypatch.setenv("CIMGEN_TOKEN_127_0_0_1", "s3cret")
        made = rendered(scene, card)
    assert made.patches
    assert "s3cret" not in json.dumps(made.model) + " ".join(made.warnings)


def test_tls_is_verified(local: ModelCard, scene: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with served(fake_of(local), context) as fake:
        card = remote_card(local, fake.url)
        with pytest.raises(ModelError, match="not to be trusted") as caught:
            rendered(scene, card)
        assert "SSL_CERT_FILE" in caught.value.hint and fake.asked == []
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert rendered(scene, card).patches


def test_plain_http_where_tls_is_expected_is_said(local: ModelCard, scene: Snapshot) -> None:
    with served(fake_of(local)) as fake, pytest.raises(ModelError, match="speaks no TLS"):
        rendered(scene, remote_card(local, fake.url.replace("http:", "https:")))
