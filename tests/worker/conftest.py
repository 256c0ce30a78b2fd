"""A worker that has to leave nothing behind."""

import threading
from collections.abc import Iterator

import pytest

from cimgen_qt.runner import WorkerRunner
from tests.worker.watched import left_in_memory, runner_of


@pytest.fixture
def worker() -> Iterator[WorkerRunner]:
    before, threads = left_in_memory(), threading.active_count()
    with runner_of() as runner:
        yield runner
    assert left_in_memory() <= before
    assert threading.active_count() <= threads  # others of before may have ended
