"""What an ONNX file would have a runtime read besides itself, found in its bytes alone.

A bundle's checksum covers the file and nothing that the file points to. The service has no ONNX
library, and neither has a worker: this walks the messages of onnx.proto3 that can hold a tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

# The kinds of message, and the fields of each that hold another.
MODEL, TRAINING, FUNCTION, GRAPH, NODE, ATTRIBUTE, SPARSE, TENSOR, ENTRY = range(9)
WITHIN = MappingProxyType(
    {
        MODEL: {7: GRAPH, 20: TRAINING, 25: FUNCTION},
        TRAINING: {1: GRAPH, 2: GRAPH},
        FUNCTION: {7: NODE, 11: ATTRIBUTE},
        GRAPH: {1: NODE, 5: TENSOR, 15: SPARSE},
        NODE: {5: ATTRIBUTE},
        ATTRIBUTE: {5: TENSOR, 6: GRAPH, 10: TENSOR, 11: GRAPH, 22: SPARSE, 23: SPARSE},
        SPARSE: {1: TENSOR, 2: TENSOR},
        TENSOR: {13: ENTRY},
        ENTRY: {},
    }
)
DATA_LOCATION, EXTERNAL = 14, 1  # of a tensor
OPERATOR = 4  # of a node
COMPILED = b"EPContext"  # an operator whose attribute may name a file of machine code
KEY, VALUE = 1, 2  # of an entry
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
FIXED = MappingProxyType({EIGHT_BYTES: 8, FOUR_BYTES: 4})
DEEPEST = 100  # as protobuf itself has it


def find_outside_data(content: bytes) -> list[str]:
    """Where it points to; empty for a file that is whole by itself.

    Raises `ValueError` for bytes that are no ONNX model.
    """
    return list(_walk(memoryview(content), MODEL, 0))


def _walk(message: memoryview, kind: int, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    is_external, location = False, ""
    for field, value in _read_fields(message):
        if kind == TENSOR and field == DATA_LOCATION:
            is_external |= value == EXTERNAL
        if not isinstance(value, memoryview):
            continue
        if kind == NODE and field == OPERATOR and value == COMPILED:
            yield "an operator of machine code"
        below = WITHIN[kind].get(field)
        if below == ENTRY:
            entry = {number: bytes(one) for number, one in _read_texts(value)}
            is_external = True
            if entry.get(KEY) == b"location":
                location = entry.get(VALUE, b"").decode(errors="replace")
        elif below is not None:
            yield from _walk(value, below, depth + 1)
    if is_external:
        yield repr(location)


def _read_texts(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    for field, value in _read_fields(message):
        if isinstance(value, memoryview):
            yield field, value


def _read_fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Numbers and values; the four and eight bytes of a fixed number are passed over."""
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        field, wire = tag >> 3, tag & 7
        if not 0 < field < 1 << 29:
            raise ValueError("a field has no number that protobuf allows")
        if wire == VARINT:
            value, position = _read_varint(message, position)
            yield field, value
            continue
        if wire == BYTES:
            length, position = _read_varint(message, position)
        elif wire in FIXED:
            length = FIXED[wire]
        else:
            raise ValueError("a field is of no kind that ONNX uses")
        if position + length > len(message):
            raise ValueError("it ends in the middle of a field")
        if wire == BYTES:
            yield field, message[position : position + length]
        position += length


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("it ends in the middle of a number")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number is longer than protobuf allows")
