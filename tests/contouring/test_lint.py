"""Lint: silent on good files, never at a loss on bad ones, and right about what is wrong."""

from __future__ import annotations

import re
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from pydicom.dataset import Dataset
from rt_utils import RTStructBuilder

from contouring.dicom_series import read_series
from contouring.errors import NotDicomError
from contouring.lint import NO_STRUCTURE_SET, RULES, LintFinding, Severity, lint_structure_set
from contouring.lint_rules import Rule
from contouring.phantom_scan import Scan
from contouring.rasters import read_masks
from contouring.template import HoleEncoding
from tests.contouring.ct_files import edit, write_tiny_series
from tests.contouring.grids import OBLIQUE_SCAN
from tests.contouring.lint_spoilers import SPOILERS
from tests.contouring.structure_sets import SCAN, Released, changed, contours_of, release
from tests.judges import find_program

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "lint.md"


@pytest.fixture(scope="module")
def good() -> Released:
    """Two glands, a hollow ball and two nodes, and the series they lie on."""
    return release()


@pytest.fixture(scope="module")
def before(good: Released) -> dict[bool, set[LintFinding]]:
    """What is said of the good file, with its CT and without."""
    return {
        has_ct: set(lint_structure_set(good.content, good.series if has_ct else None))
        for has_ct in (True, False)
    }


def rules_of(findings: tuple[LintFinding, ...]) -> set[str]:
    """The slugs."""
    return {finding.rule for finding in findings}


def worse_than_notes(findings: tuple[LintFinding, ...]) -> list[LintFinding]:
    """Errors and warnings."""
    return [finding for finding in findings if finding.severity is not Severity.NOTE]


@pytest.mark.parametrize(
    "scan",
    [SCAN, replace(SCAN, position="FFDL"), replace(SCAN, obliqueness=OBLIQUE_SCAN.obliqueness)],
    ids=["HFS", "FFDL", "oblique"],
)
def test_a_good_file_has_neither_errors_nor_warnings(scan: Scan) -> None:
    """Ours, with its CT and without."""
    good = release(scan=scan)

    assert worse_than_notes(lint_structure_set(good.content, good.series)) == []
    assert worse_than_notes(lint_structure_set(good.content)) == []


def test_a_gap_between_two_parts_is_a_note(good: Released) -> None:
    """It may be real: the two nodes lie one above the other."""
    (with_ct,) = lint_structure_set(good.content, good.series)
    (without_ct,) = lint_structure_set(good.content)

    assert (with_ct.rule, with_ct.severity, with_ct.where) == (
        "missed-slices",
        Severity.NOTE,
        "ROI 4 Nodes",
    )
    assert (without_ct.rule, without_ct.severity) == ("gap", Severity.NOTE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.slug)
def test_each_rule_finds_its_fault(
    good: Released, before: dict[bool, set[LintFinding]], rule: Rule
) -> None:
    """A rule that never speaks protects nobody."""
    series = good.series if rule.needs_ct else None

    after = set(lint_structure_set(SPOILERS[rule.slug](good.content), series))

    found = [finding for finding in after - before[rule.needs_ct] if finding.rule == rule.slug]
    assert found
    assert {(finding.severity, finding.clause) for finding in found} == {
        (rule.severity, rule.clause)
    }
    assert all(finding.text.strip().endswith((".", "...")) for finding in found)


def test_rules_have_names_of_their_own() -> None:
    """People look a finding up by its rule."""
    slugs = [rule.slug for rule in RULES]

    assert len(set(slugs)) == len(slugs)
    assert set(slugs) == set(SPOILERS)
    assert all(
        re.fullmatch(r"(PS3\.(3|5|6|10) [A-C]?[\d.]+|TG-263 [\d.]+)", r.clause) for r in RULES
    )


def test_the_page_shows_every_rule() -> None:
    """Whoever gets a finding reads there what the rule demands, and where it stands."""
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| (\w+) \| (.+?) \| (.+?) \|$", DOCUMENT.read_text(), re.M
    )

    assert rows == [
        (rule.slug, rule.severity.value, rule.clause, rule.demand + (" †" if rule.needs_ct else ""))
        for rule in RULES
    ]


def test_worst_findings_come_first_and_many_are_counted(good: Released) -> None:
    """A file with a thousand faults is still read from the top."""

    def change(dataset: Dataset) -> None:
        for item in dataset.ROIContourSequence:
            for contour in item.ContourSequence:
                contour.NumberOfContourPoints = 1

    findings = lint_structure_set(changed(good.content, change), good.series)

    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=list(Severity).index)
    counted = [finding for finding in findings if finding.rule == "point-count"]
    assert len(counted) == 21
    assert counted[-1].text == "The same is found at 16 more places."
    assert (counted[-1].places, counted[0].places) == (16, 1)


def test_another_kind_of_object_is_only_told_so(good: Released) -> None:
    """A hundred missing attributes of a CT slice help nobody."""

    def change(dataset: Dataset) -> None:
        del dataset.SOPClassUID

    (finding,) = lint_structure_set(changed(good.content, change))

    assert (finding.rule, finding.severity) == (NO_STRUCTURE_SET, Severity.ERROR)
    assert NO_STRUCTURE_SET in DOCUMENT.read_text()


@pytest.mark.parametrize("content", [b"", b"no DICOM at all", b"\x08\x00" * 200])
def test_what_is_no_dicom_is_refused(content: bytes) -> None:
    """The only thing that raises."""
    with pytest.raises(NotDicomError):
        lint_structure_set(content)


@pytest.mark.parametrize("encoding", list(HoleEncoding))
def test_keyholes_pass_and_other_holes_are_told(encoding: HoleEncoding) -> None:
    """Only the keyhole is filled alike by every reader."""
    released = release(holes=encoding)

    found = rules_of(lint_structure_set(released.content, released.series))

    expected = {"keyhole": set(), "nested": {"nested-contours"}, "xor": {"xor-contours"}}
    assert found - {"missed-slices"} == expected[encoding.value]


def test_a_review_without_a_verdict_is_told(good: Released) -> None:
    """An unapproved file that names its reviewer says two things at once."""

    def change(dataset: Dataset) -> None:
        dataset.ReviewerName = "Doctor^Some"

    (finding,) = worse_than_notes(lint_structure_set(changed(good.content, change)))

    assert finding.rule == "approval-review"
    assert "though nothing is approved or rejected" in finding.text


@pytest.mark.parametrize("names_frames", [True, False])
def test_a_contour_of_a_multi_frame_image_is_found_by_its_frame(
    good: Released, names_frames: bool
) -> None:
    """All slices share one SOP instance there; to list no frame of it is to list all."""
    uid = good.series.instances[0].sop_instance_uid
    series = replace(
        good.series,
        instances=tuple(
            replace(instance, sop_instance_uid=uid, frame=k)
            for k, instance in enumerate(good.series.instances)
        ),
    )
    frames = {instance.sop_instance_uid: k for k, instance in enumerate(good.series.instances)}

    def change(dataset: Dataset) -> None:
        images = [
            image
            for name in good.fields
            for contour in contours_of(dataset, name)
            for image in contour.ContourImageSequence
        ]
        frame = dataset.ReferencedFrameOfReferenceSequence[0]
        listed = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
        for image in images:
            image.ReferencedFrameNumber = frames[image.ReferencedSOPInstanceUID] + 1
            image.ReferencedSOPInstanceUID = uid
        del listed.ContourImageSequence[1:]
        if names_frames:
            listed.ContourImageSequence[0].ReferencedFrameNumber = list(range(1, 18))

    content = changed(good.content, change)

    assert worse_than_notes(lint_structure_set(content, series)) == []
    assert all(
        np.array_equal(mask, masks)
        for mask, masks in zip(
            read_masks(content, series).values(),
            read_masks(good.content, good.series).values(),
            strict=True,
        )
    )


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small series on disk, of a patient whose name is not Latin, for the writers of others."""
    folder = tmp_path_factory.mktemp("ct")
    for file in write_tiny_series(folder):
        edit(file, SpecificCharacterSet="ISO_IR 192", PatientName="Ямада^太郎")
    return folder


def test_rt_utils_files_are_read_as_what_they_are(ct: Path, tmp_path: Path) -> None:
    """Its known defects, each with its rule."""
    rows, columns = np.mgrid[:18, :22]
    disc = np.hypot(rows - 9, columns - 11)
    solid = np.stack([disc < 7] * 8, axis=-1)
    ring = solid & ~np.stack([disc < 3] * 8, axis=-1)
    dot = np.zeros_like(solid)
    dot[4, 5, 3] = True
    file = tmp_path / "rt_utils.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder = RTStructBuilder.create_new(dicom_series_path=str(ct))
        for name, mask in {
            "A name of 17 char": solid,
            "ring": ring,
            "Ring": ring,
            "dot": dot,
        }.items():
            builder.add_roi(mask=mask, name=name)
        builder.save(str(file.with_suffix("")))

    findings = lint_structure_set(file.read_bytes(), read_series(ct))

    assert rules_of(findings) == {
        "pixel-centres",  # an outline through the centres of the outermost pixels
        "nested-contours",  # a hole that most readers fill
        "too-few-points",  # of a single pixel
        "lost-characters",  # the patient's name forced into Latin-1
        "other-patient",
        "roi-name-length",
        "roi-name-characters",
        "roi-name-repeated",
        "retired-attribute",
        "general-study-module",
        "rt-series-module",
        "frame-of-reference-module",
    }


def test_plastimatch_files_are_read(ct: Path, tmp_path: Path) -> None:
    """Marching squares on a mask: neither inset nor nested, but its lines repeat their start."""
    grid = read_series(ct).grid
    mask = np.zeros(grid.shape_zyx, np.uint8)
    mask[2:6, 5:12, 6:15] = 1
    image = SimpleITK.GetImageFromArray(mask)
    image.SetOrigin(grid.positions_mm[0].tolist())
    image.SetSpacing((grid.pixel_spacing_mm[1], grid.pixel_spacing_mm[0], 2.5))
    SimpleITK.WriteImage(image, tmp_path / "mask.mha")
    subprocess.run(
        [
            find_program("plastimatch"),
            "convert",
            *("--input-ss-img", tmp_path / "mask.mha"),
            *("--referenced-ct", ct),
            *("--output-dicom", tmp_path / "out"),
        ],
        capture_output=True,
        check=True,
    )
    (file,) = (tmp_path / "out").iterdir()

    findings = lint_structure_set(file.read_bytes(), read_series(ct))

    assert {"rt-series-module", "first-point-repeated", "approval-unstated"} <= rules_of(findings)
    assert not {"pixel-centres", "off-plane", "unknown-image", "no-area"} & rules_of(findings)
