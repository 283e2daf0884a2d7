"""Several objects in one answer: multipart/related (PS3.18 8.6)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from starlette.responses import StreamingResponse

from contouring.opened_files import measure, open_file

BOUNDARY_BYTES = 16
PIECE_BYTES = 256 * 1024


def answer_multipart(
    inner_type: str,
    parts: Iterable[tuple[str, Iterable[bytes]]],
    once_sent: Callable[[], None] | None = None,
) -> StreamingResponse:
    """Parts, each with its content type and its bytes, sent as they are read."""
    # Of this answer alone: whoever knew it beforehand could send an object that holds others.
    boundary = f"oarlock-{secrets.token_hex(BOUNDARY_BYTES)}"
    media_type = f'multipart/related; type="{inner_type}"; boundary={boundary}'
    return StreamingResponse(_follow(_join(parts, boundary), once_sent), media_type=media_type)


def answer_file(
    media_type: str,
    source: AbstractContextManager[Path],
    once_sent: Callable[[], None] | None = None,
) -> StreamingResponse:
    """One object without an envelope; `source`: its file, there until it is opened."""
    with source as path:
        file = open_file(path)
    length = {"Content-Length": str(measure(file))}
    pieces = _follow(_read_open(file), once_sent)
    return StreamingResponse(pieces, media_type=media_type, headers=length)


def read_pieces(source: AbstractContextManager[Path]) -> Iterator[bytes]:
    """A file's bytes."""
    with source as path:
        file = open_file(path)
    yield from _read_open(file)


def _read_open(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _follow(pieces: Iterable[bytes], once_sent: Callable[[], None] | None) -> Iterator[bytes]:
    """Call `once_sent` when the last piece is taken; a background task runs even if none was."""
    yield from pieces
    if once_sent is not None:
        once_sent()


def _join(parts: Iterable[tuple[str, Iterable[bytes]]], boundary: str) -> Iterator[bytes]:
    for content_type, pieces in parts:
        yield f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode()
        yield from pieces
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
