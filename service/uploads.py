"""A request's body, received into a staging folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError

from contouring.errors import BrokenUploadError, EmptyUploadError, UploadTooLargeError
from service.archives import is_zip, unpack
from service.forms import Form, FormParser
from service.staged_files import StagedFile
from workers.jobs import Priority
from workers.settings import Settings

PIECE_BYTES = 1024 * 1024  # written at once: a change of thread for less is not worth it
DRAIN_BYTES = 64 * 1024 * 1024
"""Read on and forgotten after a refusal: a client that still sends would not read the answer."""


class UploadFields(BaseModel):
    """The fields beside the files."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    priority: Priority = Priority.NORMAL


@dataclass(frozen=True)
class Upload:
    """A complete upload on disk; a zip is unpacked already."""

    fields: UploadFields
    files: tuple[StagedFile, ...]


async def receive_upload(request: Request, folder: Path, limits: Settings) -> Upload:
    """Stream the body to `folder`; its size in memory does not grow with the upload."""
    body = request.stream()
    try:
        form = await _receive_form(request, body, folder, limits)
    except (BrokenUploadError, UploadTooLargeError):
        await _drain(body)
        raise
    return await to_thread.run_sync(_build_upload, form, folder, limits)


async def _receive_form(
    request: Request, body: AsyncIterator[bytes], folder: Path, limits: Settings
) -> Form:
    if int(request.headers.get("content-length", "0")) > limits.upload_bytes:
        raise _too_large(limits)
    content_type = request.headers.get("content-type", "")
    parser = FormParser(content_type, folder, limits.upload_files)
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


def _build_upload(form: Form, folder: Path, limits: Settings) -> Upload:
    try:
        fields = UploadFields.model_validate(form.fields)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from error
    if not form.files:
        raise EmptyUploadError
    zips = [file for file in form.files if is_zip(file)]
    if not zips:
        return Upload(fields, form.files)
    if len(form.files) > 1:
        raise BrokenUploadError(f"{zips[0].name} is a zip and is not alone")
    files = unpack(zips[0], folder, limits)
    if not files:
        raise EmptyUploadError
    return Upload(fields, files)


async def _drain(body: AsyncIterator[bytes]) -> None:
    left = DRAIN_BYTES
    async for piece in body:
        left -= len(piece)
        if left < 0:
            return


def _too_large(limits: Settings) -> UploadTooLargeError:
    return UploadTooLargeError("The upload", f"{limits.upload_bytes} bytes")
