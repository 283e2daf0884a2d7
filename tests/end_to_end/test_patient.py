"""A real patient through HTTP, Celery, Redis and the cascade, against the clinic's contours."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from contouring.dicom_series import read_series
from contouring.rasters import dice, read_masks
from models.training.case_series import enlarged, write_case
from models.training.cases import STRUCTURES, TrainingCase, read_cases
from service.client import Client
from tests.judges import dciodvfy_errors
from tests.keys import KEY

COLUMNS = 512
LEAST_DICE = 0.6  # one patient, not the mean: far below it something is broken, not merely worse


@pytest.fixture(scope="module")
def patient(openkbp: Path) -> TrainingCase:
    """The first patient of the `val` split with all seven structures drawn."""
    return next(case for case in read_cases(openkbp, "val") if case.is_drawn.all())


def test_a_patient_comes_back_with_contours_like_the_clinics(
    server: str, patient: TrainingCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The main job, as a department does it: 512 x 512 CT in, RTSTRUCT out."""
    files = write_case(patient, tmp_path / "ct", COLUMNS)
    with Client(server, KEY) as client:
        (job,) = client.send(files, {})["jobs"]
        *_, last = client.follow(job["id"])
        assert last["state"] == "done", last
        rtstruct = client.fetch(f"/v1/jobs/{job['id']}/rtstruct")

    (tmp_path / "rtstruct.dcm").write_bytes(rtstruct)
    masks = read_masks(rtstruct, read_series(tmp_path / "ct"))
    truth = enlarged(patient, COLUMNS).labels
    scores = {name: dice(masks[name], truth == k) for k, name in enumerate(STRUCTURES, start=1)}

    assert job["model"]["name"] == "hn-oar"  # what runs when nobody names a model
    with capsys.disabled():
        rows = "\n".join(f"  {name:<12} {score:.3f}" for name, score in scores.items())
        sys.stdout.write(f"\nDice of {patient.name}, {COLUMNS} x {COLUMNS}:\n{rows}\n")
    assert dciodvfy_errors(tmp_path / "rtstruct.dcm") == []
    assert min(scores[name] for name in ("Brainstem", "Parotid_R", "Parotid_L")) >= LEAST_DICE
    assert scores["Mandible"] >= LEAST_DICE
