"""Bodies of STOW-RS requests as senders write them, and what their answers say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

BOUNDARY = "myboundary"
MULTIPART = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def join_parts(*objects: bytes, before: str = "", after: str = "\r\n", headers: str = "") -> bytes:
    """Objects in one body; `headers`: more of each part's, each with its line end."""
    head = f"Content-Type: application/dicom\r\n{headers}\r\n".encode()
    parts = [b"--" + BOUNDARY.encode() + b"\r\n" + head + one + b"\r\n" for one in objects]
    return before.encode() + b"".join(parts) + f"--{BOUNDARY}--{after}".encode()


def in_pieces(body: bytes, size: int) -> Iterator[bytes]:
    """A body whose length is not announced."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def store(
    http: httpx.Client, *objects: bytes, study: str = "", accept: str = "*/*"
) -> httpx.Response:
    """Send objects in one request."""
    return http.post(
        "/dicom-web/studies" + (f"/{study}" if study else ""),
        content=join_parts(*objects),
        headers={"Content-Type": MULTIPART, "Accept": accept},
    )


def list_stored(answer: httpx.Response) -> list[str]:
    """SOP Instance UIDs of what an answer says is stored."""
    return _list(answer.json(), "00081199")


def list_failed(answer: httpx.Response) -> list[tuple[str, int]]:
    """SOP Instance UIDs, and the reasons, of what an answer says is not stored."""
    items = answer.json().get("00081198", {"Value": []})["Value"]
    reasons = [item["00081197"]["Value"][0] for item in items]
    return list(zip(_list(answer.json(), "00081198"), reasons, strict=True))


def _list(module: Mapping[str, Any], tag: str) -> list[str]:
    items = module.get(tag, {"Value": []})["Value"]
    return [item["00081155"]["Value"][0] for item in items]
