"""What validators of others say of every template's file, in every patient position."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread

from contouring.template import HoleEncoding
from tests.end_to_end.phantom_runs import TEMPLATES, PhantomRun
from tests.iod_tables import highdicom_findings
from tests.judges import dciodvfy_errors, drtdump_warnings

# dicom3tools of 2022 does not know the value that PS3.3 C.8.8.6.3 has for a hole since 2014.
UNKNOWN_TO_DCIODVFY = "Unrecognized enumerated value <CLOSEDPLANAR_XOR>"


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_validator_finds_a_fault(phantom_run: PhantomRun, template: str) -> None:
    """A planning system may refuse a file for any of them, or worse, mend it in silence."""
    rtstruct = phantom_run.rtstructs[template]

    errors = dciodvfy_errors(rtstruct)
    warnings = drtdump_warnings(rtstruct)
    findings = highdicom_findings(rtstruct)

    if TEMPLATES[template].holes is HoleEncoding.XOR:
        errors = [line for line in errors if UNKNOWN_TO_DCIODVFY not in line]
    assert (errors, warnings, findings) == ([], [], [])


@pytest.fixture
def sound(phantom_run: PhantomRun, tmp_path: Path) -> Path:
    """A copy of a sound file, to be spoilt."""
    copy = tmp_path / "rtstruct.dcm"
    copy.write_bytes(phantom_run.rtstructs["generic"].read_bytes())
    return copy


@pytest.mark.parametrize("phantom_run", ["HFS"], indirect=True)
@pytest.mark.parametrize(
    ("keyword", "finding"),
    [
        ("OperatorsName", "OperatorsName: missing, type 2"),
        ("StructureSetLabel", "StructureSetLabel: missing, type 1"),
        ("ROIContourSequence", "ROIContourSequence: missing or empty"),
        ("RTROIObservationsSequence", "RTROIObservationsSequence: missing or empty"),
    ],
)
def test_the_tables_miss_what_is_taken_away(sound: Path, keyword: str, finding: str) -> None:
    """A judge who never finds anything is none."""
    dataset = dcmread(sound)
    delattr(dataset, keyword)
    dataset.save_as(sound)

    assert finding in highdicom_findings(sound)


@pytest.mark.parametrize("phantom_run", ["HFS"], indirect=True)
def test_the_tables_find_what_belongs_elsewhere_and_what_is_empty(sound: Path) -> None:
    """Attributes of images, and a contour without points, at their depth."""
    dataset = dcmread(sound)
    dataset.SliceThickness = 3
    contour = dataset.ROIContourSequence[0].ContourSequence[1]
    contour.ContourData = None

    dataset.save_as(sound)

    assert sorted(highdicom_findings(sound)) == [
        "ROIContourSequence[1].ContourSequence[2].ContourData: empty, type 1",
        "SliceThickness: not in the tables",
    ]


@pytest.mark.parametrize("phantom_run", ["HFS"], indirect=True)
def test_drtdump_and_dciodvfy_complain_of_a_missing_attribute(sound: Path) -> None:
    """Their silence is worth something only if they can speak."""
    dataset = dcmread(sound)
    del dataset.StructureSetROISequence[0].ROINumber
    dataset.save_as(sound)

    assert drtdump_warnings(sound)
    assert dciodvfy_errors(sound)
