"""Which form of an answer a client accepts (PS3.18 8.7)."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request

from workers.instances import build_shown_words

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
MULTIPART = "multipart/related"


@dataclass(frozen=True)
class AcceptedType:
    """One entry of an Accept header; of a multipart type, `inner` is that of its parts."""

    name: str
    inner: str
    transfer_syntax: str
    quality: float


def find_accept(request: Request) -> str | None:
    """What a request accepts: the query parameter of PS3.18 8.3.3.1, or all headers together."""
    headers = request.headers.getlist("accept")
    return request.query_params.get("accept") or ", ".join(headers) or None


def read_accept(header: str | None) -> tuple[AcceptedType, ...]:
    """The entries of an Accept header, the most wanted first."""
    entries = [_read_entry(text) for text in _split(header or "*/*")]
    return tuple(sorted(entries, key=lambda entry: -entry.quality))


def pick_type(header: str | None, offered: tuple[str, ...]) -> str:
    """The first of `offered` that the client takes at its best; raises 406 where it takes none."""
    for entry in read_accept(header):
        for name in offered:
            if entry.quality > 0 and _matches(entry, name):
                return name
    shown = build_shown_words(header or "")
    raise HTTPException(
        HTTPStatus.NOT_ACCEPTABLE, f"this answers {' or '.join(offered)}, not {shown}"
    )


def _matches(entry: AcceptedType, name: str) -> bool:
    kind = name.partition("/")[0]
    # A client that wants plain JSON reads DICOM's.
    plain = name.replace("dicom+", "")
    return entry.name in ("*/*", f"{kind}/*", name, plain) or (
        entry.name == MULTIPART and entry.inner == name == DICOM_XML
    )


def _split(header: str) -> list[str]:
    """At commas outside quotes."""
    entries, is_quoted, current = [], False, ""
    for letter in header:
        if letter == '"':
            is_quoted = not is_quoted
        if letter == "," and not is_quoted:
            entries.append(current)
            current = ""
        else:
            current += letter
    return [entry for entry in (*entries, current) if entry.strip()]


def _read_entry(text: str) -> AcceptedType:
    # Of the query parameter it may hold any character, which no media type does.
    name, options = parse_options_header(text.strip().encode("latin-1", "replace"))
    try:
        quality = float(options.get(b"q", b"1"))
    except ValueError:
        quality = 1.0
    return AcceptedType(
        name=name.decode("latin-1").lower(),
        inner=options.get(b"type", b"").decode("latin-1").lower(),
        transfer_syntax=options.get(b"transfer-syntax", b"").decode("latin-1"),
        quality=quality,
    )
