"""Walk protobuf messages without a library and within limits, so that even a hostile model file can be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cimgen_qt.core.errors import ModelError

LARGEST_FIELDS = 5_000_000
"""Fields looked at in one file; the largest published networks have some hundred thousand."""
DEEPEST = 48
"""Messages in messages; a graph in a graph in an attribute costs three."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(slots=True)
class Budget:
    """Counts fields down over all messages of one file."""

    fields: int = LARGEST_FIELDS

    def spend(self) -> None:
        self.fields -= 1
        if self.fields < 0:
            raise damaged("it has too many fields")


def damaged(why: str) -> ModelError:
    """The error for a file that is not what its name says."""
    return ModelError(f"the model file is damaged or no ONNX file: {why}", hint="Get the file anew and check its hash.")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise damaged("a number ends in nowhere")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data: memoryview, budget: Budget) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) of one message: a number, or the bytes of a text, a message or packed numbers.

    Fixed-width numbers are given as their bytes. Raises ModelError where the bytes are no message.
    """
    at = 0
    while at < len(data):
        budget.spend()
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise damaged("a field has no number")
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise damaged(f"a field is of kind {wire}")
        if length > len(data) - at:
            raise damaged("a field is longer than the file")
        yield number, data[at : at + length]
        at += length


def text(value: int | memoryview) -> str:
    """A text field. Raises ModelError where it is a number or no UTF-8."""
    try:
        return str(part(value), "utf-8", "strict")
    except UnicodeDecodeError as error:
        raise damaged("a text is not UTF-8") from error


def part(value: int | memoryview) -> memoryview:
    """A field that has to hold bytes. Raises ModelError where it is a number."""
    if isinstance(value, int):
        raise damaged("a number stands where a text or a message belongs")
    return value


def number(value: int | memoryview) -> int:
    """A field that has to hold a number. Raises ModelError where it holds bytes."""
    if isinstance(value, memoryview):
        raise damaged("bytes stand where a number belongs")
    return value
