"""The body of a STOW-RS request (PS3.18 10.5.1), its objects staged as they arrive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from python_multipart.multipart import parse_options_header

from contouring.errors import UploadTooLargeError
from service.dicomweb.media_types import DICOM, MULTIPART
from service.multipart_parts import BrokenMultipartError, Part, PartSplitter
from service.staged_files import StagedFile, StagedFileWriter
from workers.disk_space import check_space
from workers.settings import Settings


class UnsupportedBodyError(ValueError):
    """A body of a media type that STOW-RS does not take."""


class StowBody:
    """Takes a body in pieces of any size; `take` gets each object once it is complete.

    A body of the type application/dicom is one object. Raises `BrokenMultipartError`,
    `UnsupportedBodyError`, `UploadTooLargeError` and `StorageFullError`.
    """

    def __init__(
        self, content_type: str, folder: Path, limits: Settings, take: Callable[[StagedFile], None]
    ) -> None:
        self._folder = folder
        self._limits = limits
        self._take = take
        self.count = 0
        kind, options = parse_options_header(content_type)
        inner = options.get(b"type", DICOM.encode()).decode("latin-1").lower()
        boundary = options.get(b"boundary", b"")
        self._single: Part | None = None
        self._splitter: PartSplitter | None = None
        if kind == DICOM.encode():
            return
        if kind != MULTIPART.encode() or inner != DICOM:
            raise UnsupportedBodyError(content_type or "no content type")
        if not boundary:
            raise BrokenMultipartError("its content type names no boundary")
        self._splitter = PartSplitter(boundary, self._open_part)

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        if self._splitter is not None:
            self._splitter.feed(piece)
        elif piece:
            self._single = self._single or self._open_object()
            self._single.write(memoryview(piece))

    def close(self) -> None:
        """The body is over."""
        if self._splitter is not None:
            self._splitter.close()
        elif self._single is not None:
            self._single.close()

    def _open_part(self, headers: Mapping[str, bytes]) -> Part:
        kind, _ = parse_options_header(headers.get("content-type", DICOM.encode()))
        if kind.decode("latin-1").lower() not in (DICOM, "application/octet-stream"):
            raise UnsupportedBodyError(f"a part of the type {kind.decode('latin-1')}")
        return self._open_object()

    def _open_object(self) -> Part:
        self.count += 1
        if self.count > self._limits.upload_files:
            raise UploadTooLargeError("The number of objects", str(self._limits.upload_files))
        # Of a body whose length nobody announced, this alone sees that the disk fills.
        check_space(self._folder, 0, self._limits.reserve_bytes)
        return _ObjectPart(StagedFileWriter(self._folder, self.count, ""), self._take)


class _ObjectPart:
    """One object on its way to the disk."""

    def __init__(self, writer: StagedFileWriter, take: Callable[[StagedFile], None]) -> None:
        self._writer = writer
        self._take = take
        self.write = writer.write

    def close(self) -> None:
        self._take(self._writer.close())
