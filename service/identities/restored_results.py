"""Structure sets and segmentations made of a CT without its patient, made over to the original.

A worker copies patient, study and references from the CT that it sees; here each is replaced by
what the CT had when it came. Points, pixels and what the model said stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence

from contouring.character_sets import Script, choose_script
from contouring.dicom_series import PATIENT_AND_STUDY
from contouring.equipment import describe_scanner
from contouring.errors import IdentityError
from contouring.patient_and_study import CopiedHeader, copy_patient_and_study, keep_bytes
from contouring.provenance import on_clock_at
from service.identities.identity_key import STANDARD_ROOT

# What a written object has of its own: derived from the scan, and no patient's.
OWN_UIDS = frozenset(
    {"SOPInstanceUID", "SeriesInstanceUID", "TrackingUID", "DimensionOrganizationUID"}
)
LETTERED = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
PATIENT = ("PatientID", "PatientName", "PatientBirthDate")
STAMPED = ("InstanceCreation", "Series", "StructureSet", "Content")
UID_TOKEN = re.compile(rb"2\.25\.[0-9]+")


@dataclass(frozen=True)
class OriginalScan:
    """The CT that a job was made of, as it came.

    `uids`: its UIDs by those that the worker saw; `instances`: SOP Instance UIDs of all its slices;
    `header`: what is copied from the first of them; `time_zone`: its TimezoneOffsetFromUTC.
    """

    study_instance_uid: str
    frame_of_reference_uid: str
    uids: Mapping[str, str]
    instances: frozenset[str]
    header: CopiedHeader
    time_zone: str


def restore_result(content: bytes, scan: OriginalScan, made_at: datetime) -> bytes:
    """The file as it would have been written for the original; raises `IdentityError`.

    `made_at`: of its job.
    """
    made = dcmread(BytesIO(content))
    if scan.uids.get(str(made.StudyInstanceUID)) != scan.study_instance_uid:
        raise IdentityError("the result is of another study than its job.")
    script = choose_script(scan.header.terms, scan.header.can_be_decoded, _join_words(made))
    _restore_elements(made, scan, script)
    _restore_equipment(made, scan, script)
    _stamp(made, on_clock_at(scan.time_zone, made_at))
    restored = _copy_patient(made, scan, script)
    buffer = BytesIO()
    restored.save_as(buffer, enforce_file_format=True)
    _check(buffer.getvalue(), scan, script)
    return buffer.getvalue()


def _join_words(dataset: Dataset) -> str:
    """Of the worker's own texts, which alone are left to write."""
    return " ".join(
        str(element.value)
        for element in _find_elements(dataset, LETTERED)
        if element.keyword not in PATIENT_AND_STUDY
    )


def _find_elements(dataset: Dataset, representations: frozenset[str]) -> Iterator[DataElement]:
    """Those of some representations, on all levels; no other value is parsed: points are many."""
    for tag in list(dataset.keys()):
        element = dataset.get_item(tag)
        vr = (element.VR if element is not None else None) or dictionary_VR(tag)
        if vr == "SQ":
            for item in dataset[tag].value:
                yield from _find_elements(item, representations)
        elif vr in representations:
            yield dataset[tag]


def _restore_elements(dataset: Dataset, scan: OriginalScan, script: Script) -> None:
    for element in _find_elements(dataset, LETTERED | {"UI"}):
        if element.VR == "UI" and element.value:
            element.value = _map(element.value, lambda uid, of=element: _restore_uid(uid, of, scan))
        elif element.value:
            element.value = _map(element.value, script.spell)


def _map(value: object, change: object) -> object:
    assert callable(change)
    if isinstance(value, MultiValue):
        return [change(str(one)) for one in value]
    return change(str(value))


def _restore_uid(uid: str, element: DataElement, scan: OriginalScan) -> str:
    if uid in scan.uids:
        return scan.uids[uid]
    if uid.startswith(STANDARD_ROOT) or element.keyword in OWN_UIDS:
        return uid
    raise IdentityError(f"its {element.keyword} is no UID of the job's series.")


def _restore_equipment(made: FileDataset, scan: OriginalScan, script: Script) -> None:
    """The scanner, which the worker may not have known, before what it says of itself."""
    (*_, ours) = made.ContributingEquipmentSequence
    scanner = describe_scanner(scan.header, script)
    made.ContributingEquipmentSequence = DicomSequence([*([scanner] if scanner else []), ours])


def _stamp(made: FileDataset, made_at: datetime) -> None:
    """Times on the clock of the CT, whose time zone the worker did not know."""
    for kind in STAMPED:
        for suffix, form in (("Date", "%Y%m%d"), ("Time", "%H%M%S")):
            if f"{kind}{suffix}" in made:
                setattr(made, f"{kind}{suffix}", made_at.strftime(form))
    (*_, ours) = made.ContributingEquipmentSequence
    ours.ContributionDateTime = made_at.strftime("%Y%m%d%H%M%S")


def _copy_patient(made: FileDataset, scan: OriginalScan, script: Script) -> FileDataset:
    for keyword in PATIENT_AND_STUDY:
        if keyword in made:
            del made[keyword]
    made.update(copy_patient_and_study(scan.header, scan, script))
    keep_bytes(made)
    return made


def _check(content: bytes, scan: OriginalScan, script: Script) -> None:
    """Read what was written: all of it is the original's, and nothing of the worker's is left."""
    left = {token.decode() for token in UID_TOKEN.findall(content)} & scan.uids.keys()
    if left:
        raise IdentityError("some of its references are not the original's.")
    read = dcmread(BytesIO(content), stop_before_pixels=True)
    if str(read.StudyInstanceUID) != scan.study_instance_uid:
        raise IdentityError("the written file is of another study.")
    for wanted in scan.header.copy(PATIENT, script).values():
        found = read.get_item(wanted.tag)
        if found is None or (found.value or b"") != wanted.value:
            raise IdentityError("the written file is of another patient.")
    named = {str(one.value) for one in _find_references(read)}
    if not named or not named <= scan.instances | {scan.study_instance_uid}:
        raise IdentityError("it refers to objects that are none of the job's slices.")
    if read.Modality == "RTSTRUCT" and not scan.instances <= named:
        raise IdentityError("it does not refer to all of the job's slices.")


def _find_references(dataset: Dataset) -> Iterator[DataElement]:
    found = _find_elements(dataset, frozenset({"UI"}))
    return (one for one in found if one.keyword == "ReferencedSOPInstanceUID")
