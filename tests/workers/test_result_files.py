"""A result's files, records and report tell the same."""

from __future__ import annotations

import json

import pytest

from contouring.composition import Account
from contouring.drafts import Output
from contouring.lint import LintFinding, Severity
from contouring.notices import Notice
from contouring.pipeline import Contouring
from contouring.release_check import ReleaseReport, StructureAgreement
from contouring.structures import Status
from workers.jobs import OutputRecord
from workers.result_files import build_files, build_output_records, build_structure_records

FLAG = Notice("cut-by-scan-end", "It reaches the last slice.")
DRAWN = Account("Cord~", "SpinalCord", Status.CONTOURED, "", 20.5, 40, 41, (FLAG,))
MISSED = Account("Larynx", "Larynx", Status.NOT_IN_SCAN, "The model found none of it.")
RELEASE = ReleaseReport(
    agreements=(StructureAgreement("Cord~", 20.5, 20.4, 0.998),),
    findings=(LintFinding(Severity.NOTE, "rule", "PS3.3 C.8.8.6", "ROI 1", "text"),),
    breaches=(),
)


@pytest.fixture
def contouring() -> Contouring:
    """One template with a segmentation, one without."""
    return Contouring(
        outputs=(
            Output("eclipse", b"first", None, (DRAWN, MISSED), RELEASE),
            Output("monaco", b"second", b"segments", (DRAWN,), RELEASE),
        ),
        preview_png=b"picture",
        warnings=(Notice("uneven-spacing", "Slices are 2.5 to 5.0 mm apart."),),
        stage_seconds={"read": 0.5},
    )


def test_every_template_has_files_of_its_own(contouring: Contouring) -> None:
    """Beside them the picture and the report, which are of the whole."""
    files = build_files(contouring, {"any": "report"})

    report = json.loads(files.pop("report.json"))
    assert report == {"any": "report"}
    assert files == {
        "eclipse.rtstruct.dcm": b"first",
        "monaco.rtstruct.dcm": b"second",
        "monaco.seg.dcm": b"segments",
        "preview.png": b"picture",
    }


def test_the_records_name_files_that_are_there(contouring: Contouring) -> None:
    """What a job shows is fetched by these names."""
    records = build_output_records(contouring)

    files = build_files(contouring, {})
    assert records == (
        OutputRecord("eclipse", "eclipse.rtstruct.dcm"),
        OutputRecord("monaco", "monaco.rtstruct.dcm", "monaco.seg.dcm"),
    )
    named = {name for one in records for name in (one.rtstruct, one.segmentation) if name}
    assert named <= set(files)


def test_every_structure_of_every_template_is_accounted_for(contouring: Contouring) -> None:
    """Also what was not found, with its reason."""
    records = build_structure_records(contouring)

    assert [(one.template, one.name, one.status) for one in records] == [
        ("eclipse", "Cord~", Status.CONTOURED),
        ("eclipse", "Larynx", Status.NOT_IN_SCAN),
        ("monaco", "Cord~", Status.CONTOURED),
    ]
    assert records[0].flags == (FLAG,)
    assert records[1].reason == "The model found none of it."
