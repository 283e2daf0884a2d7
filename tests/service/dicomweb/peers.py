"""Senders of one site: each connects from an address of its own, and has its own habits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import httpx
from dicomweb_client.api import DICOMwebClient

from tests.dicom_peers import Orthanc
from tests.keys import KEY, SHOWN
from tests.service.conftest import Server

ORTHANC = "127.0.0.1"
SILENT = "127.0.0.2"  # sends, and is not judged for a day
WHOLE = "127.0.0.3"
COUNTED_BY_QIDO = "127.0.0.4"
COUNTED_BY_FIND = "127.0.0.5"
QUICK = "127.0.0.6"
COUNTED_AND_IMPATIENT = "127.0.0.7"
PATIENT = "127.0.0.8"
COUNTED_BY_NOBODY = "127.0.0.9"
STRANGER = "127.0.0.99"


def write_sources(pacs_http_port: int, pacs_dicom_port: int) -> str:
    """The file of the senders; two of them are asked for numbers at an Orthanc."""
    qido = {"qido": {"url": f"http://127.0.0.1:{pacs_http_port}/dicom-web"}}
    find = {"find": {"host": "127.0.0.1", "port": pacs_dicom_port, "called_ae": "ORTHANC"}}
    day = {"quiet_seconds": 86_400, "incomplete_seconds": 86_400}
    soon = {"quiet_seconds": 2, "incomplete_seconds": 2}
    patient = {"quiet_seconds": 1, "incomplete_seconds": 86_400}
    nobody = {"qido": {"url": "http://127.0.0.1:9/dicom-web"}}
    sources = [
        {"name": "orthanc", "address": ORTHANC, "quiet_seconds": 2, "incomplete_seconds": 2},
        {"name": "silent", "address": SILENT, **day},
        {"name": "whole", "address": WHOLE, "sends_whole_series": True, **day},
        {"name": "counted-by-qido", "address": COUNTED_BY_QIDO, "count": qido, **day},
        {"name": "counted-by-find", "address": COUNTED_BY_FIND, "count": find, **day},
        {"name": "quick", "address": QUICK, **soon},
        {"name": "impatient", "address": COUNTED_AND_IMPATIENT, "count": qido, **soon},
        {"name": "patient", "address": PATIENT, **patient},
        {"name": "counted-by-nobody", "address": COUNTED_BY_NOBODY, "count": nobody, **patient},
    ]
    # JSON is YAML.
    return json.dumps({"format": 1, "unknown": "refuse", "sources": sources})


RULES = """
format: 1
default: {model: commissioning, templates: [with-segmentation]}
"""


@contextmanager
def connect(server: Server, address: str) -> Iterator[httpx.Client]:
    """A client of the server that comes from this address."""
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(
        base_url=server.url, headers=SHOWN, transport=transport, timeout=60, trust_env=False
    ) as http:
        yield http


def open_dicomweb_client(server: Server) -> DICOMwebClient:
    """The client of many research projects."""
    return DICOMwebClient(f"{server.url}/dicom-web", headers=SHOWN)


def introduce(orthanc: Orthanc, server: Server) -> None:
    """Let the archive know the server, as `oarlock`; nobody else may ask it by C-FIND."""
    # It knows no header of its own making, only a name and a password.
    address = {"Url": f"{server.url}/dicom-web/", "Username": "first", "Password": KEY}
    entity = {"AET": "OARLOCK", "Host": "127.0.0.1", "Port": 104}
    orthanc.http.put("/dicom-web/servers/oarlock", json=address).raise_for_status()
    orthanc.http.put("/modalities/oarlock", json=entity).raise_for_status()


def upload(orthanc: Orthanc, contents: Iterable[bytes]) -> None:
    """Give objects to the archive."""
    for content in contents:
        orthanc.http.post("/instances", content=content).raise_for_status()


def forward(orthanc: Orthanc, uid: str) -> httpx.Response:
    """Let the archive send a study or series to the server, ten objects a request."""
    (found,) = orthanc.http.post("/tools/lookup", content=uid).raise_for_status().json()
    return orthanc.http.post(
        "/dicom-web/servers/oarlock/stow", json={"Resources": [found["ID"]], "Synchronous": True}
    )
