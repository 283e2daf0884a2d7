"""An evening's series, the archive that forwards them and takes the results, and the rules."""

from __future__ import annotations

import io
import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
import pydicom
from pydicom.uid import UID

from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import SeriesHeader
from contouring.phantom_shapes import Sphere
from tests.contouring.tiny_structure_sets import PAROTID, written
from tests.dicom_peers import Orthanc, run_orthanc
from tests.keys import KEY
from tests.phantoms import SMALL_SCAN, write_small_series
from tests.service.answers import change_dataset
from tests.workers.processes import wait_until

NUMBERS = itertools.count()
LONG_SCAN = Scan(
    rows=64,
    columns=64,
    row_spacing_mm=1.0,
    column_spacing_mm=1.0,
    slice_offsets_mm=even_offsets(160, 1.0),
)
"""Takes long enough to be sent that its sender can be killed over it."""

RULES = """
format: 1
rules:
- name: quality-assurance
  match: {attribute: SeriesDescription, contains: QA}
  refuse: A phantom of the quality assurance is not contoured.
- name: next-model
  mode: shadow
  match: {attribute: SeriesDescription, contains: Shadow}
  model: commissioning
  templates: [monaco]
- name: head-and-neck
  match: {attribute: SeriesDescription, contains: Neck}
  model: commissioning
  templates: [eclipse]
  destinations: [pacs-by-stow]
- name: thorax
  match: {attribute: SeriesDescription, contains: Thorax}
  model: commissioning
  templates: [generic]
  destinations: [pacs-by-store]
default: {model: commissioning}
"""


class Way(StrEnum):
    """How the archive sends a series."""

    STOW = "stow"
    STORE = "dimse"


@dataclass(frozen=True)
class Series:
    """One series of the evening: `fate` and `words` are what arrivals must say of it."""

    way: Way
    contents: Sequence[bytes]
    fate: str = "accepted"
    words: str = "no slice is missing"
    comes_back: bool = False
    jobs: int = 1

    @property
    def header(self) -> pydicom.Dataset:
        """Of its first object."""
        return read_header(self.contents[0])

    @property
    def uid(self) -> str:
        """Series Instance UID."""
        return str(self.header.SeriesInstanceUID)

    @property
    def instance_uids(self) -> set[str]:
        """SOP Instance UIDs."""
        return {str(read_header(one).SOPInstanceUID) for one in self.contents}


def read_header(content: bytes) -> pydicom.Dataset:
    """What an object says of itself."""
    return pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)


def write_ct(folder: Path, description: str, scan: Scan = SMALL_SCAN) -> list[bytes]:
    """A CT that no other series is like."""
    number = next(NUMBERS)
    header = SeriesHeader(
        patient_name=f"Evening^{number}",
        patient_id=f"EVENING-{number}",
        series_description=description,
        seed=f"evening {number}",
    )
    ball = Sphere((3.3, -2.1, 0.7), 8.0 + number % 5)
    files = write_small_series(folder / f"ct-{number}", scan, ball, header)
    return [file.read_bytes() for file in files]


def write_other(folder: Path, modality: str, sop_class: str, count: int = 3) -> list[bytes]:
    """Objects of another kind, with a CT's headers."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.Modality = modality
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)

    slices = write_ct(folder, f"Neck {modality}")[:count]
    return [change_dataset(one, change) for one in slices]


def write_scout(folder: Path) -> list[bytes]:
    """Localizers, which are CT images and no slices."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    return [change_dataset(one, change) for one in write_ct(folder, "Neck scout")[:2]]


def write_evening(folder: Path) -> list[Series]:
    """Eighteen series of all kinds, sent half by one way and half by the other."""
    stow, store = Way.STOW, Way.STORE
    planned: dict[str, Any] = {"comes_back": True}
    gap: dict[str, Any] = {"fate": "incomplete", "words": "between", "jobs": 0}
    other: dict[str, Any] = {"fate": "ignored", "words": "It is no CT", "jobs": 0}
    refusal = "A phantom of the quality assurance is not contoured."
    holed = [write_ct(folder, name) for name in ("Neck", "Thorax")]
    rtstruct, _ = written(folder / "drawn", PAROTID)
    return [
        Series(stow, write_ct(folder, "Neck", LONG_SCAN), **planned),
        Series(store, write_ct(folder, "Thorax", LONG_SCAN), **planned),
        Series(stow, write_ct(folder, "Neck"), **planned),
        Series(store, write_ct(folder, "Neck"), **planned),
        Series(store, write_ct(folder, "Neck"), **planned),
        Series(stow, write_ct(folder, "Thorax"), **planned),
        Series(stow, write_ct(folder, "Thorax"), **planned),
        Series(store, write_ct(folder, "Thorax"), **planned),
        Series(stow, write_ct(folder, "Abdomen")),
        Series(stow, write_ct(folder, "QA"), "refused", refusal, jobs=0),
        Series(store, write_ct(folder, "Shadow"), jobs=2),
        Series(store, write_scout(folder), "ignored", "localizer", jobs=0),
        Series(stow, write_other(folder, "MR", "1.2.840.10008.5.1.4.1.1.4"), **other),
        Series(store, write_other(folder, "PT", "1.2.840.10008.5.1.4.1.1.128"), **other),
        Series(stow, write_other(folder, "SR", "1.2.840.10008.5.1.4.1.1.88.11", 1), **other),
        Series(store, [rtstruct], **other),
        Series(stow, [*holed[0][:7], *holed[0][8:]], **gap),
        Series(store, [*holed[1][:12], *holed[1][13:]], **gap),
    ]


@dataclass
class Pacs:
    """The archive: stopped and started as often as one likes, at the same ports."""

    folder: Path
    http_port: int
    dicom_port: int
    oarlock_url: str
    oarlock_port: int
    orthanc: Orthanc | None = None
    refused: dict[Way, int] = field(default_factory=lambda: dict.fromkeys(Way, 0))
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it, and let it know the server both ways."""
        running = run_orthanc(self.folder, self.http_port, self.dicom_port)
        self.orthanc = self._running.enter_context(running)
        server = {"Url": f"{self.oarlock_url}/dicom-web/", "Username": "first", "Password": KEY}
        node = {"AET": "OARLOCK", "Host": "127.0.0.1", "Port": self.oarlock_port}
        self._put("/dicom-web/servers/oarlock", server)
        self._put("/modalities/oarlock", node)

    def stop(self) -> None:
        """Stop it, as its operator would."""
        self._running.close()

    def kill(self) -> None:
        """As the kernel would."""
        assert self.orthanc is not None
        self.orthanc.process.kill()
        self.orthanc.process.wait()
        self._running.close()

    def upload(self, contents: Sequence[bytes]) -> None:
        """Give it objects."""
        for content in contents:
            self.http.post("/instances", content=content).raise_for_status()

    def forward(self, series: Series) -> None:
        """Let it send a series, again and again until that succeeds."""
        wait_until(lambda: self._try_forwarding(series), f"{series.uid} to be sent", 240.0)

    def list_structure_sets(self) -> list[pydicom.Dataset]:
        """Every RTSTRUCT that it has."""
        wanted = {"Level": "Instance", "Query": {"Modality": "RTSTRUCT"}}
        found = self.http.post("/tools/find", json=wanted).raise_for_status().json()
        files = [self.http.get(f"/instances/{name}/file").raise_for_status() for name in found]
        return [pydicom.dcmread(io.BytesIO(file.content)) for file in files]

    @property
    def http(self) -> httpx.Client:
        """Its own API."""
        assert self.orthanc is not None
        return self.orthanc.http

    def _put(self, address: str, content: dict[str, Any]) -> None:
        self.http.put(address, json=content).raise_for_status()

    def _try_forwarding(self, series: Series) -> bool:
        address = {
            Way.STOW: "/dicom-web/servers/oarlock/stow",
            Way.STORE: "/modalities/oarlock/store",
        }[series.way]
        # A client of its own: that of the archive is closed with it.
        base = f"http://127.0.0.1:{self.http_port}"
        try:
            with httpx.Client(base_url=base, trust_env=False, timeout=60.0) as http:
                (found,) = http.post("/tools/lookup", content=series.uid).json()
                asked = {"Resources": [found["ID"]], "Synchronous": True}
                sent = http.post(address, json=asked).is_success
        except httpx.TransportError:
            sent = False
        self.refused[series.way] += not sent
        return sent


@contextmanager
def forwarding(pacs: Pacs, evening: Sequence[Series]) -> Iterator[None]:
    """The archive sends all of it, both ways at once; at the end of the block all is sent."""
    failures: list[BaseException] = []

    def send(way: Way) -> None:
        try:
            for series in evening:
                if series.way is way:
                    pacs.forward(series)
        except AssertionError as failure:
            failures.append(failure)

    senders = [threading.Thread(target=send, args=[way]) for way in Way]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        for sender in senders:
            sender.join()
    assert failures == []


def write_configuration(folder: Path, http_port: int, dicom_port: int) -> dict[str, str]:
    """Rules, sources and destinations of a site with one archive, and settings that name them."""
    dicomweb = f"http://127.0.0.1:{http_port}/dicom-web"
    source = {
        "name": "pacs",
        "address": "127.0.0.1",
        "quiet_seconds": 1,
        "incomplete_seconds": 15,
        "count": {"qido": {"url": dicomweb}},
    }
    node = {"host": "127.0.0.1", "port": dicom_port, "called_ae": "ORTHANC"}
    destinations = [
        {"name": "pacs-by-stow", "kind": "stow", "url": dicomweb, "allow_local": True},
        {"name": "pacs-by-store", "kind": "cstore", **node, "allow_local": True},
    ]
    # JSON is YAML.
    files = {
        "rules": RULES,
        "sources": json.dumps({"format": 1, "sources": [source]}),
        "destinations": json.dumps({"format": 1, "destinations": destinations}),
    }
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    return {f"OARLOCK_{name.upper()}": str(folder / f"{name}.yaml") for name in files}
