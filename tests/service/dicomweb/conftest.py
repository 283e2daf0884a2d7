"""A site: a server that knows its senders, and an Orthanc that sends to it and is asked by it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from contouring.phantom_series import SeriesHeader
from tests.dicom_peers import Orthanc, run_orthanc
from tests.phantoms import write_small_series
from tests.service.conftest import OWN_TEMPLATES, Server, run_ready_server
from tests.service.dicomweb.peers import RULES, SILENT, connect, introduce, write_sources
from tests.workers.processes import find_free_port

MEBIBYTE = 2**20
NUMBERS = itertools.count()


@dataclass(frozen=True)
class Ports:
    """Where the site's Orthanc listens."""

    http: int
    dicom: int


@pytest.fixture(scope="session")
def ports() -> Ports:
    """Chosen before either is started, for each must know the other."""
    return Ports(find_free_port(), find_free_port())


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, ports: Ports) -> Iterator[Server]:
    """A server that waits a second or a day for more, as the sender is."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sources.yaml").write_text(write_sources(ports.http, ports.dicom))
    (folder / "rules.yaml").write_text(RULES)
    name = "with-segmentation"
    (folder / "templates").mkdir()
    (folder / "templates" / f"{name}.yaml").write_text(OWN_TEMPLATES[name])
    environment = {
        "OARLOCK_SOURCES": str(folder / "sources.yaml"),
        "OARLOCK_RULES": str(folder / "rules.yaml"),
        "OARLOCK_TEMPLATES": str(folder / "templates"),
        "OARLOCK_UPLOAD_BYTES": str(64 * MEBIBYTE),
        "OARLOCK_UPLOAD_FILES": "100",
        "OARLOCK_SERIES_FILES": "40",
        "OARLOCK_RESERVE_BYTES": "0",
    }
    with run_ready_server(folder, environment) as server:
        yield server


@pytest.fixture(scope="session")
def orthanc(
    tmp_path_factory: pytest.TempPathFactory, site: Server, ports: Ports
) -> Iterator[Orthanc]:
    """An archive that sends to the server and that the server asks."""
    folder = tmp_path_factory.mktemp("orthanc")
    with run_orthanc(folder, ports.http, ports.dicom) as orthanc:
        introduce(orthanc, site)
        yield orthanc


@pytest.fixture
def sender(site: Server) -> Iterator[httpx.Client]:
    """A sender whose objects are kept and not judged."""
    with connect(site, SILENT) as http:
        yield http


@pytest.fixture
def write_series(tmp_path: Path) -> Callable[..., list[bytes]]:
    """A CT series of 20 slices that no other test has; as `header` says."""

    def write(**header: object) -> list[bytes]:
        number = next(NUMBERS)
        files = write_small_series(
            tmp_path / f"ct-{number}", header=SeriesHeader(seed=f"dicomweb {number}", **header)
        )
        return [file.read_bytes() for file in files]

    return write


@pytest.fixture
def slices(write_series: Callable[..., list[bytes]]) -> list[bytes]:
    """One such series."""
    return write_series()
