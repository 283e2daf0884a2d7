"""A structure set to send, and servers to send it to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contouring.tiny_structure_sets import PAROTID, written
from tests.workers.destinations.http_servers import HttpServer, run_http_server
from workers.destinations.parcels import Parcel, read_parcel


@pytest.fixture
def parcel(tmp_path: Path) -> Parcel:
    """A small structure set."""
    content, _ = written(tmp_path / "ct", PAROTID)
    file = tmp_path / "generic.rtstruct.dcm"
    file.write_bytes(content)
    return read_parcel(file, "0ddba11", "generic")


@pytest.fixture
def http_server() -> Iterator[HttpServer]:
    """A server on this machine."""
    with run_http_server() as running:
        yield running
