"""The phantom through HTTP, Celery, Redis and the cascade, against its true contours."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from contouring.phantom import HEAD_AND_NECK, PhantomStructure
from contouring.phantom_scan import Scan
from contouring.phantom_series import write_phantom
from service.client import Client
from tests.phantoms import FloatArray, deviation, drawn_contours

MEAN_MM = 0.05
LARGEST_MM = 0.5
VOLUME_ERROR = 0.01
NODULE_VOLUME_ERROR = 0.08


@pytest.fixture(scope="module")
def contours(
    server: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[int, list[FloatArray]]]:
    """What the server drew, by structure and slice."""
    files = write_phantom(tmp_path_factory.mktemp("phantom"))
    return drawn_contours(pydicom.dcmread(BytesIO(_contoured(server, files))), files)


def _contoured(server: str, files: list[Path]) -> bytes:
    with Client(server) as client:
        (job,) = client.send(files, {"model": "commissioning"})["jobs"]
        *_, last = client.follow(job["id"])
        assert last["state"] == "done", last
        return client.fetch(f"/v1/jobs/{job['id']}/rtstruct")


@pytest.mark.parametrize("structure", HEAD_AND_NECK.structures, ids=lambda s: s.name)
def test_each_structure_comes_back_where_it_truly_is(
    structure: PhantomStructure, contours: dict[str, dict[int, list[FloatArray]]]
) -> None:
    """What a department would check before it trusts a contour: place and volume, in mm."""
    found = deviation(structure.shape, Scan(), contours[structure.name])

    assert found.missed_slices == found.extra_slices == ()
    assert found.mean_mm <= MEAN_MM
    assert found.largest_off_poles_mm <= LARGEST_MM
    limit = NODULE_VOLUME_ERROR if structure.name == "Nodule5" else VOLUME_ERROR
    assert abs(found.volume_error) <= limit
