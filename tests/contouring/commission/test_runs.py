"""The whole commissioning, on an installation that is right and on some that are not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from contouring.commission.runs import CommissioningReport, Course, commission
from contouring.derivations import DerivedStructure, Expansion, Margins, Union
from contouring.phantom_scan import PATIENT_POSITIONS
from contouring.recipe import Cascade, Predictor, Segmenter
from contouring.structures import Structure
from contouring.template import Template, WantedStructure
from tests.contouring.commission.conftest import COURSE, STAMP, TEMPLATES
from tests.contouring.predictors import thresholds

ONE_POSITION = replace(COURSE, scans=COURSE.scans[1:])
PADDED = DerivedStructure(
    Structure(0, "Padded", (9, 9, 9)), Expansion("Sphere30", Margins.even(2.0))
)


@dataclass
class Mirrored:
    """A network that takes left for right."""

    network: Predictor

    def predict(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (channels, z, y, x) of the mirrored window."""
        return np.ascontiguousarray(self.network.predict(windows)[..., ::-1])


def with_network(cascade: Cascade, network: Predictor) -> Cascade:
    """The cascade with another network that sees the whole of a small scan at once."""
    stage = replace(cascade.segmenter.stage, window_zyx=(64, 64, 64))
    return replace(cascade, localizer=None, segmenter=Segmenter(stage, network))


def test_a_right_installation_passes(report: CommissioningReport) -> None:
    """Every structure of every file, and not because nothing was measured."""
    names = [[one.wanted.name for one in file.measurements] for file in report.positions[0].files]

    assert report.passed
    assert [position.position for position in report.positions] == ["HFS", "FFDR"]
    assert names == [["Sphere30", "Sphere8"], ["Small_L", "Large_R"]]


def test_everything_to_import_lies_beside_the_report(report: CommissioningReport) -> None:
    """A physicist takes one folder to the planning system."""
    folder = report.path.parent

    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.dcm"))

    assert [name for name in found if "ct/" not in name] == [
        f"{position}/{template}.rtstruct.dcm"
        for position in ("FFDR", "HFS")
        for template in ("clinic", "generic")
    ]
    assert sum("ct/" in name for name in found) == 2 * len(COURSE.scans[0].slice_offsets_mm)


def test_by_default_the_whole_phantom_goes_through_all_eight_positions() -> None:
    """What the command runs when nobody says otherwise."""
    course = Course()

    assert [scan.position for scan in course.scans] == list(PATIENT_POSITIONS)
    assert len(course.phantom.structures) == 11


def test_a_mirrored_installation_fails(tmp_path: Path, commissioning: Cascade) -> None:
    """The fault of a well-known tool, which no check of file against field can see."""
    mirrored = with_network(commissioning, Mirrored(commissioning.segmenter.predictor))

    report = commission(tmp_path / "new", mirrored, TEMPLATES, STAMP, course=ONE_POSITION)

    assert not report.passed
    assert not any(file.passed for file in report.positions[0].files)
    assert "FAIL: 2 of 2 structure sets" in report.path.read_text()


def test_a_network_in_the_same_place_that_mirrors_nothing_passes(
    tmp_path: Path, commissioning: Cascade
) -> None:
    """The mirror alone is what fails above."""
    same = with_network(commissioning, commissioning.segmenter.predictor)

    report = commission(tmp_path / "new", same, TEMPLATES, STAMP, course=ONE_POSITION)

    assert report.passed


def test_a_position_that_cannot_be_contoured_stands_in_the_report(
    tmp_path: Path, commissioning: Cascade
) -> None:
    """A crash would hide what the other positions say."""
    blind = with_network(commissioning, thresholds(*[9000.0] * 11))

    report = commission(tmp_path, blind, TEMPLATES, STAMP, course=ONE_POSITION)

    assert not report.passed
    assert "found none of its structures" in report.path.read_text()
    assert len(report.positions[0].pictures) > 1


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        (
            Template("other", structures=(WantedStructure("Parotid_L"),)),
            "It asks for none of the phantom&#x27;s structures",
        ),
        (
            Template(
                "eager",
                derived=(DerivedStructure(Structure(0, "Sum", (1, 1, 1)), Union(("Parotid_L",))),),
            ),
            "the model does not draw Parotid_L",
        ),
    ],
    ids=["foreign structures", "foreign sources"],
)
def test_a_template_that_the_phantom_cannot_serve_fails_alone(
    tmp_path: Path, commissioning: Cascade, template: Template, fault: str
) -> None:
    """A department's own templates are given with the shipped ones."""
    templates = (template, TEMPLATES[0])

    report = commission(tmp_path, commissioning, templates, STAMP, course=ONE_POSITION)

    assert [file.passed for file in report.positions[0].files] == [False, True]
    assert fault in report.path.read_text()


def test_only_templates_that_cannot_be_served_run_no_network(
    tmp_path: Path, commissioning: Cascade
) -> None:
    """And nothing passes for having nothing wrong with it."""
    foreign = Template("other", structures=(WantedStructure("Parotid_L"),))

    report = commission(tmp_path, commissioning, [foreign], STAMP, course=ONE_POSITION)

    assert not report.passed


def test_derived_structures_and_segmentations_are_written_and_named(
    tmp_path: Path, commissioning: Cascade
) -> None:
    """They have no truth to hold them against, and the report says that."""
    template = Template(
        "more",
        structures=(WantedStructure("Sphere30"), WantedStructure("Padded", "Padding")),
        derived=(PADDED,),
        with_segmentation=True,
    )

    report = commission(tmp_path, commissioning, [template], STAMP, course=ONE_POSITION)

    image = pydicom.dcmread(tmp_path / "FFDR" / "more.seg.dcm", stop_before_pixels=True)
    assert report.passed
    assert image.Modality == "SEG"
    assert "in the file but not measured: Padding." in report.path.read_text()


def test_a_folder_that_holds_something_is_refused(tmp_path: Path, commissioning: Cascade) -> None:
    """Old structure sets beside new ones would be imported with them."""
    (tmp_path / "old.dcm").write_bytes(b"")

    with pytest.raises(FileExistsError, match="not empty"):
        commission(tmp_path, commissioning, TEMPLATES, STAMP, course=ONE_POSITION)


def test_progress_runs_from_0_to_1_in_each_position(tmp_path: Path, commissioning: Cascade) -> None:
    """A bar for each."""
    heard: list[tuple[str, float]] = []

    commission(
        tmp_path,
        commissioning,
        TEMPLATES[:1],
        STAMP,
        lambda position, done: heard.append((position, done)),
        COURSE,
    )

    assert list(dict.fromkeys(position for position, _ in heard)) == ["HFS", "FFDR"]
    for position in ("HFS", "FFDR"):
        fractions = [done for name, done in heard if name == position]
        assert fractions == sorted(fractions)
        assert (fractions[0], fractions[-1]) == (0.0, 1.0)


def test_the_same_test_gives_the_same_report(
    tmp_path: Path, commissioning: Cascade, report: CommissioningReport
) -> None:
    """Two printed reports can be compared line by line."""
    again = commission(tmp_path, commissioning, TEMPLATES, STAMP, course=COURSE)

    assert again.path.read_text() == report.path.read_text()
