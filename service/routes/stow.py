"""/dicom-web/studies: objects sent by STOW-RS (PS3.18 10.5)."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from contouring.errors import StorageFullError, UploadTooLargeError
from service.access.declarations import needs
from service.access.principal import Principal
from service.access.roles import Permission
from service.context import Context, ContextOf
from service.dicomweb.addresses import ROOT, find_root_url
from service.dicomweb.description import STORE
from service.dicomweb.media_types import DICOM_JSON, DICOM_XML, find_accept, pick_type
from service.dicomweb.native_xml import build_document
from service.dicomweb.stow import KEEP_SECONDS, StowRequest
from service.dicomweb.stow_answer import StowAnswer
from service.dicomweb.stow_body import UnsupportedBodyError
from service.multipart_parts import BrokenMultipartError
from service.problems import PROBLEM_RESPONSES
from service.uploads import PIECE_BYTES, drain, find_address
from workers.disk_space import check_space
from workers.reception import Reception
from workers.source_book import Sender
from workers.sources import SourceKind

router = APIRouter(prefix=ROOT, tags=["dicomweb"], responses=PROBLEM_RESPONSES)


@router.post("/studies", **STORE)
@needs(Permission.SEND)
async def store(request: Request, context: ContextOf) -> Response:
    """Store objects of any study; each is durable before the answer names it."""
    return await _store(request, context, None)


@router.post("/studies/{study}", **STORE)
@needs(Permission.SEND)
async def store_study(study: str, request: Request, context: ContextOf) -> Response:
    """Store objects of one study; those of another one fail."""
    return await _store(request, context, study)


async def _store(request: Request, context: Context, study: str | None) -> Response:
    body = request.stream()
    try:
        media_type = pick_type(find_accept(request), (DICOM_JSON, DICOM_XML))
        sender = _find_sender(request, context)
        with context.series.stage() as folder:
            answer = await _receive(request, body, study, folder, sender, context)
    except (HTTPException, UploadTooLargeError, StorageFullError, OSError, SQLAlchemyError):
        await drain(body)  # a client that still sends would not read the answer
        raise
    except BrokenMultipartError as error:
        await drain(body)
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"the body is broken: {error}") from error
    except UnsupportedBodyError as error:
        await drain(body)
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f'send multipart/related; type="application/dicom", not {error}',
        ) from error
    context.arriving.set()
    return _build_response(answer, media_type, find_root_url(request))


async def _receive(
    request: Request,
    body: AsyncIterator[bytes],
    study: str | None,
    folder: Path,
    sender: Sender,
    context: Context,
) -> StowAnswer:
    limits = context.settings
    announced = int(request.headers.get("content-length", "0"))
    if announced > limits.upload_bytes:
        raise UploadTooLargeError("The request", f"{limits.upload_bytes} bytes")
    check_space(folder, announced, limits.reserve_bytes)
    quiet_seconds = sender.entry.quiet_seconds
    reception = Reception(context.instances, context.arrivals, sender.source, quiet_seconds)
    content_type = request.headers.get("content-type", "")
    stow = StowRequest(content_type, study, folder, reception, limits, context.identities)
    received, pending, fed_at = 0, bytearray(), time.monotonic()
    try:
        async for piece in body:
            received += len(piece)
            if received > limits.upload_bytes:
                raise UploadTooLargeError("The request", f"{limits.upload_bytes} bytes")
            pending += piece
            if len(pending) >= PIECE_BYTES or time.monotonic() - fed_at >= KEEP_SECONDS:
                await to_thread.run_sync(stow.feed, bytes(pending))
                pending.clear()
                fed_at = time.monotonic()
        await to_thread.run_sync(stow.feed, bytes(pending))
        answer = await to_thread.run_sync(stow.close)
        is_kept = answer is not None and answer.is_kept
        await to_thread.run_sync(reception.end if is_kept else reception.break_off)
    except BaseException:
        # A sender that broke off has not said all that it wanted to say.
        with CancelScope(shield=True):
            await to_thread.run_sync(reception.break_off)
        raise
    finally:
        await to_thread.run_sync(stow.abandon)
    if answer is None:
        # A client that tries again with a spent body must not take this for a success.
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body holds no object")
    return answer


def _find_sender(request: Request, context: Context) -> Sender:
    address = find_address(request)
    sender = context.sources.find(SourceKind.STOW, address=address)
    if sender is None:
        raise HTTPException(
            HTTPStatus.FORBIDDEN, f"{address} is no source that this server knows; see its operator"
        )
    principal: Principal = request.state.principal
    if principal.project is None:
        return sender
    return replace(sender, source=replace(sender.source, project=principal.project))


def _build_response(answer: StowAnswer, media_type: str, root_url: str) -> Response:
    module = answer.build(root_url)
    content = json.dumps(module).encode() if media_type == DICOM_JSON else build_document(module)
    response = Response(content, answer.status, media_type=media_type)
    if answer.explanation:
        # The module has numbers alone; RFC 9111 5.5 has room for words.
        words = answer.explanation.encode("ascii", "replace").decode().replace('"', "'")
        response.headers["Warning"] = f'299 oarlock "{words[:500]}"'
    return response
