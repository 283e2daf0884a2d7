"""Errors as RFC 9457 problems: one table from error class to HTTP status."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, OperationalError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import compile_path

from contouring import errors
from service.access.declarations import list_routes
from service.request_ids import HEADER
from service.requester import find_route
from workers.database import is_out_of_space
from workers.request_ids import NO_REQUEST, request_id_now

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:oarlock:problem:"
CHALLENGE = 'Basic realm="Oarlock", charset="UTF-8", Bearer realm="Oarlock"'  # RFC 9110 11.6.1

STATUS: Mapping[type[errors.OarlockError], HTTPStatus] = {
    errors.OarlockError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.UnusableInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EmptyUploadError: HTTPStatus.BAD_REQUEST,
    errors.NotDicomError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.BrokenZipError: HTTPStatus.BAD_REQUEST,
    errors.UnsafeZipError: HTTPStatus.BAD_REQUEST,
    errors.BrokenUploadError: HTTPStatus.BAD_REQUEST,
    errors.UploadTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.WrongBodyError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.DicomLimitError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotStorableError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NoCTSeriesError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.MixedPatientsError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EverySeriesRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SeriesRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ModelError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.UnknownModelError: HTTPStatus.NOT_FOUND,
    errors.InvalidBundleError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ModelChangedError: HTTPStatus.CONFLICT,
    errors.RuntimeUnavailableError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.RuntimeMissingError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.UnusableRuntimeError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.EngineMissingError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.EngineBuildError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.InferenceError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NothingFoundError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TemplateError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.UnknownTemplateError: HTTPStatus.NOT_FOUND,
    errors.InvalidTemplateError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.TemplateChangedError: HTTPStatus.CONFLICT,
    errors.ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    # A server does not start with one: over HTTP it is a file that a request sent.
    errors.InvalidConfigurationError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnsafeStartError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.IdentitySettingsError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.MixedIdentitiesError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.IdentityError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.TamperedIdentityError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.AccessError: HTTPStatus.FORBIDDEN,
    errors.NotAuthenticatedError: HTTPStatus.UNAUTHORIZED,
    errors.NotAllowedError: HTTPStatus.FORBIDDEN,
    errors.CrossSiteError: HTTPStatus.FORBIDDEN,
    errors.TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.IssuerUnreachableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DerivationError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.StructureSetError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ReleaseCheckError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.DeliveryError: HTTPStatus.BAD_GATEWAY,
    errors.AddressRefusedError: HTTPStatus.BAD_GATEWAY,
    errors.UnknownDestinationError: HTTPStatus.NOT_FOUND,
    errors.StorageFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.EncryptionKeyError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.SealedFileError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.BackupError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.UnknownArrivalError: HTTPStatus.NOT_FOUND,
    errors.DataLockedError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.JobError: HTTPStatus.CONFLICT,
    errors.UnknownJobError: HTTPStatus.NOT_FOUND,
    errors.WrongJobStateError: HTTPStatus.CONFLICT,
    errors.JobCancelledError: HTTPStatus.CONFLICT,
    errors.LeaseLostError: HTTPStatus.CONFLICT,
}

log = logging.getLogger(__name__)


class Problem(BaseModel):
    """RFC 9457: what went wrong, and what the sender can do."""

    type: str = Field(description="Stable name of the kind of problem, a URN.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong here, where, and what to do.")
    errors: list[str] = Field([], description="One line per fault, where there are several.")


def build_problem(
    status: HTTPStatus, code: str, detail: str, faults: Sequence[str] = ()
) -> JSONResponse:
    """The answer that carries a problem."""
    problem = Problem(
        type=TYPE_PREFIX + code,
        title=code.replace("-", " ").capitalize(),
        status=status,
        detail=_show(detail),
        errors=[_show(fault) for fault in faults],
    )
    return JSONResponse(problem.model_dump(), status, media_type=MEDIA_TYPE)


def _show(words: str) -> str:
    """Without what a sender could steer a terminal or a log with; YAML's faults have lines."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in words)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error with a problem."""
    app.add_exception_handler(errors.OarlockError, answer_oarlock_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid_request)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(DataError, _answer_unstorable)
    app.add_exception_handler(OSError, _answer_storage_error)
    app.add_exception_handler(OperationalError, answer_database_error)
    app.add_exception_handler(Exception, _answer_unexpected)


PROBLEM_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": PROBLEM_CONTENT}
    for status, description in {
        "4XX": "What was sent cannot be answered; `detail` says what to do.",
        "5XX": "Oarlock failed; the server's log says why.",
    }.items()
}


async def answer_oarlock_error(request: Request, error: Exception) -> JSONResponse:
    """The problem of an error of the tree; why access was refused stays with the request."""
    assert isinstance(error, errors.OarlockError)
    if isinstance(error, errors.AccessError):
        request.state.refusal = error
    return answer_error(error)


def answer_error(error: errors.OarlockError) -> JSONResponse:
    """The answer to a request that raised this."""
    faults: Sequence[str] = ()
    if isinstance(error, errors.EverySeriesRefusedError):
        faults = error.reasons
    if isinstance(error, errors.InvalidConfigurationError):
        faults = error.faults
    answer = build_problem(STATUS[type(error)], error.code, str(error), faults)
    if isinstance(error, errors.NotAuthenticatedError):
        answer.headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, errors.TooManyRequestsError):
        answer.headers["Retry-After"] = error.seconds
    return answer


async def _answer_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [
        f"{'.'.join(str(part) for part in fault['loc'][1:])}: {fault['msg']}"
        for fault in error.errors()
    ]
    detail = (
        f"The request is not valid ({'; '.join(faults)}): see /openapi.json for what is allowed."
    )
    return build_problem(HTTPStatus.BAD_REQUEST, "invalid-request", detail, faults)


async def _answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "-")
    detail = f"{request.method} {request.url.path}: {error.detail}; see /openapi.json."
    answer = build_problem(status, code, detail)
    answer.headers.update(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        # Starlette names those of the first route of the path alone.
        answer.headers["Allow"] = ", ".join(_find_methods(request))
    return answer


def _find_methods(request: Request) -> list[str]:
    """What a path may be asked for, by any of its routes (RFC 9110 15.5.6)."""
    routes = list_routes(request.app.routes)
    return sorted(
        method
        for path, methods, _ in routes
        if compile_path(path)[0].match(request.scope["path"])
        for method in methods
    )


async def _answer_nobody(request: Request, _error: Exception) -> Response:
    """The sender broke off, so nothing of this was acknowledged."""
    log.info("%s: the sender broke off", find_route(request.scope))
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _answer_storage_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OSError)
    log.error("%s: the storage failed", find_route(request.scope), exc_info=error)
    status, code = HTTPStatus.INTERNAL_SERVER_ERROR, "storage-failed"
    if error.errno in NO_SPACE:
        status, code = HTTPStatus.INSUFFICIENT_STORAGE, errors.StorageFullError.code
    detail = (
        f"The server could not read or write its files ({error.strerror or 'unknown'}): nothing of "
        "this was stored. Send it again once its operator has seen to the data folder."
    )
    return build_problem(status, code, detail)


async def answer_database_error(request: Request, error: Exception) -> JSONResponse:
    """The problem of a database that cannot be read or written."""
    assert isinstance(error, SQLAlchemyError)
    log.error("%s: the database failed", find_route(request.scope), exc_info=error)
    if is_out_of_space(error):
        detail = (
            "The database has no room left: nothing of this is recorded. Send it again once the "
            "server's operator has made room."
        )
        status = HTTPStatus.INSUFFICIENT_STORAGE
        return build_problem(status, errors.StorageFullError.code, detail)
    detail = "The database does not answer or cannot write: nothing is recorded. Try again later."
    return build_problem(HTTPStatus.SERVICE_UNAVAILABLE, "database-unreachable", detail)


async def _answer_unstorable(_request: Request, _error: Exception) -> JSONResponse:
    detail = "The request holds characters that cannot be stored, such as NUL: leave them out."
    return build_problem(HTTPStatus.BAD_REQUEST, "invalid-request", detail)


async def _answer_unexpected(request: Request, _error: Exception) -> JSONResponse:
    log.error("%s failed", find_route(request.scope))
    answer = build_problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        "Oarlock met an unexpected error: try again, and if it stays, read the server's log.",
    )
    # This one is answered past all middleware.
    answer.headers[HEADER] = request_id_now.get() or NO_REQUEST
    return answer
