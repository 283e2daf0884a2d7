"""multipart/form-data, parsed as it arrives: files go to disk, never into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from python_multipart.multipart import parse_options_header

from contouring.errors import BrokenUploadError, UploadTooLargeError, WrongBodyError
from service.multipart_parts import BrokenMultipartError, Part, PartSplitter
from service.staged_files import StagedFile, StagedFileWriter
from workers.instances import SHOWN_LENGTH

FIELD_BYTES = 1024  # a field is a name or a priority
FIELD_COUNT = 16
FORM_WORDS = "multipart/form-data with either many DICOM files or one zip"

FILE_BODY = {"type": "string", "format": "binary"}
SERIES_FILES = {
    "type": "array",
    "items": FILE_BODY,
    "minItems": 1,
    "description": "The series' DICOM files, or one zip of them.",
}

Value = TypeVar("Value")
TakeFile = Callable[[StagedFile], None]


@dataclass(frozen=True)
class Form:
    """What a request held: the values and the files of each name, in their order."""

    fields: dict[str, tuple[str, ...]]
    files_by_name: dict[str, tuple[StagedFile, ...]]

    @property
    def files(self) -> tuple[StagedFile, ...]:
        """All files, whatever their parts are called."""
        return tuple(file for files in self.files_by_name.values() for file in files)


class FormParser:
    """Takes a request's body in pieces of any size; `take` sees each file once it is complete."""

    def __init__(
        self, content_type: str, folder: Path, file_limit: int, take: TakeFile = lambda file: None
    ) -> None:
        self._folder = folder
        self._take = take
        self._file_limit = file_limit
        self._fields: list[tuple[str, str]] = []
        self._files: list[tuple[str, StagedFile]] = []
        with _as_broken_upload():
            self._splitter = PartSplitter(_read_boundary(content_type), self._open_part)

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        with _as_broken_upload():
            self._splitter.feed(piece)

    def close(self) -> Form:
        """The whole form, once the body is complete."""
        with _as_broken_upload():
            self._splitter.close()
        return Form(_group(self._fields), _group(self._files))

    def _open_part(self, headers: Mapping[str, bytes]) -> Part:
        _, options = parse_options_header(headers.get("content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            if len(self._fields) >= FIELD_COUNT:
                raise UploadTooLargeError("The number of fields", str(FIELD_COUNT))
            return _FieldPart(name, self._fields)
        number = len(self._files) + 1
        if number > self._file_limit:
            raise UploadTooLargeError("The number of files", str(self._file_limit))
        sent_name = options[b"filename"].decode("utf-8", "replace")
        return _FilePart(
            StagedFileWriter(self._folder, number, sent_name), partial(self._add, name)
        )

    def _add(self, name: str, file: StagedFile) -> None:
        self._files.append((name, file))
        self._take(file)


class _FieldPart:
    """A value, in memory."""

    def __init__(self, name: str, fields: list[tuple[str, str]]) -> None:
        self._name = name
        self._content = bytearray()
        self._fields = fields

    def write(self, piece: memoryview) -> None:
        self._content += piece
        if len(self._content) > FIELD_BYTES:
            raise UploadTooLargeError(f"The field {self._name!r}", f"{FIELD_BYTES} bytes")

    def close(self) -> None:
        self._fields.append((self._name, self._content.decode("utf-8", "replace")))


class _FilePart:
    """A file, on the disk."""

    def __init__(self, writer: StagedFileWriter, add: TakeFile) -> None:
        self._writer = writer
        self._add = add
        self.write = writer.write

    def close(self) -> None:
        file = self._writer.close()
        if self._writer.size == 0 and not self._writer.is_named:  # a form without a chosen file
            file.path.unlink()
        else:
            self._add(file)


@contextmanager
def _as_broken_upload() -> Iterator[None]:
    try:
        yield
    except BrokenMultipartError as error:
        raise BrokenUploadError(str(error)) from error


def _group(pairs: list[tuple[str, Value]]) -> dict[str, tuple[Value, ...]]:
    groups: dict[str, list[Value]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in groups.items()}


def _read_boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data":
        raise WrongBodyError(content_type[:SHOWN_LENGTH] or "of no type", FORM_WORDS)
    if not boundary:
        raise BrokenUploadError("its content type names no boundary")
    return boundary


def describe_form(required: str, **properties: Mapping[str, Any]) -> dict[str, Any]:
    """A route's body in OpenAPI: a form with these fields, one of which must be there."""
    schema = {
        "type": "object",
        "required": [required],
        "properties": properties,
        "additionalProperties": False,
    }
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }
