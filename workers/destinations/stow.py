"""STOW-RS: a structure set to a DICOMweb server (PS3.18 10.5)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from contouring.errors import DeliveryError
from workers.destinations.http_peer import Answer, HttpPeer, explain
from workers.destinations.parcels import Parcel
from workers.destinations.store_status import DUPLICATE, name_status

CHUNK_BYTES = 2**16
REFERENCED, FAILED = "00081199", "00081198"  # ReferencedSOPSequence, FailedSOPSequence
INSTANCE_UID, WARNING, REASON = "00081155", "00081196", "00081197"  # of their items
JSON_TYPE = "application/dicom+json"


@dataclass(frozen=True)
class StowReceiver:
    """A DICOMweb server at its root, such as https://pacs/dicom-web."""

    peer: HttpPeer

    def send(self, parcel: Parcel) -> str:
        """Store it; success is what the server says of this instance, or what it shows of it."""
        answer = self._store(parcel)
        if not answer.is_success and answer.status != HTTPStatus.CONFLICT:
            raise explain(answer)
        module = _read_module(answer.body)
        reason = _find_value(module, FAILED, parcel, REASON)
        if reason == DUPLICATE:
            return "it was there already."
        if reason is not None:
            raise DeliveryError(f"it refused the structure set: {name_status(reason)}.")
        if not answer.is_success:
            raise explain(answer)
        warning = _find_value(module, REFERENCED, parcel, WARNING)
        if warning is None:
            return self._confirm(parcel, answer)
        return f"stored with a warning: {name_status(warning)}." if warning else ""

    def probe(self) -> str:
        """Whether it lets us in and answers a search (PS3.18 10.6)."""
        answer = self.peer.ask("GET", "/studies?limit=1", {"Accept": JSON_TYPE})
        if answer.is_success:
            return "it answers searches."
        asked = self.peer.ask("OPTIONS", "/studies")
        if answer.status in (401, 403) or not asked.is_success:
            raise explain(answer)
        return "it is there; it answers no searches."

    def _store(self, parcel: Parcel) -> Answer:
        boundary = parcel.job_id.replace("-", "")
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        length = len(head) + parcel.file.stat().st_size + len(tail)
        headers = {
            "Accept": JSON_TYPE,
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(length),  # not every server takes a body in chunks
        }
        return self.peer.ask("POST", "/studies", headers, _stream(head, parcel, tail))

    def _confirm(self, parcel: Parcel, answer: Answer) -> str:
        """Ask for what was sent, where the server has said nothing about it."""
        said = f"it answered HTTP {answer.status} without saying what it stored"
        query = urlencode({"SOPInstanceUID": parcel.sop_instance_uid})
        path = f"/studies/{parcel.study_instance_uid}/instances?{query}"
        found = self.peer.ask("GET", path, {"Accept": JSON_TYPE})
        if not found.is_success:
            return f"{said}, and cannot be asked (HTTP {found.status})."
        if parcel.sop_instance_uid.encode() not in found.body:
            raise DeliveryError(f"{said}, and does not have it.")
        return f"{said}; asked for it, it has it."


def _stream(head: bytes, parcel: Parcel, tail: bytes) -> Iterator[bytes]:
    yield head
    with parcel.file.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
    yield tail


def _read_module(body: bytes) -> dict[str, Any]:
    """The Store Instances Response Module; empty where there is none, or none in JSON."""
    try:
        module = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(module, list):  # some servers answer with a list of one
        module = module[0] if module else {}
    return module if isinstance(module, dict) else {}


def _find_value(module: dict[str, Any], sequence: str, parcel: Parcel, tag: str) -> int | None:
    """The code that a sequence's item for our instance has; 0: it has none; None: no such item."""
    for item in _list_values(module, sequence):
        if isinstance(item, dict) and parcel.sop_instance_uid in _list_values(item, INSTANCE_UID):
            codes = [code for code in _list_values(item, tag) if isinstance(code, int)]
            return codes[0] if codes else 0
    return None


def _list_values(item: dict[str, Any], tag: str) -> list[Any]:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []
