"""Enhanced and legacy converted CT: frames as slices."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    LegacyConvertedEnhancedCTImageStorage,
)

from contouring.dicom_series import find_series, read_series
from contouring.errors import NoCTSeriesError, NotDicomError, SeriesRefusedError
from contouring.verdicts import judge_files
from contouring.volume import build_volume
from tests.contouring.ct_files import edit, names_of, the_refusal, write_tiny_series
from tests.contouring.encodings import codestream, encode, write_codestreams
from tests.contouring.multiframe_files import write_enhanced


def write_slices(folder: Path) -> list[Path]:
    """Slices with an intercept of their own each."""
    files = write_tiny_series(folder)
    for number, file in enumerate(files):
        edit(file, RescaleIntercept=-1024 - number)
    return files


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless],
    ids=lambda uid: uid.name,
)
def test_frames_in_any_order_are_the_slices_that_they_were(tmp_path: Path, syntax: UID) -> None:
    """The same grid and the same Hounsfield units as from the plain files, frame by frame."""
    files = write_slices(tmp_path / "plain")
    plain = read_series(tmp_path / "plain")
    order = random.Random(2).sample(range(8), 8)
    enhanced = write_enhanced([files[k] for k in order], tmp_path / "enhanced.dcm")
    encode(enhanced, syntax)

    (series,) = find_series([enhanced]).series

    assert [instance.frame for instance in series.instances] == [order.index(k) for k in range(8)]
    assert {instance.sop_instance_uid for instance in series.instances} == {"1.2.840.99.1"}
    assert np.array_equal(series.grid.positions_mm, plain.grid.positions_mm)
    assert series.grid.pixel_spacing_mm == plain.grid.pixel_spacing_mm
    assert series.warnings == ()
    assert "PixelData" not in series.header
    assert np.array_equal(
        build_volume(series, lambda _: None).hu, build_volume(plain, lambda _: None).hu
    )


def test_a_legacy_conversion_by_another_maker_reads_the_same(tmp_path: Path) -> None:
    """Archives convert series on their own; highdicom's conversion stands for theirs."""
    files = write_slices(tmp_path / "plain")
    plain = read_series(tmp_path / "plain")
    converted = LegacyConvertedEnhancedCTImage(
        [pydicom.dcmread(file) for file in files],
        series_instance_uid="1.2.840.99.2",
        series_number=2,
        sop_instance_uid="1.2.840.99.3",
        instance_number=1,
    )
    converted.save_as(tmp_path / "converted.dcm", enforce_file_format=True)

    (series,) = find_series([tmp_path / "converted.dcm"]).series

    assert {i.sop_class_uid for i in series.instances} == {LegacyConvertedEnhancedCTImageStorage}
    assert np.allclose(series.grid.positions_mm, plain.grid.positions_mm)
    assert np.array_equal(
        build_volume(series, lambda _: None).hu, build_volume(plain, lambda _: None).hu
    )


def test_a_frame_can_be_missing_like_a_slice(tmp_path: Path) -> None:
    """The gap is named by its frames."""
    files = write_slices(tmp_path / "plain")
    del files[3]

    fault, reason = the_refusal([write_enhanced(files, tmp_path / "enhanced.dcm")])

    assert fault == "missing-slice"
    assert "(enhanced.dcm (frame 3), enhanced.dcm (frame 4))" in reason


def test_scouts_among_the_frames_are_left_out_and_named(tmp_path: Path) -> None:
    """A localizer may be a stack of the same file."""
    files = write_slices(tmp_path / "plain")
    kinds = [{"FrameType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]}] + 7 * [
        {"FrameType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]}
    ]

    search = find_series([write_enhanced(files, tmp_path / "enhanced.dcm", kinds)])

    assert [instance.frame for instance in search.series[0].instances] == list(range(1, 8))
    assert search.ignored == ("enhanced.dcm (frame 1): a scout (localizer) image",)


def test_a_file_of_one_frame_each_is_a_series_too(tmp_path: Path) -> None:
    """Some scanners write enhanced CT slice by slice."""
    files = write_slices(tmp_path / "plain")
    enhanced = [write_enhanced([file], tmp_path / file.name) for file in files]
    for number, file in enumerate(enhanced):
        edit(file, SOPInstanceUID=f"1.2.{number}")

    (series,) = find_series(enhanced).series

    assert [instance.path for instance in series.instances] == enhanced
    assert {instance.frame for instance in series.instances} == {0}
    assert np.array_equal(
        build_volume(series, lambda _: None).hu,
        build_volume(read_series(tmp_path / "plain"), lambda _: None).hu,
    )


@pytest.mark.parametrize("frames", [7, 9])
def test_frames_without_their_places_are_refused(tmp_path: Path, frames: int) -> None:
    """Which frame lacks its place is unknown."""
    file = write_enhanced(write_slices(tmp_path / "plain"), tmp_path / "enhanced.dcm")
    edit(file, NumberOfFrames=frames)

    fault, reason = the_refusal([file])

    assert fault == "frame-count"
    assert f"{frames} frames and the places of 8" in reason


def test_an_enhanced_file_without_groups_is_refused(tmp_path: Path) -> None:
    """Nothing of it has a place."""
    file = write_enhanced(write_slices(tmp_path / "plain"), tmp_path / "enhanced.dcm")
    edit(file, SharedFunctionalGroupsSequence=None, PerFrameFunctionalGroupsSequence=None)

    assert the_refusal([file])[0] == "frame-count"


def test_phases_as_files_become_a_stack_each(tmp_path: Path) -> None:
    """What the frames say of their phase tells them apart."""
    files = write_slices(tmp_path / "plain")
    phases = []
    for phase in (1, 2):
        values = [{"TemporalPositionIndex": phase}] * 8
        phases.append(write_enhanced(files, tmp_path / f"{phase}.dcm", values))
        edit(phases[-1], SOPInstanceUID=f"1.2.{phase}")

    found = find_series(phases).series

    assert [series.instances[0].path.name for series in found] == ["1.dcm", "2.dcm"]
    assert [names_of(series.warnings) for series in found] == [["several-stacks"]] * 2


def test_phases_within_one_file_are_refused(tmp_path: Path) -> None:
    """A job contours whole files: the two would be the same job."""
    files = write_slices(tmp_path / "plain")
    values = [{"TemporalPositionIndex": 1 + k // 8} for k in range(16)]

    fault, reason = the_refusal([write_enhanced([*files, *files], tmp_path / "4d.dcm", values)])

    assert fault == "several-stacks-in-one-file"
    assert "4d.dcm holds 2 stacks of frames, told apart by TemporalPositionIndex" in reason


def test_a_compressed_file_that_lost_frames_is_refused(tmp_path: Path) -> None:
    """Each frame is a codestream of its own."""
    file = write_enhanced(write_slices(tmp_path / "plain"), tmp_path / "enhanced.dcm")
    plane = pydicom.dcmread(file).pixel_array[0]
    write_codestreams(file, JPEGLSLossless, [codestream(plane, JPEGLSLossless)] * 7)
    (series,) = find_series([file]).series

    with pytest.raises(SeriesRefusedError, match=r"enhanced\.dcm"):
        build_volume(series, lambda _: None)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom has a word for each
@pytest.mark.parametrize("seed", range(3))
def test_damage_never_raises_anything_but_our_own_errors(tmp_path: Path, seed: int) -> None:
    """Nested sequences break in ways of their own; none may look like a fault of the server."""
    file = write_enhanced(write_slices(tmp_path / "plain"), tmp_path / "enhanced.dcm")
    content = file.read_bytes()
    chance = random.Random(seed)
    unexpected = []

    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 3, 10])):
            damaged[chance.randrange(128, len(content) - 6000)] = chance.randrange(256)
        file.write_bytes(damaged[: chance.choice([len(content), chance.randrange(200, 5000)])])
        try:
            judge_files([file])
        except (NoCTSeriesError, NotDicomError):
            continue
        except Exception as error:  # noqa: BLE001 - to show all of them
            unexpected.append(repr(error))

    assert unexpected == []


def test_a_makers_private_groups_move_no_frame(tmp_path: Path) -> None:
    """They may hold places and slopes of their own meaning, after the standard's in the file."""
    file = write_enhanced(write_slices(tmp_path / "plain"), tmp_path / "enhanced.dcm")
    true = read_series(tmp_path / "plain")
    dataset = pydicom.dcmread(file)
    for number, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        own = Dataset()
        own.ImagePositionPatient = [0, 0, -100 - 3 * number]
        own.RescaleSlope, own.RescaleIntercept = 2, 0
        block = groups.private_block(0x2005, "MAKER", create=True)
        block.add_new(0x0F, "SQ", [own])
    dataset.save_as(file)

    (series,) = find_series([file]).series

    assert np.array_equal(series.grid.positions_mm, true.grid.positions_mm)
    expected = build_volume(true, lambda _: None).hu
    assert np.array_equal(build_volume(series, lambda _: None).hu, expected)


def test_only_its_own_functional_group_places_a_frame(tmp_path: Path) -> None:
    """Another public group may repeat a position, of something else."""
    file = write_enhanced(
        write_slices(tmp_path / "plain"),
        tmp_path / "enhanced.dcm",
        [{"ImagePositionPatient": [0, 0, 7 * number]} for number in range(8)],
    )

    (series,) = find_series([file]).series

    true = read_series(tmp_path / "plain")
    assert np.array_equal(series.grid.positions_mm, true.grid.positions_mm)
