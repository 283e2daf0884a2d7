"""CT series among files: grouped, ordered, and everything else named and left out."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage

from contouring.dicom_series import find_series, read_series
from contouring.errors import (
    EmptyUploadError,
    MixedPatientsError,
    NoCTSeriesError,
    NotDicomError,
    SeriesRefusedError,
)
from contouring.phantom_scan import PATIENT_POSITIONS
from tests.contouring.ct_files import (
    TINY_SCAN,
    edit,
    names_of,
    unzip_real,
    write_raw,
    write_tiny_series,
)
from tests.phantoms import write_small_series


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
def test_slices_ascend_along_their_normal_whatever_the_files_are_called(
    tmp_path: Path, position: str
) -> None:
    """File names, instance numbers and the order of an upload say nothing of the place."""
    scan = replace(TINY_SCAN, position=position)
    files = write_small_series(tmp_path, scan=scan)
    for number, file in enumerate(files):
        edit(file, InstanceNumber=len(files) - number, SliceLocation=0, SliceThickness=99)
    shuffled = random.Random(3).sample(files, len(files))

    (series,) = find_series(shuffled).series

    assert [instance.path for instance in series.instances] == files
    assert series.shape_zyx == (8, 18, 22)
    expected = [scan.origin_mm(k) for k in range(8)]
    assert np.abs(series.grid.positions_mm - expected).max() < 1e-6
    assert series.grid.spacing_zyx_mm == pytest.approx((2.5, 1.0, 1.0))
    assert series.warnings == ()


def test_a_series_says_whose_it_is_and_where_its_header_came_from(tmp_path: Path) -> None:
    """What is copied into the structure set comes from one slice's header, without pixels."""
    write_tiny_series(tmp_path, patient_name="Doe^Jane", series_description="Neck")
    first = pydicom.dcmread(tmp_path / "CT0001.dcm")

    series = read_series(tmp_path)

    assert series.study_instance_uid == first.StudyInstanceUID
    assert series.series_instance_uid == first.SeriesInstanceUID
    assert series.frame_of_reference_uid == first.FrameOfReferenceUID
    assert series.description == "Neck"
    assert str(series.header.PatientName) == "Doe^Jane"
    assert "PixelData" not in series.header


def test_two_series_of_one_patient_are_found_apart(tmp_path: Path) -> None:
    """An upload of a whole study makes one job for each."""
    files = write_tiny_series(tmp_path / "a") + write_tiny_series(tmp_path / "b", seed="other")

    search = find_series(files)

    assert len({series.series_instance_uid for series in search.series}) == 2
    assert [len(series.instances) for series in search.series] == [8, 8]


def test_a_refused_series_does_not_hold_up_its_neighbour(tmp_path: Path) -> None:
    """One bad series in a study must not cost the good one."""
    good, bad = write_tiny_series(tmp_path / "a"), write_tiny_series(tmp_path / "b", seed="other")
    write_raw(bad[2], "ImagePositionPatient", b"nowhere ")

    search = find_series(good + bad)

    assert [len(series.instances) for series in search.series] == [8]
    assert [(refused.fault, refused.file_count) for refused in search.refused] == [
        ("unreadable-ImagePositionPatient", 8)
    ]


def test_an_empty_upload_is_refused() -> None:
    """There is nothing to contour."""
    with pytest.raises(EmptyUploadError, match="no file"):
        find_series([])


@pytest.mark.parametrize("content", [b"", b"hello", b"GIF89a" * 500])
def test_files_that_are_not_dicom_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    """The sender must see which file was wrong."""
    file = tmp_path / "notes.txt"
    file.write_bytes(content)

    with pytest.raises(NotDicomError, match=r"notes\.txt is not a DICOM file"):
        find_series([file])


def test_a_file_is_called_what_its_sender_called_it(tmp_path: Path) -> None:
    """A server stores uploads under names of its own."""
    file = tmp_path / "0001"
    file.write_bytes(b"hello")

    with pytest.raises(NotDicomError, match=r"holiday\.jpg"):
        find_series([file], {file: "holiday.jpg"})


def test_other_files_beside_a_series_are_ignored_and_listed(tmp_path: Path) -> None:
    """A folder from a CD holds more than slices."""
    files = write_tiny_series(tmp_path)
    readme = tmp_path / "README"
    readme.write_bytes(b"hello")
    edit(files[7], SOPClassUID=MRImageStorage, Modality="MR", SeriesInstanceUID="1.2.3")

    search = find_series([*files, readme])

    assert len(search.series[0].instances) == 7
    assert search.series[0].warnings == ()
    assert sorted(search.ignored) == [
        "CT0008.dcm: not a CT image (MR Image Storage)",
        "README: not a DICOM file",
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"SOPClassUID": MRImageStorage, "Modality": "MR"},
        {"SOPClassUID": SecondaryCaptureImageStorage},
        {"SOPClassUID": None},
        {"Modality": "PT"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"ImageType": "LOCALIZER"},
        {"ImageType": ["DERIVED", "SECONDARY", "MIP"]},
        {"ImageType": "MIN_IP"},
        {"VolumetricProperties": "DISTORTED"},
    ],
    ids=[
        "MR",
        "page",
        "no class",
        "PET",
        "scout",
        "scout of one word",
        "projection",
        "projection of one word",
        "distorted",
    ],
)
def test_an_upload_without_ct_slices_is_refused_and_says_what_it_held(
    tmp_path: Path, values: dict[str, object]
) -> None:
    """MR only, or a scout only, is a common mistake of routing rules."""
    files = write_tiny_series(tmp_path)
    for file in files:
        edit(file, **values)

    with pytest.raises(
        NoCTSeriesError, match=r"CT0001\.dcm: (not a CT image|a scout|a projection)"
    ):
        find_series(files)


def test_a_scout_in_the_series_is_no_slice_of_it(tmp_path: Path) -> None:
    """It would be sorted among the slices and read as one."""
    files = write_tiny_series(tmp_path)
    edit(files[7], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])

    search = find_series(files)

    assert len(search.series[0].instances) == 7
    assert search.ignored == ("CT0008.dcm: a scout (localizer) image",)


@pytest.mark.parametrize("values", [{"PatientID": "SOMEBODY"}, {"PatientName": "Some^Body"}])
def test_two_patients_in_one_upload_are_refused(tmp_path: Path, values: dict[str, str]) -> None:
    """Contours of one patient on another's record is the worst mix-up there is."""
    files = write_tiny_series(tmp_path)
    edit(files[3], **values)

    with pytest.raises(MixedPatientsError, match=r"CT0001\.dcm and CT0004\.dcm"):
        find_series(files)


def test_a_damaged_file_at_the_end_of_a_series_is_not_dropped_in_silence(tmp_path: Path) -> None:
    """Without its last slice the series still looks whole: whoever reads the result must know."""
    files = write_tiny_series(tmp_path)
    content = files[7].read_bytes()
    files[7].write_bytes(content.replace(b"\x08\x00\x16\x00UI", b"\x08\x00\x16\x00U\xc3"))

    (series,) = find_series(files).series

    assert len(series.instances) == 7
    assert [str(notice) for notice in series.warnings] == [
        "damaged-file: CT0008.dcm: a damaged DICOM file, left out."
    ]


def test_a_damaged_patient_or_study_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    """It would be copied into the structure set at the very end of the job."""
    files = write_tiny_series(tmp_path)
    content = files[0].read_bytes()
    files[0].write_bytes(content.replace(b"\x10\x00\x30\x00DA", b"\x10\x00\x30\x00D2"))

    search = find_series(files)

    assert [refused.fault for refused in search.refused] == ["damaged-header"]
    assert "CT0001.dcm" in search.refused[0].reason


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom has a word for each
@pytest.mark.parametrize("seed", range(4))
def test_damaged_headers_never_raise_anything_but_our_own_errors(tmp_path: Path, seed: int) -> None:
    """One flipped byte in an upload must not look like a fault of the server."""
    files = write_tiny_series(tmp_path)
    victim = files[seed % 2]  # the first slice's header is read further than the others'
    content = victim.read_bytes()
    chance = random.Random(seed)
    unexpected = []

    for _ in range(50):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 3, 10])):
            damaged[chance.randrange(128, 1400)] = chance.randrange(256)
        victim.write_bytes(damaged)
        try:
            find_series(files)
        except (MixedPatientsError, NoCTSeriesError):
            continue
        except Exception as error:  # noqa: BLE001 - to show all of them
            unexpected.append(repr(error))

    assert unexpected == []


def test_a_sequence_that_breaks_off_in_place_of_any_attribute_is_damage(tmp_path: Path) -> None:
    """pydicom parses it on access, and raises what a failing disk would."""
    (file, *others) = write_tiny_series(tmp_path)
    content = file.read_bytes()
    left_out, refused = set(), set()

    for keyword in (element.keyword for element in pydicom.dcmread(file)):
        if keyword in ("SpecificCharacterSet", "PixelData"):  # pydicom reads them as it writes
            continue
        file.write_bytes(content)
        write_raw(file, keyword, b"\xfe\xff\0\xe0", vr="SQ")
        search = find_series([file, *others])
        if search.ignored == ("CT0001.dcm: a damaged DICOM file",):
            left_out.add(keyword)
        if [one.fault for one in search.refused] == ["damaged-header"]:
            refused.add(keyword)

    assert left_out >= {"Modality", "ImageType", "PatientID", "SeriesInstanceUID", "SOPClassUID"}
    assert refused >= {"Rows", "PixelSpacing", "ImagePositionPatient", "StudyDate", "RescaleSlope"}


def test_one_folder_gives_one_series(tmp_path: Path) -> None:
    """The command line contours one series at a time, from any depth of folders."""
    write_tiny_series(tmp_path / "deep" / "er")

    assert len(read_series(tmp_path).instances) == 8


def test_a_folder_of_two_series_is_refused(tmp_path: Path) -> None:
    """Which one was meant is not ours to guess."""
    write_tiny_series(tmp_path / "a")
    write_tiny_series(tmp_path / "b", seed="other")

    with pytest.raises(SeriesRefusedError, match="several CT series"):
        read_series(tmp_path)
    with pytest.raises(SeriesRefusedError, match="The folder holds several CT"):
        read_series(tmp_path, has_known_names=False)


def test_a_folder_of_one_refused_series_gives_its_reason(tmp_path: Path) -> None:
    """The command line shows it on stderr."""
    files = write_tiny_series(tmp_path)
    files[3].unlink()

    with pytest.raises(SeriesRefusedError, match="missing") as refusal:
        read_series(tmp_path)

    assert refusal.value.fault == "missing-slice"


def test_a_real_feet_first_abdomen_is_taken_as_it_lies(tmp_path: Path) -> None:
    """Labelled FFS, yet its columns run to the patient's left: the orientation counts alone."""
    files = unzip_real("abdomen-ge-feet-first.zip", tmp_path)

    (series,) = find_series(files).series

    first = pydicom.dcmread(series.instances[0].path, stop_before_pixels=True)
    assert series.header.PatientPosition == "FFS"
    assert series.shape_zyx == (41, 512, 512)
    assert series.grid.row_direction.tolist() == first.ImageOrientationPatient[:3]
    assert np.diff(series.grid.positions_mm[:, 2]) == pytest.approx(5.0 * np.ones(40))
    assert series.grid.positions_mm[0].tolist() == first.ImagePositionPatient
    assert names_of(series.warnings) == ["contrast-agent"]


def test_a_real_head_scan_with_a_tilted_gantry_is_refused_as_such(tmp_path: Path) -> None:
    """Its slices are sheared against each other; a box of voxels is not what they are."""
    files = unzip_real("head-ge-tilt-uneven.zip", tmp_path)

    search = find_series(files)

    assert search.series == ()
    assert {refused.fault for refused in search.refused} == {"gantry-tilt"}
    assert "gantry tilt, 18.5 degrees" in search.refused[0].reason


def test_real_surviews_are_no_ct_series(tmp_path: Path) -> None:
    """Scouts, dose pages and results are filed under modality CT as well."""
    files = unzip_real("philips-surview-dose.zip", tmp_path)

    with pytest.raises(NoCTSeriesError, match="No CT series"):
        find_series(files)


def test_what_else_lies_in_a_folder_becomes_a_warning(tmp_path: Path) -> None:
    """Whoever contours a folder must know what was left out of it."""
    write_tiny_series(tmp_path)
    for number in range(7):
        (tmp_path / f"note{number}.txt").write_text("no image")

    warnings = read_series(tmp_path).warnings

    assert warnings[0].text == "note0.txt: not a DICOM file, ignored."
    assert warnings[-1].text == "2 more files were ignored."
    assert names_of(warnings) == ["ignored-file"] * 6


def test_a_refused_neighbour_in_a_folder_becomes_a_warning(tmp_path: Path) -> None:
    """It may be the one that was meant."""
    write_tiny_series(tmp_path / "a")
    write_tiny_series(tmp_path / "b", seed="other")[3].unlink()

    (notice,) = read_series(tmp_path).warnings

    assert notice.name == "refused-neighbour"
    assert "A slice is missing" in notice.text
