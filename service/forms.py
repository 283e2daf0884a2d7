"""multipart/form-data, parsed as it arrives: files go to disk, never into memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from contouring.errors import BrokenUploadError, UploadTooLargeError
from service.staged_files import StagedFile, StagedFileWriter

FIELD_BYTES = 1024  # a field is a name or a priority
FIELD_COUNT = 16

Value = TypeVar("Value")


@dataclass(frozen=True)
class Form:
    """What a request held: the values and the files of each name, in their order."""

    fields: dict[str, tuple[str, ...]]
    files_by_name: dict[str, tuple[StagedFile, ...]]

    @property
    def files(self) -> tuple[StagedFile, ...]:
        """All files, whatever their parts are called."""
        return tuple(file for files in self.files_by_name.values() for file in files)


@dataclass
class _Part:
    """The part being received; without a file name it is a field."""

    headers: dict[str, bytes] = field(default_factory=dict)
    header_name: bytes = b""
    header_value: bytes = b""
    name: str = ""
    content: bytearray = field(default_factory=bytearray)
    writer: StagedFileWriter | None = None


class FormParser:
    """Takes a request's body in pieces of any size."""

    def __init__(self, content_type: str, folder: Path, file_limit: int) -> None:
        self._folder = folder
        self._file_limit = file_limit
        self._fields: list[tuple[str, str]] = []
        self._files: list[tuple[str, StagedFile]] = []
        self._part = _Part()
        self._has_ended = False
        self._parser = MultipartParser(
            _read_boundary(content_type),
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._add_header_name,
                "on_header_value": self._add_header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._add_content,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        try:
            self._parser.write(piece)
        except MultipartParseError as error:
            raise BrokenUploadError(str(error)) from error

    def close(self) -> Form:
        """The whole form, once the body is complete."""
        if not self._has_ended:
            raise BrokenUploadError("the body ends before its last part does")
        return Form(_group(self._fields), _group(self._files))

    def _begin_part(self) -> None:
        self._part = _Part()

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _end_header(self) -> None:
        part = self._part
        part.headers[part.header_name.decode("latin-1").lower()] = part.header_value
        part.header_name = part.header_value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", b""))
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            number = len(self._files) + 1
            if number > self._file_limit:
                raise UploadTooLargeError("The number of files", str(self._file_limit))
            sent_name = options[b"filename"].decode("utf-8", "replace")
            self._part.writer = StagedFileWriter(self._folder, number, sent_name)
        elif len(self._fields) >= FIELD_COUNT:
            raise UploadTooLargeError("The number of fields", str(FIELD_COUNT))

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        if self._part.writer is not None:
            self._part.writer.write(memoryview(data)[start:end])
            return
        self._part.content += data[start:end]
        if len(self._part.content) > FIELD_BYTES:
            raise UploadTooLargeError(f"The field {self._part.name!r}", f"{FIELD_BYTES} bytes")

    def _end_part(self) -> None:
        writer = self._part.writer
        if writer is None:
            self._fields.append((self._part.name, self._part.content.decode("utf-8", "replace")))
            return
        file = writer.close()
        if writer.size == 0 and not writer.is_named:  # a browser's form without a chosen file
            file.path.unlink()
        else:
            self._files.append((self._part.name, file))

    def _end(self) -> None:
        self._has_ended = True


def _group(pairs: list[tuple[str, Value]]) -> dict[str, tuple[Value, ...]]:
    groups: dict[str, list[Value]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in groups.items()}


def _read_boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BrokenUploadError(f"its content type is {content_type or 'missing'!r}")
    return boundary
