"""A DICOM node for several tests, each of which sends objects of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from contouring.phantom_series import SeriesHeader
from tests.phantoms import write_small_series
from tests.service.dimse.peers import RunningNode, run_node


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that takes from everybody."""
    with run_node(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    """The files of a small CT series that nobody sent before."""
    return write_small_series(tmp_path / "ct", header=SeriesHeader(seed=generate_uid()))
