"""Which slices of a series are one scan: scouts left out, phases told apart, mixtures refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.dicom_series import find_series
from contouring.phantom_shapes import rotation
from tests.contouring.ct_files import (
    TINY_SCAN,
    copy,
    edit,
    move,
    names_of,
    the_refusal,
    write_tiny_series,
)
from tests.phantoms import write_small_series

CORONAL = [1, 0, 0, 0, 0, -1]


def write_phases(folder: Path, count: int = 3, **values: object) -> list[Path]:
    """One series that holds each place `count` times; `values` are set by phase, from 1."""
    files = []
    for phase in range(1, count + 1):
        for file in write_tiny_series(folder / str(phase)):
            edit(
                file,
                SOPInstanceUID=f"1.2.{phase}.{len(files) + 1}",
                **{keyword: make(phase) for keyword, make in values.items()},  # type: ignore[operator]
            )
            files.append(file)
    return files


@pytest.fixture(scope="module")
def eight_slices(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The files of a series, in their order."""
    return [file.read_bytes() for file in write_tiny_series(tmp_path_factory.mktemp("series"))]


@given(order=st.permutations(range(8)))
def test_any_order_of_files_gives_the_same_series(
    eight_slices: list[bytes], tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    """Uploads come in any order, under any names."""
    folder = tmp_path_factory.mktemp("shuffled")
    for name, number in enumerate(order):
        (folder / f"{name}.dcm").write_bytes(eight_slices[number])

    (series,) = find_series(list(folder.iterdir())).series

    heights = series.grid.positions_mm @ series.grid.normal
    assert [order[int(instance.path.stem)] for instance in series.instances] == list(range(8))
    assert np.all(np.diff(heights) > 0)
    assert series.warnings == ()


@pytest.mark.parametrize("count", [1, 2])
def test_a_series_of_too_few_slices_is_refused(tmp_path: Path, count: int) -> None:
    """Without neighbours there is no spacing to check."""
    files = write_tiny_series(tmp_path)

    fault, reason = the_refusal(files[:count])

    assert fault == "too-few-slices"
    assert f"has {count} slices" in reason


def test_a_series_of_too_many_slices_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before memory is taken for them."""
    monkeypatch.setattr("contouring.stacks.MOST_SLICES", 7)

    fault, reason = the_refusal(write_tiny_series(tmp_path))

    assert fault == "too-many-slices"
    assert "has 8 slices; 3 to 7 are taken" in reason


@pytest.mark.parametrize("scouts", [1, 4])
def test_slices_upright_on_the_axial_ones_are_left_out(tmp_path: Path, scouts: int) -> None:
    """Scouts and reformats that no ImageType gives away."""
    files = write_tiny_series(tmp_path)
    for number in range(scouts):
        extra = copy(files[number], f"X{number}.dcm")
        edit(extra, SOPInstanceUID=f"1.2.{number}", ImageOrientationPatient=CORONAL, Rows=9)

    (series,) = find_series(sorted(tmp_path.iterdir())).series

    (notice,) = series.warnings
    assert len(series.instances) == 8
    assert notice.name == "other-planes"
    assert "X0.dcm" in notice.text
    assert notice.text.endswith(", ...." if scouts > 3 else ".")


@pytest.mark.parametrize(
    ("changed", "orientation"),
    [
        (range(4), CORONAL),
        (range(6), CORONAL),
        (range(1, 2), [-1, 0, 0, 0, -1, 0]),
        (range(2, 3), [1, 0, 0, 0, 0.8, 0.6]),
    ],
    ids=["half", "most", "turned in its plane", "leaning"],
)
def test_planes_without_a_clear_axial_stack_are_refused(
    tmp_path: Path, changed: range, orientation: list[float]
) -> None:
    """Which of them was meant is not ours to guess."""
    files = write_tiny_series(tmp_path)
    for number in changed:
        edit(files[number], ImageOrientationPatient=orientation)

    fault, reason = the_refusal(files)

    assert fault == "mixed-ImageOrientationPatient"
    assert "different planes" in reason


def test_a_coronal_stack_alone_is_taken_as_it_lies(tmp_path: Path) -> None:
    """Geometry comes from the orientation; nothing asks for axial slices."""
    scan = replace(TINY_SCAN, obliqueness=rotation((1.0, 0.0, 0.0), 90.0))

    (series,) = find_series(write_small_series(tmp_path, scan=scan)).series

    assert abs(series.grid.normal[1]) == pytest.approx(1.0)
    assert series.warnings == ()


@pytest.mark.parametrize(
    ("keyword", "make"),
    [
        ("TemporalPositionIdentifier", lambda phase: phase),
        ("NominalPercentageOfRespiratoryPhase", lambda phase: 10.0 * phase),
        ("AcquisitionNumber", lambda phase: 8 + phase),
        ("FrameOfReferenceUID", lambda phase: f"1.2.3.{phase}"),
        ("SeriesDescription", lambda phase: f"Gated {phase}0%"),
        ("ImageType", lambda phase: ["DERIVED", "SECONDARY", "AXIAL", f"PHASE{phase}"]),
        ("ConvolutionKernel", lambda phase: f"B{phase}0f"),
    ],
)
def test_the_phases_of_one_series_become_a_stack_each(
    tmp_path: Path, keyword: str, make: object
) -> None:
    """A 4DCT in one series: contours of a phase belong on that phase's slices alone."""
    files = write_phases(tmp_path, **{keyword: make})

    search = find_series(files)

    assert search.refused == ()
    assert [len(series.instances) for series in search.series] == [8, 8, 8]
    for phase, series in enumerate(search.series, start=1):
        assert {instance.path.parent.name for instance in series.instances} == {str(phase)}
        assert names_of(series.warnings) == ["several-stacks"]
        assert keyword in series.warnings[0].text
        assert f"stack {phase} of 3, {keyword}" in series.description


def test_a_faulty_phase_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """Its refusal says which it was."""
    files = write_phases(tmp_path, TemporalPositionIdentifier=lambda phase: phase)

    search = find_series([file for file in files if file != files[11]])

    assert [len(series.instances) for series in search.series] == [8, 8]
    (refused,) = search.refused
    assert (refused.fault, refused.file_count) == ("missing-slice", 7)
    assert "stack 2 of 3, TemporalPositionIdentifier 2" in refused.reason


def test_phases_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    """Contours would jump from one breath to another between slices."""
    fault, reason = the_refusal(write_phases(tmp_path, 2))

    assert fault == "mixed-phases"
    assert "Each place holds 2 or more slices" in reason


def test_phases_with_a_frame_of_reference_for_every_slice_are_refused(tmp_path: Path) -> None:
    """Where slices lie to each other is then unknown, whatever else parts them."""
    files = write_phases(tmp_path, 2, TemporalPositionIdentifier=lambda phase: phase)
    for number, file in enumerate(files):
        edit(file, FrameOfReferenceUID=f"1.2.3.{number}")

    search = find_series(files)

    assert search.series == ()
    assert {refused.fault for refused in search.refused} == {"mixed-FrameOfReferenceUID"}


def test_one_slice_too_many_is_no_phase(tmp_path: Path) -> None:
    """An attribute that parts a single slice from the rest does not explain it."""
    files = write_tiny_series(tmp_path)
    double = copy(files[2], "CT0099.dcm")
    edit(double, SOPInstanceUID="1.2.3.4", AcquisitionNumber=2)

    fault, reason = the_refusal([*files, double])

    assert fault == "duplicate-position"
    assert "CT0003.dcm and CT0099.dcm" in reason


@pytest.mark.parametrize("shift", [0.0, 0.004, 0.05])
def test_two_slices_in_nearly_one_place_are_refused(tmp_path: Path, shift: float) -> None:
    """No scanner takes slices so close: it is one place, taken twice."""
    files = write_tiny_series(tmp_path)
    double = copy(files[2], "CT0099.dcm")
    edit(double, SOPInstanceUID="1.2.3.4")
    move(double, z=shift)

    assert the_refusal([*files, double])[0] == "duplicate-position"


@pytest.mark.parametrize("numbers", [[1, 2] * 4, [1, 1, 1, 2, 1, 1, 1, 1], ["", 1] * 4])
def test_acquisitions_among_each_others_slices_are_refused(
    tmp_path: Path, numbers: list[object]
) -> None:
    """Two breaths would be taken for one scan of half the slice distance."""
    files = write_tiny_series(tmp_path)
    for file, number in zip(files, numbers, strict=True):
        edit(file, AcquisitionNumber=number)

    fault, reason = the_refusal(files)

    assert fault == "mixed-acquisitions"
    assert "z = " in reason


def test_a_slice_without_a_number_says_nothing_of_the_order(tmp_path: Path) -> None:
    """AcquisitionNumber may be empty, and some systems lose it on the way."""
    files = write_tiny_series(tmp_path)
    for file in (files[2], files[5]):
        edit(file, AcquisitionNumber="")

    (series,) = find_series(files).series

    assert len(series.instances) == 8


def test_phases_among_each_others_slices_are_refused(tmp_path: Path) -> None:
    """Taken at places of their own they would pass for one scan of thinner slices."""
    files = write_tiny_series(tmp_path)
    for number, file in enumerate(files):
        edit(file, TemporalPositionIdentifier=1 + number % 2)

    fault, reason = the_refusal(files)

    assert fault == "mixed-acquisitions"
    assert "TemporalPositionIdentifier 2 lie among those of 1" in reason


@pytest.mark.parametrize("numbers", [range(8), [1] * 4 + [2] * 4, [2] * 3 + [1] * 5])
def test_acquisitions_one_after_the_other_are_one_scan(tmp_path: Path, numbers: list[int]) -> None:
    """Scanners that step from slice to slice count each turn."""
    files = write_tiny_series(tmp_path)
    for file, number in zip(files, numbers, strict=True):
        edit(file, AcquisitionNumber=number)

    (series,) = find_series(files).series

    assert len(series.instances) == 8
    assert series.warnings == ()


def test_stacks_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Ten phases: the tenth after the second."""
    files = write_phases(tmp_path, 11, TemporalPositionIdentifier=lambda phase: phase)

    found = find_series(files).series

    assert [series.instances[0].path.parent.name for series in found] == [
        str(phase) for phase in range(1, 12)
    ]
    assert np.ptp([series.grid.positions_mm for series in found], axis=0).max() == 0.0
