"""What schemathesis loads: what is there to be asked for, what is noted, and the table of roles.

`API_SITE`, `API_WHO`, `API_TURN` and `API_ANSWERS` say of which site, as whom, which turn this is,
and where each answer is noted.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import schemathesis
from hypothesis import strategies
from schemathesis import Case, CheckContext, HookContext, Response, SerializationContext
from starlette.routing import compile_path

from tests.api.site import NOBODY, REVOKED, read_site
from tests.api.sound_requests import DICOM, RELATED, SoundRequest, build_sound_requests, build_zip
from tests.api.trial import NO_ANSWER
from tests.service.access.role_table import read_routes
from tests.service.dicomweb.bodies import MULTIPART, join_parts

SITE = read_site(Path(os.environ["API_SITE"]))
WHO = os.environ["API_WHO"]
ANSWERS = Path(os.environ["API_ANSWERS"])
SOUND = build_sound_requests(SITE, int(os.environ["API_TURN"]))
ROUTES = [(method, compile_path(path)[0], row) for (method, path), row in read_routes().items()]

slices = [Path(path).read_bytes() for path in SITE.slices]
objects = strategies.sampled_from(slices) | strategies.binary(max_size=64)
files = [build_zip(slices), Path(SITE.rtstruct).read_bytes(), Path(SITE.rules).read_bytes()]
parts = strategies.lists(objects, max_size=4).map(lambda found: join_parts(*found))
schemathesis.openapi.format("binary", strategies.sampled_from(files) | objects)
schemathesis.openapi.media_type(DICOM, objects)
schemathesis.openapi.media_type(RELATED, parts | objects)


@schemathesis.serializer(DICOM, RELATED)
def read_bytes(_context: SerializationContext, value: Any) -> bytes:
    """What is no bytes is made up to break the schema."""
    content = getattr(value, "data", value)
    return content if isinstance(content, bytes) else json.dumps(content, default=str).encode()


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Parts come with the boundary between them."""
    if case.media_type == RELATED:
        case.headers["Content-Type"] = MULTIPART


@schemathesis.hook
def before_add_examples(context: HookContext, examples: list[Case]) -> None:
    """Everything that is there is asked for."""
    operation = context.operation
    assert operation is not None
    for sound in SOUND.get(operation.label, (SoundRequest(),)):
        parts: dict[str, Any] = {"path_parameters": {**sound.path}, "query": {**sound.query}}
        if sound.media_type is not None:
            parts |= {"body": sound.body, "media_type": sound.media_type}
        examples.append(operation.Case(**parts))


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    """Note the answer."""
    _note(case, response.status_code, response.elapsed)


@schemathesis.hook
def after_network_error(
    context: HookContext, case: Case, request: requests.PreparedRequest
) -> None:
    """A connection that was dropped is noted as no answer."""
    _note(case, NO_ANSWER, 0.0)


def _note(case: Case, status: int, seconds: float) -> None:
    phase = case.meta.phase.name.value if case.meta else "examples"
    with ANSWERS.open("a") as file:
        file.write(json.dumps([case.operation.label, phase, status, round(seconds, 2)]) + "\n")


@schemathesis.check
def table_of_roles(context: CheckContext, response: Response, case: Case) -> None:
    """Whoever may ask by docs/access.md is not refused, and nobody else gets anything else."""
    method, path = str(response.request.method), urlsplit(str(response.request.url)).path
    rows = {known: row for known, pattern, row in ROUTES if pattern.fullmatch(unquote(path))}
    if any(row["anybody"] for row in rows.values()):
        return
    status = response.status_code
    is_shown = "Authorization" in response.request.headers  # schemathesis tries without, too
    if WHO in (NOBODY, REVOKED) or not is_shown:
        assert status == 401, f"{WHO} is nobody, and was answered {status}"
    elif method not in rows:
        assert status in (404, 405), f"there is no such route, and it was answered {status}"
    elif rows[method][WHO] == "yes":
        assert status not in (401, 403), f"{WHO} may do this, and was answered {status}"
    else:
        assert status == 403, f"{WHO} may not do this, and was answered {status}"


@schemathesis.check
def words_of_a_problem(context: CheckContext, response: Response, case: Case) -> None:
    """They steer no terminal."""
    if response.headers.get("content-type", [""])[0] != "application/problem+json":
        return
    problem = response.json()
    for words in (problem["detail"], *problem["errors"]):
        assert words.replace("\n", "").isprintable(), f"it says {words!r}"


@schemathesis.check
def no_place_of_the_server(context: CheckContext, response: Response, case: Case) -> None:
    """Whoever asks learns no path of its files."""
    assert SITE.folder.encode() not in response.content
