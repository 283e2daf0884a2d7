"""/dicom-web: what is kept, searched by QIDO-RS and fetched by WADO-RS (PS3.18 10.6, 10.4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from service.access.declarations import Endpoint, ProjectOf, needs
from service.access.roles import Permission
from service.context import Context, ContextOf
from service.dicomweb.addresses import ROOT, find_root_url
from service.dicomweb.description import describe_metadata, describe_objects, describe_search
from service.dicomweb.kept_attributes import tell_metadata
from service.dicomweb.media_types import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    MULTIPART,
    AcceptedType,
    find_accept,
    pick_type,
    read_accept,
)
from service.dicomweb.multipart_answer import answer_file, answer_multipart, read_pieces
from service.dicomweb.native_xml import build_document
from service.dicomweb.queries import Level, Query, list_searched, read_query
from service.dicomweb.search_results import find_results
from service.problems import PROBLEM_RESPONSES
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.holdings import Holding, Holdings

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
UNCOMPRESSED = ("1.2.840.10008.1.2", EXPLICIT_LITTLE_ENDIAN)
# PS3.18 8.3.4.2.1 wants these words.
LITERAL = "The fuzzymatching parameter is not supported. Only literal matching has been performed."

router = APIRouter(prefix=ROOT, tags=["dicomweb"], responses=PROBLEM_RESPONSES)


def _restrict(context: ContextOf, project: ProjectOf) -> Holdings:
    return context.holdings.of_project(project)


HoldingsOf = Annotated[Holdings, Depends(_restrict)]
"""What whoever asks may see of what is kept."""


def _searching(path: str) -> Callable[[Endpoint], Endpoint]:
    return router.get(path, **describe_search(path))


def _fetching(path: str) -> Callable[[Endpoint], Endpoint]:
    return router.get(path, **describe_objects(path))


def _telling(path: str) -> Callable[[Endpoint], Endpoint]:
    return router.get(path, **describe_metadata(path))


@_searching("/studies")
@needs(Permission.VIEW)
def search_studies(request: Request, context: ContextOf, holdings: HoldingsOf) -> Response:
    """Search studies."""
    return _search(Level.STUDY, request, context, holdings)


@_searching("/series")
@_searching("/studies/{study}/series")
@needs(Permission.VIEW)
def search_series(request: Request, context: ContextOf, holdings: HoldingsOf) -> Response:
    """Search series, of one study or of all."""
    return _search(Level.SERIES, request, context, holdings)


@_searching("/instances")
@_searching("/studies/{study}/instances")
@_searching("/studies/{study}/series/{series}/instances")
@needs(Permission.VIEW)
def search_instances(request: Request, context: ContextOf, holdings: HoldingsOf) -> Response:
    """Search objects, of one series, one study or all."""
    return _search(Level.INSTANCE, request, context, holdings)


@_fetching("/studies/{study}")
@_fetching("/studies/{study}/series/{series}")
@_fetching("/studies/{study}/series/{series}/instances/{instance}")
@needs(Permission.FETCH)
def retrieve(request: Request, context: ContextOf, holdings: HoldingsOf) -> Response:
    """Fetch objects as they are kept; fetching a structure set counts as its delivery."""
    found = _find(request, holdings)
    accepted = _pick_objects(find_accept(request), found)
    _note(AuditEvent.OBJECTS_LEAVING, found, context)
    delivered = partial(_note_sent, found, context)
    if accepted.name == DICOM:
        return answer_file(DICOM, found[0].restored(), delivered)
    parts = (
        (f"{DICOM}; transfer-syntax={one.transfer_syntax_uid}", read_pieces(one.restored()))
        for one in found
    )
    return answer_multipart(DICOM, parts, delivered)


@_telling("/studies/{study}/metadata")
@_telling("/studies/{study}/series/{series}/metadata")
@_telling("/studies/{study}/series/{series}/instances/{instance}/metadata")
@needs(Permission.VIEW)
def show_metadata(request: Request, context: ContextOf, holdings: HoldingsOf) -> Response:
    """Fetch everything of objects but their pixels."""
    media_type = pick_type(find_accept(request), (DICOM_JSON, DICOM_XML))
    found = _find(request, holdings)
    _note(AuditEvent.OBJECTS_VIEWED, found, context)
    datasets = (tell_metadata(one) for one in found)
    if media_type == DICOM_XML:
        return _answer_xml(datasets)
    # A study may have a thousand slices: they are told one by one.
    return StreamingResponse(_join_json(datasets), media_type=DICOM_JSON)


def _search(level: Level, request: Request, context: Context, holdings: Holdings) -> Response:
    media_type = pick_type(find_accept(request), (DICOM_JSON, DICOM_XML))
    names = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}
    uids = {names[name]: value for name, value in request.path_params.items()}
    query = read_query(level, request.query_params.multi_items(), uids)
    found = find_results(query, holdings, find_root_url(request))
    context.audit.note(_tell_search(query, len(found)))
    if not found:
        answer = Response(status_code=HTTPStatus.NO_CONTENT)
    elif media_type == DICOM_XML:
        answer = _answer_xml(found)
    else:
        answer = Response(json.dumps(found), media_type=DICOM_JSON)
    if request.query_params.get("fuzzymatching") == "true":
        answer.headers["Warning"] = f'299 oarlock "{LITERAL}"'
    return answer


def _find(request: Request, holdings: Holdings) -> tuple[Holding, ...]:
    uids = request.path_params
    found = holdings.find(
        *([uids[name]] if name in uids else [] for name in ("study", "series", "instance"))
    )
    if not found:
        raise HTTPException(HTTPStatus.NOT_FOUND, "nothing of these UIDs is kept here")
    return found


def _pick_objects(header: str | None, holdings: Sequence[Holding]) -> AcceptedType:
    """How to answer objects: they are sent as they are kept, or not at all."""
    kept = {one.transfer_syntax_uid for one in holdings}
    for entry in read_accept(header):
        if entry.quality <= 0 or not _names_objects(entry, len(holdings)):
            continue
        if entry.transfer_syntax in ("", EXPLICIT_LITTLE_ENDIAN):
            allowed = kept <= set(UNCOMPRESSED)
        else:
            allowed = entry.transfer_syntax == "*" or kept == {entry.transfer_syntax}
        if allowed or entry.name == "*/*":
            return entry
    raise HTTPException(
        HTTPStatus.NOT_ACCEPTABLE,
        f"the objects are kept in the transfer syntax {', '.join(sorted(kept))}: ask for "
        f'multipart/related; type="{DICOM}"; transfer-syntax=*',
    )


def _names_objects(entry: AcceptedType, count: int) -> bool:
    if entry.name == DICOM:
        return count == 1
    return entry.name == "*/*" or (entry.name == MULTIPART and entry.inner in ("", DICOM))


def _tell_search(query: Query, hits: int) -> AuditEntry:
    """What was searched by; the values may be the patient's."""
    told = {"attributes": ",".join(list_searched(query)), "what": query.level.value, "hits": hits}
    return AuditEntry(AuditEvent.OBJECTS_SEARCHED, details=told)


def _note(event: AuditEvent, holdings: Sequence[Holding], context: Context) -> None:
    study = context.identities.hide_uid(holdings[0].study_instance_uid)
    told = {"instances": len(holdings)}
    context.audit.note(AuditEntry(event, study_uid=study, details=told))


def _note_sent(holdings: Sequence[Holding], context: Context) -> None:
    _note(AuditEvent.OBJECTS_SENT, holdings, context)
    for one in holdings:
        if one.job_id is None:
            continue
        for output in context.jobs.find(one.job_id).outputs:
            if output.rtstruct == one.path.name:
                context.retention.note_delivery(one.job_id, output.template)


def _join_json(datasets: Iterable[dict[str, Any]]) -> Iterable[bytes]:
    separator = b"["
    for dataset in datasets:
        yield separator + json.dumps(dataset).encode()
        separator = b","
    yield b"]"


def _answer_xml(datasets: Iterable[dict[str, Any]]) -> Response:
    return answer_multipart(
        DICOM_XML, ((DICOM_XML, [build_document(dataset)]) for dataset in datasets)
    )
