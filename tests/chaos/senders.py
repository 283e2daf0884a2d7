"""Senders of single objects, by STOW-RS and C-STORE, and what they were promised."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pydicom
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association

from contouring.phantom_series import derived_uid
from tests.chaos.patients import CANARY
from tests.chaos.site import QUICK, Site
from tests.service.dicomweb.bodies import MULTIPART, join_parts
from tests.workers.processes import find_free_port

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # connections are cut on purpose

NODE = "OARLOCK"
DAY_SECONDS = 86_400
RULES = "format: 1\ndefault: {model: commissioning}\n"
META_LENGTH = slice(140, 144)  # (0002,0000) of a Part 10 file, after preamble and magic
STORED = 0x0000


@dataclass
class Ledger:
    """SHA-256 (hex) of data sets by SOP Instance UID; `acknowledged`: those a sender may forget."""

    sent: dict[str, str] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)

    def note_sent(self, contents: Sequence[bytes]) -> None:
        """These are on their way."""
        for content in contents:
            self.sent[read_uid(content)] = hash_dataset(content)

    def note_stow(self, answer: bytes) -> None:
        """What the body of a STOW-RS answer says is stored."""
        items = json.loads(answer).get("00081199", {"Value": []})["Value"]
        self.acknowledged |= {item["00081155"]["Value"][0] for item in items}


def read_uid(content: bytes) -> str:
    """SOP Instance UID of an object."""
    header = pydicom.dcmread(io.BytesIO(content), specific_tags=["SOPInstanceUID"])
    return str(header.SOPInstanceUID)


def hash_dataset(content: bytes) -> str:
    """Of all behind the meta group, which each program writes in its own way (PS3.10 7.1)."""
    start = META_LENGTH.stop + int.from_bytes(content[META_LENGTH], "little")
    return hashlib.sha256(content[start:]).hexdigest()


def copy_slice(content: bytes, series: str, count: int) -> list[bytes]:
    """Objects like one slice, of a series of that name; faster made than new ones."""
    header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
    names = {"SeriesInstanceUID": series, "StudyInstanceUID": f"study of {series}"}
    for keyword, name in names.items():
        content = _replace_uid(content, str(header[keyword].value), name)
    uid = str(header.SOPInstanceUID)
    return [_replace_uid(content, uid, f"{series} {number}") for number in range(count)]


def _replace_uid(content: bytes, uid: str, name: str) -> bytes:
    """The new one is as long as the old one, so that no length in the file changes."""
    prefix, _, digits = uid.rpartition(".")
    new = derived_uid(name).rpartition(".")[2].rjust(len(digits), "1")[-len(digits) :]
    return content.replace(uid.encode(), f"{prefix}.1{new[1:]}".encode())


def set_up(
    folder: Path,
    quiet_seconds: float = DAY_SECONDS,
    files: Mapping[str, str] | None = None,
    **more: str,
) -> dict[str, str]:
    """Environment of a site that has a DICOM node and knows one sender, which sends whole series.

    Unless its time of quiet is given, nothing is judged for a day: objects are all there is to
    judge. `files`: the site's own rules or destinations.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_whole = quiet_seconds < DAY_SECONDS
    sender: dict[str, Any] = {"name": "sender", "address": "127.0.0.1"}
    sender |= {"quiet_seconds": quiet_seconds, "incomplete_seconds": quiet_seconds}
    sources = {"format": 1, "sources": [{**sender, "sends_whole_series": is_whole}]}
    written = {"sources": json.dumps(sources), "rules": RULES, **(files or {})}
    for name, content in written.items():
        (folder / f"{name}.yaml").write_text(content)
    named = {f"OARLOCK_{name.upper()}": str(folder / f"{name}.yaml") for name in written}
    return {**QUICK, **named, "OARLOCK_DIMSE_PORT": str(find_free_port()), **more}


def build_stow(site: Site, contents: Sequence[bytes]) -> bytes:
    """A STOW-RS request as it goes over the wire."""
    request = site.http.build_request(
        "POST",
        "/dicom-web/studies",
        content=join_parts(*contents),
        headers={"Content-Type": MULTIPART},
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST /dicom-web/studies HTTP/1.1\r\n{head}\r\n".encode() + request.read()


def stow(http: httpx.Client, contents: Sequence[bytes], ledger: Ledger) -> httpx.Response:
    """Send objects in one request, and note what is acknowledged."""
    ledger.note_sent(contents)
    headers = {"Content-Type": MULTIPART}
    answer = http.post("/dicom-web/studies", content=join_parts(*contents), headers=headers)
    if answer.headers.get("content-type") == "application/dicom+json":
        ledger.note_stow(answer.content)
    return answer


@contextmanager
def associate(site: Site) -> Iterator[Association]:
    """An association with the site's node; it may be none that is established."""
    entity = AE("CHAOS")
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    port = int(site.environment["OARLOCK_DIMSE_PORT"])
    association = entity.associate("127.0.0.1", port, ae_title=NODE)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def store(association: Association, content: bytes, ledger: Ledger) -> int | None:
    """C-STORE one object; the status, None where no answer came."""
    ledger.note_sent([content])
    try:
        answer = association.send_c_store(pydicom.dcmread(io.BytesIO(content)))
    except RuntimeError:  # the association is over
        return None
    status = answer.get("Status")
    if status == STORED:
        ledger.acknowledged.add(read_uid(content))
    return None if status is None else int(status)


def read_patient(files: Sequence[Path]) -> list[bytes]:
    """The objects of a patient."""
    contents = [file.read_bytes() for file in files]
    assert all(CANARY.encode() in content for content in contents)
    return contents
