"""/v1/check and /v1/lint: judge what is sent, and keep nothing of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError

from contouring.dicom_gate import check_file
from contouring.errors import UploadTooLargeError
from contouring.opened_files import count_bytes
from contouring.verdicts import Judgement, judge_files
from service.access.declarations import needs
from service.access.roles import Permission
from service.context import ContextOf
from service.forms import FILE_BODY, SERIES_FILES, Form, describe_form
from service.judgements import CheckView, LintView, build_check_view
from service.linting import lint_file
from service.problems import PROBLEM_RESPONSES
from service.uploads import (
    UPLOAD_BODY,
    Upload,
    receive_form,
    receive_upload,
    unpack_series,
    wanting_slices_or_zip,
)
from workers.settings import Settings

router = APIRouter(prefix="/v1", tags=["judgements"], responses=PROBLEM_RESPONSES)

FILE, CT = "file", "ct"

_LINT_BODY = describe_form(
    "file",
    file={**FILE_BODY, "description": "The RTSTRUCT."},
    ct={**SERIES_FILES, "description": "Its CT's DICOM files, or one zip of them."},
)


@router.post("/check", openapi_extra=UPLOAD_BODY)
@needs(Permission.JUDGE)
async def check_series(request: Request, context: ContextOf) -> CheckView:
    """Judge CT series, headers and pixels, as a job would, without contouring them.

    The upload is the one of POST /v1/jobs; its fields are allowed and change nothing.
    """
    with context.series.stage() as folder:
        upload = await receive_upload(request, folder, context.settings)
        judgement = await to_thread.run_sync(_judge, upload, limiter=context.judging)
    return build_check_view(judgement)


@router.post("/lint", openapi_extra=_LINT_BODY)
@needs(Permission.JUDGE)
async def lint(request: Request, context: ContextOf) -> LintView:
    """Lint anybody's RTSTRUCT; with its CT, the geometry too."""
    with context.series.stage() as folder:
        form = await receive_form(request, folder, context.settings)
        return await to_thread.run_sync(
            _lint, form, folder, context.settings, limiter=context.judging
        )


def _judge(upload: Upload) -> Judgement:
    names = upload.series.names
    with wanting_slices_or_zip():
        judgement = judge_files(list(names), names)
    return replace(judgement, ignored=(*judgement.ignored, *upload.series.left_out))


def _lint(form: Form, folder: Path, limits: Settings) -> LintView:
    _check_parts(form)
    (file,) = form.files_by_name[FILE]
    if count_bytes(file.path) > limits.lint_bytes:
        raise UploadTooLargeError(file.name, f"{limits.lint_bytes} bytes")
    check_file(file.path, limits.dicom_limits, file.name)
    ct_names = unpack_series(form.files_by_name.get(CT, ()), folder, limits).names
    return lint_file(file.path, list(ct_names), {file.path: file.name, **ct_names})


def _check_parts(form: Form) -> None:
    """Exactly one structure set, and nothing whose meaning is not known."""
    faults = [
        _build_fault(name, f"is not known: send {FILE} and, if you like, {CT}")
        for name in (*form.fields, *form.files_by_name)
        if name not in (FILE, CT) or name in form.fields
    ]
    count = len(form.files_by_name.get(FILE, ()))
    if count != 1:
        faults.append(_build_fault(FILE, f"is one RTSTRUCT, not {count}"))
    if faults:
        raise RequestValidationError(faults)


def _build_fault(name: str, message: str) -> dict[str, Any]:
    return {"loc": ("body", name), "msg": message}
