"""The phantom through HTTP, Celery, Redis and the cascade, against its true contours."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from contouring.dicom_series import read_series
from contouring.phantom import HEAD_AND_NECK, PhantomStructure
from contouring.phantom_deviation import deviation, drawn_contours
from contouring.phantom_scan import Scan
from contouring.phantom_series import write_phantom
from contouring.phantom_shapes import FloatArray
from contouring.rasters import dice, read_masks
from service.client import Client
from tests.judges import dciodvfy_errors, plastimatch_masks
from tests.keys import KEY

MEAN_MM = 0.05
LARGEST_MM = 0.5
VOLUME_ERROR = 0.01
NODULE_VOLUME_ERROR = 0.08
SAME_VOXELS = 0.998


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The phantom's slices, alone in their folder."""
    return write_phantom(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def rtstruct(server: str, files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server made of them."""
    with Client(server, KEY) as client:
        (job,) = client.send(files, {"model": "commissioning"})["jobs"]
        *_, last = client.follow(job["id"])
        assert last["state"] == "done", last
        result = tmp_path_factory.mktemp("result") / "rtstruct.dcm"
        result.write_bytes(client.fetch(f"/v1/jobs/{job['id']}/rtstruct"))
        return result


@pytest.fixture(scope="module")
def contours(rtstruct: Path, files: list[Path]) -> dict[str, dict[int, list[FloatArray]]]:
    """Its contours by structure and slice."""
    return drawn_contours(pydicom.dcmread(rtstruct), files)


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


def test_the_file_is_valid(rtstruct: Path) -> None:
    """A planning system may refuse what a validator finds wrong."""
    assert dciodvfy_errors(rtstruct) == []


def test_another_reader_finds_the_same_voxels(
    rtstruct: Path, files: list[Path], tmp_path: Path
) -> None:
    """Holes and islands included: our own reader could share a fault with our writer."""
    ours = read_masks(rtstruct.read_bytes(), read_series(files[0].parent))

    theirs = plastimatch_masks(rtstruct, files[0].parent, tmp_path)

    assert set(theirs) == set(ours)
    assert {name: dice(ours[name], theirs[name]) >= SAME_VOXELS for name in ours} == dict.fromkeys(
        ours, True
    )
