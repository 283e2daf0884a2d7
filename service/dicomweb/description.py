"""DICOMweb's routes as openapi.yaml describes them.

FastAPI reads neither a path's UIDs nor a search, which these routes take from the request itself.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response, StreamingResponse

from service.dicomweb.media_types import DICOM, DICOM_JSON, DICOM_XML, MULTIPART
from service.dicomweb.queries import DIGITS

_OF_PATH = {
    "study": "Study Instance UID.",
    "series": "Series Instance UID.",
    "instance": "SOP Instance UID.",
}
_DATASETS = {"type": "array", "items": {"type": "object"}}
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 10**DIGITS - 1}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_STORED = {"content": {DICOM_JSON: {"schema": {"type": "object"}}, DICOM_XML: _BYTES}}
_SEARCHED = ("PatientID", "StudyDate", "Modality", "StudyInstanceUID", "SeriesInstanceUID")
_QUERY: tuple[dict[str, Any], ...] = (
    *(
        {
            "name": keyword,
            "in": "query",
            "schema": {"type": "string"},
            "description": "Wanted value; so does every other attribute that can be searched by, "
            "under its keyword or its tag.",
        }
        for keyword in _SEARCHED
    ),
    {
        "name": "includefield",
        "in": "query",
        "schema": {"type": "string"},
        "description": "Attributes to tell besides, parted by commas, or `all`.",
    },
    {"name": "limit", "in": "query", "schema": _NUMBER, "description": "Most answers."},
    {"name": "offset", "in": "query", "schema": _NUMBER, "description": "Answers to leave out."},
    {
        "name": "fuzzymatching",
        "in": "query",
        "schema": {"type": "string"},
        "description": "`true` is answered with a warning: matching is literal.",
    },
)
_ACCEPT: dict[str, Any] = {
    "name": "accept",
    "in": "query",
    "schema": {"type": "string"},
    "description": "In place of the header Accept (PS3.18 8.3.3.1).",
}


def describe_search(path: str) -> dict[str, Any]:
    """What FastAPI is told of a route that searches."""
    responses = {
        200: {
            "description": "What matches.",
            "content": {DICOM_JSON: {"schema": _DATASETS}, MULTIPART: _BYTES},
        },
        204: {"description": "Nothing matches."},
    }
    return _describe(path, Response, responses, _QUERY)


def describe_objects(path: str) -> dict[str, Any]:
    """Likewise of one that fetches objects."""
    content = {MULTIPART: _BYTES, DICOM: _BYTES}
    responses = {200: {"description": "The objects.", "content": content}}
    return _describe(path, StreamingResponse, responses)


def describe_metadata(path: str) -> dict[str, Any]:
    """Likewise of one that fetches all but pixels."""
    content = {DICOM_JSON: {"schema": _DATASETS}, MULTIPART: _BYTES}
    responses = {200: {"description": "All but pixels.", "content": content}}
    return _describe(path, Response, responses)


STORE: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {"description": "All objects are stored.", **_STORED},
        202: {"description": "Some objects are stored; the others are named.", **_STORED},
        409: {"description": "No object is stored; each is named with the reason.", **_STORED},
    },
    "openapi_extra": {
        "parameters": [_ACCEPT],
        "requestBody": {"required": True, "content": {MULTIPART: _BYTES, DICOM: _BYTES}},
    },
}
"""What FastAPI is told of a route that stores; of its path it reads the study itself."""


def _describe(
    path: str,
    response_class: type[Response],
    responses: dict[int, Any],
    query: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    of_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": _OF_PATH[name],
        }
        for name in re.findall(r"{(\w+)}", path)
    ]
    return {
        "response_class": response_class,
        "responses": responses,
        "openapi_extra": {"parameters": [*of_path, *query, _ACCEPT]},
    }
