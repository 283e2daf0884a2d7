"""What goes, what stays, and that contours are drawn as if all had stayed."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from contouring.dicom_gate import check_file
from contouring.dicom_series import CTSeries, read_series
from contouring.errors import DicomLimitError, NotStorableError
from contouring.pipeline import contour_series
from contouring.rtstruct import write_structure_set
from contouring.volume import build_volume
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from tests.contouring.ct_files import edit, write_tiny_series
from tests.contouring.encodings import encode
from tests.contouring.multiframe_files import write_enhanced
from tests.contouring.tiny_structure_sets import CORD, ORIGIN, drawn_on
from tests.phantoms import write_small_series
from tests.service.canaries import find_canaries
from tests.service.identities.every_attribute import make_full_canary
from tests.service.identities.sites import Site, open_site, stamp_of
from workers.content_hash import ContentHash
from workers.instances import ReceivedInstance

SYNTAXES = (
    *(ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian),
    *(RLELossless, JPEG2000Lossless, JPEGLSLossless),
)


def read_kept(site: Site, one: ReceivedInstance) -> pydicom.FileDataset:
    """What workers see of an object."""
    return pydicom.dcmread(site.files.find(one.sha256))


def give_back(site: Site, one: ReceivedInstance) -> bytes:
    """The object as it leaves."""
    with site.identities.restored(site.files.find(one.sha256), None) as path:
        return path.read_bytes()


def read_hu(series: CTSeries) -> NDArray[np.int16]:
    """Its voxels."""
    return build_volume(series, lambda _fraction: None).hu


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda one: one.name)
def test_pixels_are_the_same_in_every_transfer_syntax(tmp_path: Path, syntax: UID) -> None:
    """They are not even decoded; and what came in is given back byte for byte."""
    sent = write_tiny_series(tmp_path / "ct")
    for file in sent:
        encode(file, syntax)
    site = open_site(tmp_path)

    kept = site.keep(sent)
    original, seen = read_series(tmp_path / "ct"), site.read_as_worker(site.make_job(kept))

    assert np.array_equal(read_hu(seen), read_hu(original))
    assert str(seen.grid) == str(original.grid)
    for file, one in zip(sent, kept, strict=True):
        assert read_kept(site, one).PixelData == pydicom.dcmread(file).PixelData
        assert hash_of(give_back(site, one)) == hash_of(file.read_bytes())
        place = site.files.find(one.sha256)
        revealed = site.identities.reveal_instance(one.sop_instance_uid, place)
        assert revealed == pydicom.dcmread(file).SOPInstanceUID


def test_frames_of_one_file_are_the_same_slices(tmp_path: Path) -> None:
    """An enhanced CT has its geometry, and its UIDs, in sequences of sequences."""
    slices = write_tiny_series(tmp_path / "plain")
    (tmp_path / "ct").mkdir()
    file = write_enhanced(slices, tmp_path / "ct" / "enhanced.dcm")
    site = open_site(tmp_path)

    kept = site.keep([file])
    job = site.make_job(kept)
    original, seen = read_series(tmp_path / "ct"), site.read_as_worker(job)
    made = write_structure_set(seen, drawn_on(seen, CORD), ORIGIN, stamp_of(job))
    restored = pydicom.dcmread(BytesIO(site.restore(made, job)))

    assert np.array_equal(read_hu(seen), read_hu(original))
    assert give_back(site, kept[0])[132:] == file.read_bytes()[132:]
    (uid,) = {one.sop_instance_uid for one in original.instances}
    named = {e.value for e in restored.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
    assert named == {uid, original.study_instance_uid}


def test_contours_are_equal_to_the_last_digit(tmp_path: Path) -> None:
    """By a whole run of a network, with every attribute of the CT filled."""
    sent = make_full_canary(write_small_series(tmp_path / "ct"), 1)
    site = open_site(tmp_path)
    job = site.make_job(site.keep(sent))
    cascade = open_cascade(read_bundle(RELEASED / "commissioning"), threads=1)

    drawn = [
        pydicom.dcmread(
            BytesIO(contour_series(series, cascade, stamp_of(job)).outputs[0].rtstruct)
        ).ROIContourSequence
        for series in (read_series(tmp_path / "ct"), site.read_as_worker(job))
    ]

    lines = [
        [str(line.ContourData) for roi in rois for line in roi.get("ContourSequence", [])]
        for rois in drawn
    ]
    assert len(lines[0]) > 5
    assert lines[0] == lines[1]


def test_all_that_the_standard_names_goes(tmp_path: Path) -> None:
    """And every word that is nobody's to need; it says so itself."""
    site = open_site(tmp_path)
    (kept, *_) = site.keep(make_full_canary(write_tiny_series(tmp_path / "ct"), 1))

    path = site.files.find(kept.sha256)
    dataset = pydicom.dcmread(path)

    assert find_canaries(path.read_bytes()) == set()
    assert [element for element in dataset.iterall() if element.tag.is_private] == []
    assert dataset.PatientIdentityRemoved == "YES"
    assert dataset.LongitudinalTemporalInformationModified == "REMOVED"
    assert [one.CodeValue for one in dataset.DeidentificationMethodCodeSequence] == ["113100"]
    assert dataset.PatientID
    assert not dataset.StudyDate


def test_a_site_may_keep_more(tmp_path: Path) -> None:
    """By the options of PS3.15 E.3, each of which the file names."""
    values = {"PatientSex": "F", "StationName": "CT1", "InstitutionName": "H", "PatientAge": "061Y"}
    sent = write_tiny_series(tmp_path / "ct")
    for file in sent:
        edit(file, **values, AcquisitionDateTime="20260104093000.5")
    site = open_site(tmp_path, deidentify="basic,characteristics,dates,device,institution")

    kept = site.keep(sent)
    dataset = read_kept(site, kept[0])

    assert {name: dataset[name].value for name in values} == values
    assert [one.CodeValue for one in dataset.DeidentificationMethodCodeSequence] == [
        *("113100", "113108", "113107", "113109", "113112")
    ]
    assert dataset.LongitudinalTemporalInformationModified == "MODIFIED"
    moved = pydicom.dcmread(sent[0])
    assert dataset.StudyDate < moved.StudyDate
    assert dataset.AcquisitionDateTime[8:] == "093000.5"
    days = int(dataset.AcquisitionDateTime[6:8]) - int(dataset.StudyDate[6:8])
    assert days in (3, 3 - 31, 3 - 30, 3 - 28, 3 - 29)  # as far apart as they were
    assert not dataset.get("PatientBirthDate")


def test_words_in_the_pixels_are_refused(tmp_path: Path) -> None:
    """Nothing here reads them, and so nothing takes them off."""
    (file, *_) = write_tiny_series(tmp_path / "ct")
    edit(file, BurnedInAnnotation="YES")
    site = open_site(tmp_path)

    with pytest.raises(NotStorableError, match="BurnedInAnnotation"):
        site.keep([file])
    assert list((tmp_path / "data" / "instances").iterdir()) == []


def test_attributes_of_an_unknown_representation_are_known_by_their_tags(tmp_path: Path) -> None:
    """Some routers write them so; the geometry stays and the patient goes all the same."""
    sent = write_tiny_series(tmp_path / "ct")
    for file in sent:
        dataset = pydicom.dcmread(file)
        position = "\\".join(map(str, dataset.ImagePositionPatient))
        for keyword, text in (("ImagePositionPatient", position), ("PatientAddress", "Lane 1")):
            tag = Tag(tag_for_keyword(keyword) or 0)
            value = text.encode() + b" " * (len(text) % 2)
            dataset._dict[tag] = RawDataElement(tag, "UN", len(value), value, 0, False, True)
        dataset.save_as(file)
    site = open_site(tmp_path)

    kept = site.keep(sent)
    original, seen = read_series(tmp_path / "ct"), site.read_as_worker(site.make_job(kept))

    assert str(seen.grid) == str(original.grid)
    assert b"Lane 1" in sent[0].read_bytes()
    assert b"Lane 1" not in site.files.find(kept[0].sha256).read_bytes()


def test_what_is_damaged_is_refused_or_tells_nothing(tmp_path: Path) -> None:
    """Headers with some bytes changed: whatever is kept has been understood."""
    (file, *_) = make_full_canary(write_tiny_series(tmp_path / "ct"), 1)
    content = file.read_bytes()
    site = open_site(tmp_path)
    random = Random(7)
    refused = kept = 0

    for number in range(150):
        changed = bytearray(content)
        for _ in range(random.choice([1, 3, 20])):
            changed[random.randrange(132, len(content) - 1000)] = random.randrange(256)
        damaged = tmp_path / f"{number}.dcm"
        damaged.write_bytes(changed)
        try:
            check_file(damaged, site.settings.dicom_limits)
            (one,) = site.keep([damaged])
        except (NotStorableError, DicomLimitError):
            refused += 1
            continue
        kept += 1
        path = site.files.find(one.sha256)
        if one.is_ct:
            assert find_canaries(path.read_bytes()) == set(), number

    assert refused > 3
    assert kept > 30


def test_two_patients_in_one_series_are_still_two(tmp_path: Path) -> None:
    """The gate of the worker compares what stands for them."""
    first, second, *_ = write_tiny_series(tmp_path / "ct")
    edit(second, PatientBirthDate="19500101")
    site = open_site(tmp_path)

    one, other = (read_kept(site, kept) for kept in site.keep([first, second]))

    assert one.PatientName == other.PatientName
    assert one.PatientID != other.PatientID


def test_what_differs_in_the_patient_alone_is_kept_twice(tmp_path: Path) -> None:
    """A corrected accession number must not be lost because all else is equal."""
    (file, *_) = write_tiny_series(tmp_path / "ct")
    site = open_site(tmp_path)
    (first,) = site.keep([file])
    edit(file, AccessionNumber="corrected")
    (second,) = site.keep([file])
    (third,) = site.keep([file])

    assert first.sha256 != second.sha256
    assert second.sha256 == third.sha256
    assert first.sop_instance_uid == second.sop_instance_uid
    assert pydicom.dcmread(BytesIO(give_back(site, second))).AccessionNumber == "corrected"


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\\^=")
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "PatientName": TEXT.map(lambda text: text[:30]),
        "PatientID": TEXT.map(lambda text: text[:30]),
        "PatientBirthDate": st.dates().map(lambda day: f"{day:%Y%m%d}".zfill(8)),
        "StudyID": TEXT.map(lambda text: text[:12]),
        "StudyDescription": TEXT.map(lambda text: text[:40]),
        "AccessionNumber": TEXT.map(lambda text: text[:12]),
        "StudyTime": st.times().map(lambda time: f"{time:%H%M%S}"),
        "InstitutionName": TEXT.map(lambda text: text[:40]),
        "FrameOfReferenceUID": st.integers(1, 10**20).map(lambda number: f"1.2.3.{number}"),
        "StudyInstanceUID": st.integers(1, 10**20).map(lambda number: f"1.2.4.{number}"),
        "TimezoneOffsetFromUTC": st.sampled_from(["+0200", "-0930", "+0000"]),
    },
)


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Sequence[pydicom.FileDataset]:
    """Of a tiny series."""
    files = write_tiny_series(tmp_path_factory.mktemp("slices"))
    return [pydicom.dcmread(file) for file in files]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(header=HEADERS)
def test_whatever_a_header_says_comes_back(
    slices: Sequence[pydicom.FileDataset],
    tmp_path_factory: pytest.TempPathFactory,
    header: dict[str, Any],
) -> None:
    """References and patient of a structure set, and every byte of a slice."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "ct").mkdir()
    sent = []
    for number, dataset in enumerate(slices):
        file = folder / "ct" / f"{number}.dcm"
        dataset.save_as(file)
        edit(file, **header)
        sent.append(file)
    site = open_site(folder)
    kept = site.keep(sent)
    job = site.make_job(kept)
    original, seen = read_series(folder / "ct"), site.read_as_worker(job)

    made = write_structure_set(seen, drawn_on(seen, CORD), ORIGIN, stamp_of(job))
    restored = pydicom.dcmread(BytesIO(site.restore(made, job)))
    wanted = pydicom.dcmread(sent[0])
    frame = restored.ReferencedFrameOfReferenceSequence[0]
    scan = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]

    assert frame.FrameOfReferenceUID == original.frame_of_reference_uid
    assert scan.SeriesInstanceUID == original.series_instance_uid
    assert [item.ReferencedSOPInstanceUID for item in scan.ContourImageSequence] == [
        one.sop_instance_uid for one in original.instances
    ]
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyID", "AccessionNumber"):
        assert restored.get(keyword) == wanted.get(keyword, ""), keyword
    assert restored.StudyInstanceUID == wanted.StudyInstanceUID
    assert hash_of(give_back(site, kept[0])) == hash_of(sent[0].read_bytes())
    site.engine.dispose()


def hash_of(content: bytes) -> str:
    """Of the dataset, without its meta group."""
    checksum = ContentHash()
    checksum.update(content)
    return checksum.hexdigest()
