"""The stream of chunks: what was written is read from any place, and anything else refused."""

from __future__ import annotations

import os
import random
import tempfile
import tracemalloc
from collections.abc import Callable
from io import BufferedReader, FileIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contouring.errors import SealedFileError
from workers.encryption.chunks import CHUNK_BYTES, SEALED_BYTES, ChunkReader, ChunkWriter

KEY = bytes(range(32))
START = 20
EDGES = st.sampled_from([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
SIZES = EDGES | st.integers(0, 3 * CHUNK_BYTES + 5)
WHOLE = random.Random(20).randbytes(3 * CHUNK_BYTES + 5)  # four chunks


def write(path: Path, content: bytes, *cuts: int, key: bytes = KEY) -> bytes:
    """A file of the content, given in pieces; its bytes."""
    path.unlink(missing_ok=True)
    with ChunkWriter(FileIO(path, "xb"), key, START) as writer:
        places = sorted(min(cut, len(content)) for cut in cuts)
        for start, end in zip([0, *places], [*places, len(content)], strict=True):
            writer.write(memoryview(content)[start:end])
        assert writer.tell() == len(content)
    return path.read_bytes()


def read(path: Path, key: bytes = KEY) -> bytes:
    """The content of a file."""
    with BufferedReader(ChunkReader(FileIO(path), key, START, path.name)) as reader:
        return reader.read()


@settings(max_examples=60, deadline=None)
@given(SIZES, st.lists(SIZES, max_size=4))
def test_what_is_written_in_any_pieces_is_read(size: int, cuts: list[int]) -> None:
    """Senders cut where they like, also at the edge of a chunk."""
    content = WHOLE[:size]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")

        sealed = write(path, content, *cuts)

        assert read(path) == content
        assert len(sealed) == START + size + 16 * max(1, -(-size // CHUNK_BYTES))
        assert size < 16 or content[:16] not in sealed


@settings(max_examples=60, deadline=None)
@given(SIZES, st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=8))
def test_any_part_is_read_from_any_place(size: int, parts: list[tuple[int, int]]) -> None:
    """Headers are read without pixels, and zips from their ends."""
    content = WHOLE[:size]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        write(path, content)

        with BufferedReader(ChunkReader(FileIO(path), KEY, START, "file"), 100) as reader:
            assert reader.seek(0, os.SEEK_END) == size
            for place, length in parts:
                assert reader.seek(place) == place
                assert reader.read(length) == content[place : place + length]


@settings(max_examples=80, deadline=None)
@given(SIZES, st.data())
def test_no_byte_of_it_can_be_changed(size: int, data: st.DataObject) -> None:
    """Wherever a bit flips, nothing of it is given out as whole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        sealed = bytearray(write(path, WHOLE[:size]))
        place = data.draw(st.integers(START, len(sealed) - 1))
        sealed[place] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(sealed)

        with pytest.raises(SealedFileError, match="file"):
            read(path)


@settings(max_examples=80, deadline=None)
@given(SIZES, st.data())
def test_it_cannot_be_cut_off_or_added_to(size: int, data: st.DataObject) -> None:
    """Also not between two chunks, each of which is sound."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        sealed = write(path, WHOLE[:size])
        edges = range(START, len(sealed), SEALED_BYTES)
        length = data.draw(st.sampled_from(edges) | st.integers(START, len(sealed) - 1))
        more = data.draw(st.sampled_from([1, 15, 16, 17, SEALED_BYTES]))

        for changed in (sealed[:length], sealed + bytes(more), sealed + sealed[START:]):
            path.write_bytes(changed)
            with pytest.raises(SealedFileError):
                read(path)


def exchange(chunks: list[bytes]) -> list[bytes]:
    """Two in each other's place."""
    return [chunks[1], chunks[0], *chunks[2:]]


@pytest.mark.parametrize(
    "change",
    [
        exchange,
        lambda chunks: [chunks[0], *chunks],
        lambda chunks: [chunks[0], *chunks[2:]],
        lambda chunks: chunks[:-1],
        lambda chunks: [*chunks[:-1], chunks[0], chunks[-1]],
    ],
    ids=["exchanged", "doubled", "left out", "without the last", "longer"],
)
def test_sound_chunks_in_another_order_are_refused(
    change: Callable[[list[bytes]], list[bytes]], tmp_path: Path
) -> None:
    """Each of them would open by itself: their numbers do not fit."""
    path = tmp_path / "file"
    sealed = write(path, WHOLE)
    chunks = [sealed[at : at + SEALED_BYTES] for at in range(START, len(sealed), SEALED_BYTES)]

    path.write_bytes(sealed[:START] + b"".join(change(chunks)))

    with pytest.raises(SealedFileError, match="not those that were written"):
        read(path)


def test_chunks_of_another_file_are_refused(tmp_path: Path) -> None:
    """Each file has a key of its own."""
    path, other = tmp_path / "file", tmp_path / "other"
    mine, theirs = write(path, WHOLE), write(other, WHOLE, key=bytes(32))
    at = START + SEALED_BYTES

    path.write_bytes(mine[:at] + theirs[at : at + SEALED_BYTES] + mine[at + SEALED_BYTES :])

    with pytest.raises(SealedFileError):
        read(path)


def test_a_large_file_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    """A file of many frames may be larger than what a process may hold."""
    path, count = tmp_path / "file", 256
    piece = bytes(CHUNK_BYTES)

    tracemalloc.start()
    with ChunkWriter(FileIO(path, "xb"), KEY, START) as writer:
        for _ in range(count):
            writer.write(piece)
    with BufferedReader(ChunkReader(FileIO(path), KEY, START, "file"), CHUNK_BYTES) as reader:
        size = sum(len(reader.read(CHUNK_BYTES)) for _ in range(count + 1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size == count * CHUNK_BYTES
    assert peak < count * CHUNK_BYTES / 4
