"""What the worker and its program say to each other arrives as it was sent, and nonsense is told from it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cimgen_qt.blocks import KEEP_BYTES, SLOTS, Inbox, Outbox, folders, new_prefix, sweep, sweep_stale
from cimgen_qt.core.errors import CimgenError, ExportError, WorkerError
from cimgen_qt.core.grid import Window
from cimgen_qt.wire import Language, error_message, error_of, line, message

ROOT = Path(__file__).resolve().parents[2]
LEAVING = """
import os, numpy
from cimgen_qt.blocks import Outbox, new_prefix
prefix = new_prefix()
Outbox(prefix).put([numpy.zeros(3)])
print(prefix, flush=True)
os._exit(0)
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps shared memory without names on disk")


def blocks_of(prefix: str) -> list[Path]:
    return [path for folder in folders() for path in folder.glob(prefix + "*")]


@pytest.fixture
def prefix() -> Iterator[str]:
    name = new_prefix()
    yield name
    assert blocks_of(name) == []


def said_by(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip()


def through_json(language: Language, value: Any) -> Any:
    tree, arrays = language.encode(value)
    return language.decode(message(line({"v": tree}))["v"], arrays)


@pytest.mark.parametrize(
    "value",
    [
        None,
        -3,
        1e300,
        "ä\n",
        [1, [2, ()]],
        (1, (2,)),
        {"a": {"@": 1}, 3: (4,)},
        frozenset({1, 2}),
        {1, 2},
        b"",
        b"\x00\xff",
        Path("a") / "b",
        Window(1, 2, 3, 4),
        {"w": [Window(0, 0, 1, 1)]},
    ],
)
def test_a_value_comes_back_equal_and_of_its_type(value: Any) -> None:
    back = through_json(Language([Window]), value)
    assert back == value and type(back) is type(value)


def test_what_cannot_travel_is_named() -> None:
    with pytest.raises(WorkerError, match="A Window cannot be sent"):
        Language([]).encode(Window(0, 0, 1, 1))
    with pytest.raises(WorkerError, match="object"):
        Language([]).encode([object()])


@pytest.mark.parametrize(
    "tree", [{}, {"@": "Window"}, {"@": "Window", "v": {"row": 1}}, {"@": "os.system", "v": {}}, {"@": "array", "v": 3}]
)
def test_a_tree_that_makes_no_sense_is_refused(tree: Any) -> None:
    with pytest.raises(WorkerError, match="nonsense"):
        Language([Window]).decode(tree, [])


@pytest.mark.parametrize("raw", [b"", b"hello\n", b"[1]\n", b"\xff\n", b'{"a":\n'])
def test_a_line_that_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(WorkerError, match="nonsense"):
        message(raw)


def test_errors_keep_class_message_and_hint() -> None:
    class SpecialError(ExportError):
        pass

    for error, kind in [
        (ExportError("a", "b"), ExportError),
        (SpecialError("a", "b"), ExportError),
        (CimgenError("a"), CimgenError),
    ]:
        back = error_of(json.loads(line(error_message(error))))
        assert type(back) is kind and (back.message, back.hint) == (error.message, error.hint)


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i2", "<f4", ">f8", "<c8", "?"])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (3, 4, 2), (1025, 1023)])
def test_arrays_of_every_kind_and_shape_pass_through_shared_memory(
    prefix: str, dtype: str, shape: tuple[int, ...]
) -> None:
    array = np.random.default_rng(1).integers(0, 2**16, shape).astype(dtype)
    outbox, inbox = Outbox(prefix), Inbox(prefix)
    sent = outbox.put([array, array.T])
    assert sent is not None
    first, second = inbox.take(json.loads(json.dumps(sent)))
    outbox.close()
    inbox.close()
    assert first.dtype == array.dtype and first.shape == shape and first.tobytes() == array.tobytes()
    assert second.flags.owndata and second.flags.writeable and np.array_equal(second, array.T)


def test_objects_do_not_pass(prefix: str) -> None:
    with pytest.raises(WorkerError, match="cannot be sent"):
        Outbox(prefix).put([np.array([None])])


def test_a_block_is_used_again_and_a_large_one_is_given_back(prefix: str) -> None:
    outbox, inbox = Outbox(prefix), Inbox(prefix)
    names = set()
    for value in range(10):
        sent = outbox.put([np.full(1000, value)])
        assert sent is not None and inbox.take(sent)[0][0] == value
        outbox.release(sent["slot"])
        names.add(sent["name"])
    assert len(names) == 1
    large = outbox.put([np.zeros(KEEP_BYTES + 1, np.uint8)])
    assert large is not None and inbox.take(large)[0].size > KEEP_BYTES
    outbox.release(large["slot"])
    assert blocks_of(prefix) == []
    outbox.close()
    inbox.close()


def test_the_sender_waits_when_all_blocks_are_in_use_and_can_be_told_to_give_up(prefix: str) -> None:
    outbox, stop = Outbox(prefix), threading.Event()
    sent = [outbox.put([np.zeros(3)]) for _ in range(SLOTS)]
    assert all(sent)
    threading.Timer(0.05, outbox.release, [2]).start()
    again = outbox.put([np.zeros(3)])
    assert again is not None and again["slot"] == 2

    def halt() -> None:
        stop.set()
        outbox.wake()

    threading.Timer(0.05, halt).start()
    assert outbox.put([np.zeros(3)], stop.is_set) is None
    outbox.close()


@posix
def test_messages_that_lie_about_a_block_are_refused(prefix: str, tmp_path: Path) -> None:
    outbox, inbox = Outbox(prefix), Inbox(prefix)
    sent = outbox.put([np.zeros(10)])
    assert sent is not None
    (tmp_path / "secret").write_bytes(b"x" * 4096)
    shape = sent["arrays"][0]
    lies = [
        {"name": "../" * 9 + str(tmp_path / "secret")},
        {"name": prefix + "-99"},
        {"name": None},
        {"folder": 99},
        {"folder": "x"},
        {"size": 2**40},
        {"size": -1},
        {"arrays": [["O", [1], 0]]},
        {"arrays": [["<f8", [2**40], 0]]},
        {"arrays": [["<f8", [-1], 0]]},
        {"arrays": [["<f8", [10], -8]]},
        {"arrays": [["<f8", [10], 2**30]]},
        {"arrays": [["nonsense", [10], 0]]},
        {"arrays": [shape[:2]]},
        {"arrays": 3},
        {"slot": "x"},
    ]
    for lie in lies:
        with pytest.raises(WorkerError):
            Inbox(prefix).take(sent | lie)
    with pytest.raises(WorkerError):
        inbox.take({})
    assert len(inbox.take(sent)[0]) == 10
    inbox.close()
    outbox.close()


@posix
def test_blocks_of_an_ended_worker_and_of_dead_programs_are_swept(prefix: str) -> None:
    outbox = Outbox(prefix)
    outbox.put([np.zeros(3)])
    sweep_stale()
    assert len(blocks_of(prefix)) == 1
    sweep(prefix)
    assert blocks_of(prefix) == []
    left = said_by(LEAVING)
    assert len(blocks_of(left)) == 1
    sweep_stale()
    assert blocks_of(left) == []


LIMITED = """
import resource, numpy
from cimgen_qt.blocks import Outbox, new_prefix
from cimgen_qt.core.errors import WorkerError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    Outbox(new_prefix()).put([numpy.zeros(10000)])
except WorkerError as error:
    print(error.message)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resource limits")
def test_no_room_for_pixels_is_an_error_and_no_crash() -> None:
    assert said_by(LIMITED).startswith("No room for 1 MB of pixels")
