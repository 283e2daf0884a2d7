"""A request's body, received into a staging folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from contouring.dicom_gate import check_file
from contouring.dicom_series import tell_other
from contouring.errors import (
    BrokenUploadError,
    DicomLimitError,
    EmptyUploadError,
    NoCTSeriesError,
    NotDicomError,
    StorageFullError,
    UploadTooLargeError,
    WrongBodyError,
)
from service.archives import is_zip, unpack
from service.forms import SERIES_FILES, Form, FormParser, TakeFile, describe_form
from service.staged_files import StagedFile
from workers.disk_space import check_space
from workers.jobs import Priority
from workers.settings import Settings, split_names

UPLOAD_BODY = describe_form(
    "files",
    files=SERIES_FILES,
    model={
        "type": "string",
        "description": "A name of /v1/models; with neither it nor a template, "
        "the site's rules decide.",
    },
    template={
        "type": "array",
        "items": {"type": "string"},
        "description": "Names of /v1/templates, one a field or parted by "
        "commas; without it the default ones.",
    },
    priority={"$ref": "#/components/schemas/Priority"},
)

PIECE_BYTES = 1024 * 1024  # written at once: a change of thread for less is not worth it
DRAIN_BYTES = 64 * 1024 * 1024  # read on after a refusal


class UploadFields(BaseModel):
    """The fields beside the files."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    priority: Priority = Priority.NORMAL
    template: tuple[str, ...] = ()

    @field_validator("model", "priority", mode="before")
    @classmethod
    def _once(cls, values: tuple[str, ...]) -> str:
        if len(values) > 1:
            raise ValueError(f"is given {len(values)} times")
        return values[0]

    @field_validator("template")
    @classmethod
    def _part(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for value in values for name in split_names(value))


@dataclass(frozen=True)
class SeriesFiles:
    """Files that may be read; `left_out`: those that may not and are no CT, in words."""

    files: tuple[StagedFile, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def names(self) -> dict[Path, str]:
        """What the sender calls each."""
        return {file.path: file.name for file in self.files}


@dataclass(frozen=True)
class Upload:
    """A complete upload on disk; a zip is unpacked already."""

    fields: UploadFields
    series: SeriesFiles


async def receive_upload(
    request: Request, folder: Path, limits: Settings, take: TakeFile = lambda file: None
) -> Upload:
    """Stream the body to `folder`; its size in memory does not grow with the upload.

    `take` sees each file once it is complete.
    """
    form = await receive_form(request, folder, limits, take)
    return await to_thread.run_sync(_build_upload, form, folder, limits)


async def receive_form(
    request: Request, folder: Path, limits: Settings, take: TakeFile = lambda file: None
) -> Form:
    """Any form, streamed to `folder`; a zip in it stays packed, and no file was looked into.

    `take` sees each file once it is complete.
    """
    body = request.stream()
    try:
        return await _receive_form(request, body, folder, limits, take)
    except (BrokenUploadError, WrongBodyError, UploadTooLargeError, StorageFullError, OSError):
        await drain(body)
        raise


def unpack_series(files: tuple[StagedFile, ...], folder: Path, limits: Settings) -> SeriesFiles:
    """Files as they are, or those of the one zip among them, each held to the limits.

    Raises `DicomLimitError` for a slice that is over one, and `NoCTSeriesError` where nothing is
    left but other objects that are.
    """
    zips = [file for file in files if is_zip(file)]
    if not zips:
        return _check_files(files, limits)
    if len(files) > 1:
        raise BrokenUploadError(f"{zips[0].name} is a zip and is not alone")
    # A folder of its own: its files are counted anew.
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    return _check_files(unpack(zips[0], unpacked, limits), limits)


def find_address(request: Request) -> str:
    """IP address of whoever sent a request; empty where the server does not know."""
    return request.client.host if request.client else ""


@contextmanager
def wanting_slices_or_zip() -> Iterator[None]:
    """Say of a file that is no DICOM what an upload may hold; a folder may hold no zip."""
    try:
        yield
    except NotDicomError as error:
        raise NotDicomError(error.file, "CT slices, or one zip of them") from error


async def _receive_form(
    request: Request, body: AsyncIterator[bytes], folder: Path, limits: Settings, take: TakeFile
) -> Form:
    announced = int(request.headers.get("content-length", "0"))
    if announced > limits.upload_bytes:
        raise _too_large(limits)
    check_space(folder, announced, limits.reserve_bytes)
    content_type = request.headers.get("content-type", "")
    parser = FormParser(content_type, folder, limits.upload_files, take)
    received = 0
    pending = bytearray()
    async for piece in body:
        received += len(piece)
        if received > limits.upload_bytes:
            raise _too_large(limits)
        pending += piece
        if len(pending) >= PIECE_BYTES:
            await to_thread.run_sync(parser.feed, bytes(pending))
            pending.clear()
    await to_thread.run_sync(parser.feed, bytes(pending))
    return parser.close()


def _check_files(files: tuple[StagedFile, ...], limits: Settings) -> SeriesFiles:
    sound, left_out = [], []
    for file in files:
        try:
            check_file(file.path, limits.dicom_limits, file.name)
        except DicomLimitError as error:
            if not error.sop_class_uid:
                raise
            kind = tell_other(error.sop_class_uid)
            left_out.append(f"{file.name}: {kind}, and not read, for {error.fault}")
        else:
            sound.append(file)
    if left_out and not sound:
        raise NoCTSeriesError(left_out[0])
    return SeriesFiles(tuple(sound), tuple(left_out))


def _build_upload(form: Form, folder: Path, limits: Settings) -> Upload:
    try:
        fields = UploadFields.model_validate(form.fields)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from error
    series = unpack_series(form.files, folder, limits)
    if not series.files:
        raise EmptyUploadError
    return Upload(fields, series)


async def drain(body: AsyncIterator[bytes]) -> None:
    """Read on and forget, for a client that still sends would not read the answer."""
    left = DRAIN_BYTES
    async for piece in body:
        left -= len(piece)
        if left < 0:
            return


def _too_large(limits: Settings) -> UploadTooLargeError:
    return UploadTooLargeError("The upload", f"{limits.upload_bytes} bytes")
