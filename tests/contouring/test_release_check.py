"""Good files leave, and every fault that somebody has shipped before is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydicom.dataset import Dataset

from contouring.composition import Account
from contouring.masks import StructureField
from contouring.phantom import HEAD_AND_NECK
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_shapes import Rod, Shell, Sphere
from contouring.release_check import ReleaseReport
from contouring.structures import Status
from contouring.template import HoleEncoding
from tests.contouring.grids import SCANS_AND_OBLIQUE, name_of
from tests.contouring.release_spoilers import SPOILERS, _every_point, _shrink_the_nodes_to_lines
from tests.contouring.structure_sets import (
    SCAN,
    SHAPES,
    Released,
    release,
    write,
)

FULL_SCAN = Scan(slice_offsets_mm=even_offsets(96, 2.5))
UNEVEN_OFFSETS = tuple(
    float(place) for place in np.cumsum([-118.0, *([2.0] * 30), *([3.5] * 20), *([2.5] * 40)])
)
PHANTOM_SCANS = [
    *(
        replace(FULL_SCAN, position=scan.position, obliqueness=scan.obliqueness)
        for scan in SCANS_AND_OBLIQUE
    ),
    replace(FULL_SCAN, slice_offsets_mm=UNEVEN_OFFSETS),
]
PHANTOM = {found.name: found.shape for found in HEAD_AND_NECK.structures}


@pytest.fixture(scope="module")
def good() -> Released:
    """Two glands, a hollow ball and two nodes on 17 slices."""
    return release()


@pytest.mark.parametrize("scan", PHANTOM_SCANS, ids=[*map(name_of, SCANS_AND_OBLIQUE), "uneven"])
def test_the_whole_phantom_leaves_without_a_finding(scan: Scan) -> None:
    """A check that cries wolf is switched off."""
    report = release(PHANTOM, scan).check()

    assert report.breaches == ()
    assert [found for found in report.findings if found.severity != "note"] == []
    assert len(report.agreements) == len(PHANTOM)


@pytest.mark.parametrize("spacing_mm", [1.5, 3.0])
def test_fields_of_a_coarse_lattice_leave(spacing_mm: float) -> None:
    """A network's lattice: between its samples, file and check must mean the same border."""
    large = {name: shape for name, shape in PHANTOM.items() if name not in ("Nodule5", "Sphere8")}

    report = release(large, FULL_SCAN, spacing_mm).check()

    assert report.breaches == ()
    assert min(found.dice for found in report.agreements) >= 0.99


@pytest.mark.parametrize("encoding", list(HoleEncoding))
def test_every_way_of_writing_holes_leaves(encoding: HoleEncoding) -> None:
    """A template may ask for any; none of them breaks the standard."""
    report = release(holes=encoding).check()

    assert report.breaches == ()


@pytest.mark.parametrize(
    "shape",
    [
        Sphere((5.1, -3.2, 120.3), 2.0),
        Sphere((5.4, -3.3, 120.9), 1.3),
        Shell((5.1, -3.2, 120.3), 12.0, 11.2),
        Rod((5.0, -9.0, 95.0), (11.0, 4.0, 145.0), 1.2),
        Sphere((-32.0, -3.0, 120.0), 14.0),
        Sphere((5.0, -3.0, 140.0), 14.0),
    ],
    ids=["4 mm", "2.6 mm", "0.8 mm wall", "2.4 mm tube", "cut by the image", "cut by the scan"],
)
def test_what_is_tiny_thin_or_cut_leaves(shape: Sphere | Shell | Rod) -> None:
    """Where single pixels decide, they decide in the tolerance of the drawn lines."""
    report = release({"Organ": shape}).check()

    assert report.breaches == ()


@pytest.mark.parametrize("spacing_mm", [1.0, 2.5])
@pytest.mark.parametrize("seed", range(3))
def test_a_rough_field_leaves(seed: int, spacing_mm: float) -> None:
    """Networks are not smooth: ragged borders, holes and specks that are not drawn."""
    good = release({"Gland_L": SHAPES["Gland_L"]}, spacing_mm=spacing_mm)
    noise = np.random.default_rng(seed).normal(0, 1.5, good.fields["Gland_L"].field.shape)
    ragged = good.fields["Gland_L"].field + noise.astype(np.float32)

    report = _released_again(good, "Gland_L", ragged).check()

    assert report.breaches == ()


def test_the_report_tells_volumes_and_dice(good: Released) -> None:
    """A physicist reads them; a ball of 11 mm has 5.575 cm³."""
    report = good.check()

    found = {agreement.name: agreement for agreement in report.agreements}
    assert set(found) == set(SHAPES)
    assert found["Gland_L"].volume_file_cm3 == pytest.approx(5.575, rel=0.01)
    assert found["Gland_L"].volume_field_cm3 == pytest.approx(5.575, rel=0.01)
    assert 0.99 <= min(agreement.dice for agreement in report.agreements) <= 1


@pytest.mark.parametrize("fault", SPOILERS)
def test_a_spoiled_file_does_not_leave(good: Released, fault: str) -> None:
    """Each has been seen in the products of others, or would hurt as much."""
    change, told = SPOILERS[fault]

    report = good.spoiled(change).check()

    assert any(told in breach for breach in report.breaches), report.breaches


@pytest.mark.parametrize("radius_mm", [18.0, 30.0])
def test_half_a_pixel_is_found_in_a_structure_too_large_for_dice(radius_mm: float) -> None:
    """A ball of 60 mm keeps a Dice of 0.99 when it is moved that far."""
    scan = replace(SCAN, slice_offsets_mm=even_offsets(30, 2.5))
    good = release({"Organ": Sphere(scan.centre_mm, radius_mm)}, scan)

    report = good.spoiled(_every_point(lambda p: p + np.array([0.45, 0, 0]))).check()

    assert good.check().breaches == ()
    assert any("differs from its field" in breach for breach in report.breaches)


@pytest.mark.parametrize("left_out", [1, 200, 5000])
def test_a_truncated_file_does_not_leave(good: Released, left_out: int) -> None:
    """A disk that was full when the file was written."""
    report = replace(good, content=good.content[:-left_out]).check()

    assert any("cut off" in breach or "no whole element" in breach for breach in report.breaches)


def test_a_file_of_another_kind_does_not_leave(good: Released) -> None:
    """Whatever the bytes are, they are judged."""

    def change(dataset: Dataset) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"

    report = good.spoiled(change).check()

    assert any("not RT Structure Set Storage" in breach for breach in report.breaches)


def test_what_the_ct_has_wrong_is_no_breach() -> None:
    """It is copied as it is: a scanner's long names stop no patient's contours."""
    values = {"StudyID": "A study's ID of more than 16", "PatientID": "1\\2", "PatientSex": "male"}

    report = release(**values).check()

    assert {found.rule for found in report.findings if found.severity == "error"} == {
        "value-length",
        "value-format",
    }
    assert report.breaches == ()


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Иванов^Иван"),
        ("ISO_IR 192", "Ямада^太郎"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
def test_every_script_comes_back(terms: str | list[str], name: str) -> None:
    """The patient's name in the file is that of the CT, read by another reader than wrote it."""
    report = release(SpecificCharacterSet=terms, PatientName=name).check()

    assert report.breaches == ()
    assert [found for found in report.findings if found.severity != "note"] == []


def test_slices_that_are_frames_of_one_file_are_told_apart(good: Released) -> None:
    """An enhanced CT has one SOP instance for all of them."""
    uid = good.series.instances[0].sop_instance_uid
    instances = tuple(
        replace(instance, sop_instance_uid=uid, frame=index)
        for index, instance in enumerate(good.series.instances)
    )

    framed = write(dict(good.fields), replace(good.series, instances=instances))

    assert framed.check().breaches == ()
    assert replace(framed, series=good.series).check().breaches != ()


def _with_account(good: Released, name: str, **values: object) -> ReleaseReport:
    accounts = [replace(a, **values) if a.name == name else a for a in good.accounts]
    return replace(good, accounts=tuple(accounts)).check()


def test_accounts_must_tell_what_the_file_holds(good: Released) -> None:
    """People read the account, machines the file."""
    absent = _with_account(good, "Shell", status=Status.NOT_IN_SCAN, reason="Not found.")
    silent = _with_account(good, "Shell", status=Status.FAILED)
    counted = _with_account(good, "Shell", contours=3, slices=2)
    measured = _with_account(good, "Shell", volume_cm3=17.0)

    assert "Shell is said to be not-in-scan, but has contours in the file." in absent.breaches
    assert any("Shell was found" in breach for breach in absent.breaches)
    assert "Shell is failed without a reason." in silent.breaches
    assert any("where 3 were drawn" in breach for breach in counted.breaches)
    assert any("where 2 were meant" in breach for breach in counted.breaches)
    assert any("is said to have 17.0 cm³" in breach for breach in measured.breaches)


def test_a_structure_that_was_asked_for_and_forgotten_is_missed(good: Released) -> None:
    """Neither in the file nor in the fields: only the account knows of it."""
    forgotten = Account("Cord", "Cord", Status.CONTOURED, volume_cm3=20.0, slices=9, contours=9)

    report = replace(good, accounts=(*good.accounts, forgotten)).check()

    assert "Cord has no contour in the file, though it is said to be contoured." in report.breaches
    assert any("Cord has no field" in breach for breach in report.breaches)


def test_a_structure_without_contours_leaves_with_its_reason(good: Released) -> None:
    """Not in the scan, or failed: also when another structure has taken its name."""
    accounts = (
        *good.accounts,
        Account("Cord", "Cord", Status.NOT_IN_SCAN, "The model found none of it."),
        Account("Shell", "Ring", Status.FAILED, "Another structure is called Shell."),
    )

    report = replace(good, accounts=accounts).check()

    assert report.breaches == ()


def test_a_field_too_small_to_be_drawn_may_be_left_out(good: Released) -> None:
    """A speck on single slices is no structure that was forgotten."""
    speck = good.fields["Nodes"]
    field = np.full_like(speck.field, -1)
    field[4, 5, 6] = 1
    fields = {**good.fields, "Speck": replace(speck, field=field)}
    accounts = (*good.accounts, Account("Speck", "Speck", Status.NOT_IN_SCAN, "Too small."))

    report = replace(good, fields=fields, accounts=accounts).check()

    assert report.breaches == ()


def test_a_scan_of_one_slice_is_measured() -> None:
    """It stands for one millimetre, in the account as in the check."""
    good = release(scan=replace(SCAN, slice_offsets_mm=(0.0,)))

    report = good.check()

    assert report.breaches == ()
    assert {found.rule for found in report.findings} == {"single-slice"}


def test_contours_without_any_field_are_strays(good: Released) -> None:
    """A field between the voxels holds none: everything drawn is wrong."""
    empty = good.fields["Nodes"]
    lattice = replace(
        empty.lattice, axes_mm=tuple(axis[:1] + 0.3 for axis in empty.lattice.axes_mm)
    )
    fields = {
        **good.fields,
        "Nodes": StructureField(empty.structure, empty.field[:1, :1, :1], lattice),
    }

    report = replace(good, fields=fields).check()
    nothing = replace(good, fields=fields).spoiled(_shrink_the_nodes_to_lines).check()

    assert any("fewer than 3 points" in breach for breach in nothing.breaches)
    assert any("Nodes meets its field with a Dice of 0.0000" in b for b in report.breaches)


def _released_again(good: Released, name: str, field: np.ndarray) -> Released:
    """The same series with another field of its only structure, traced and written again."""
    return write({name: replace(good.fields[name], field=field)}, good.series)
