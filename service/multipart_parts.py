"""A multipart body (RFC 2046 5.1), split into its parts as it arrives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser


class BrokenMultipartError(ValueError):
    """A body that is not the multipart it is said to be."""


class Part(Protocol):
    """Whoever takes the content of one part."""

    def write(self, piece: memoryview) -> None:
        """Take the next bytes."""

    def close(self) -> None:
        """The part is complete."""


class PartSplitter:
    """Takes a body in pieces of any size; `open_part` gets each part's headers, names lowered.

    Line ends before the first boundary and an end without one are allowed, as both occur.
    """

    def __init__(self, boundary: bytes, open_part: Callable[[Mapping[str, bytes]], Part]) -> None:
        self._open_part = open_part
        self._headers: dict[str, bytes] = {}
        self._header_name = b""
        self._header_value = b""
        self._part: Part | None = None
        self.has_ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_field": self._add_header_name,
                    "on_header_value": self._add_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_content,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise BrokenMultipartError(str(error)) from error

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        try:
            self._parser.write(piece)
        except MultipartParseError as error:
            raise BrokenMultipartError(str(error)) from error

    def close(self) -> None:
        """The body is over; raises where its last part is not."""
        if not self.has_ended:
            raise BrokenMultipartError("the body ends before its last part does")

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        self._part = self._open_part(self._headers)

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None:
            self._part.write(memoryview(data)[start:end])

    def _end_part(self) -> None:
        if self._part is not None:
            self._part.close()
        self._part = None

    def _end(self) -> None:
        self.has_ended = True
