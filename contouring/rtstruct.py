"""The RTSTRUCT: contours written as an RT Structure Set (DICOM PS3.3 A.19).

Patient, study and frame of reference are copied from the CT and never invented. UIDs are derived
from the series and the model and times are passed in, so the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ImplicitVRLittleEndian, RTStructureSetStorage

from contouring.contours import Contour, StructureContours
from contouring.dicom_series import PATIENT_AND_STUDY, CTSeries
from contouring.errors import StructureSetError
from contouring.structures import NAME_LIMIT, NAME_PATTERN, CodedConcept, Structure

MANUFACTURER = "Oarlock"
NOT_REVIEWED = "AI, not reviewed"
# Detached Study Management (retired), as RT Referenced Study Sequence still names the study.
DETACHED_STUDY = UID("1.2.840.10008.3.1.2.3.1")
IMPLEMENTATION_UID = UID("2.25.181373287420617404270431105128330417013")
LONGEST_TEXT = 1024  # characters of an ST (PS3.5 6.2)
DECIMALS = 3  # micrometres; at most 16 bytes a value (PS3.5 6.2, DS)
REQUIRED_EVEN_IF_EMPTY = (  # type 2 of the modules Patient, General Study, Frame of Reference
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PositionReferenceIndicator",
)


@dataclass(frozen=True)
class Stamp:
    """What a structure set says of its making; passed in, never taken from the clock here.

    `made_at`: when the job was accepted; `software_version`: Oarlock's.
    """

    made_at: datetime
    software_version: str


@dataclass(frozen=True)
class Origin:
    """The model that drew the contours: name, version and sha256 of card and weights."""

    name: str
    version: str
    checksum: str

    @property
    def description(self) -> str:
        """Model, version and the checksum's first 12 digits: fits LO (64)."""
        return f"{self.name} {self.version} ({self.checksum[:12]})"


def write_structure_set(
    series: CTSeries,
    drawn: Sequence[StructureContours],
    origin: Origin,
    stamp: Stamp,
    warnings: Sequence[str] = (),
) -> bytes:
    """A complete DICOM file, implicit VR little endian; `warnings` stand in its description.

    Implicit VR, since explicit VR limits a contour to 65,534 bytes of text. Raises
    `StructureSetError` if a name is unfit or there is nothing to write.
    """
    _check_names([contours.structure for contours in drawn])
    dataset = _envelope(series, origin, stamp)
    if not all(_words(contours.structure).isascii() for contours in drawn):
        # The CT's own character set may lack these letters; Unicode has the patient's name too.
        dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.StructureSetDescription = _description(origin, warnings)
    dataset.ReferencedFrameOfReferenceSequence = DicomSequence([_reference_chain(series)])
    dataset.StructureSetROISequence = DicomSequence()
    dataset.ROIContourSequence = DicomSequence()
    dataset.RTROIObservationsSequence = DicomSequence()
    for number, contours in enumerate(drawn, start=1):
        structure = contours.structure
        dataset.StructureSetROISequence.append(_roi(number, contours, series, origin))
        dataset.ROIContourSequence.append(_roi_contour(number, contours, series))
        dataset.RTROIObservationsSequence.append(_observation(number, structure))
    return _encoded(dataset)


def _check_names(structures: list[Structure]) -> None:
    if not structures:
        raise StructureSetError("No structure was found: there is nothing to write.")
    names = [structure.name for structure in structures]
    for name in names:
        if re.fullmatch(NAME_PATTERN, name) is None:
            raise StructureSetError(
                f"{name!r} is no ROI name: 1 to {NAME_LIMIT} ASCII characters without space or "
                "backslash."
            )
    if len({name.casefold() for name in names}) < len(names):
        raise StructureSetError(f"ROI names repeat but for case: {', '.join(sorted(names))}.")


def _words(structure: Structure) -> str:
    """All free text of a card that is written into the file."""
    codes = [code.meaning for code in (structure.code, structure.laterality) if code is not None]
    return " ".join([structure.description, *codes])


def _derived_uid(series: CTSeries, origin: Origin, stamp: Stamp, role: str) -> UID:
    """A UID under 2.25 (PS3.5 B.2) from everything the file depends on."""
    parts = [role, series.series_instance_uid, origin.checksum, stamp.software_version]
    parts += [stamp.made_at.isoformat(), *(i.sop_instance_uid for i in series.instances)]
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def _envelope(series: CTSeries, origin: Origin, stamp: Stamp) -> Dataset:
    dataset = Dataset()
    for keyword in PATIENT_AND_STUDY:
        if keyword in series.header:
            dataset[keyword] = series.header[keyword]
    for keyword in REQUIRED_EVEN_IF_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    made_at = _on_clock_of(series, stamp.made_at)
    date, time = made_at.strftime("%Y%m%d"), made_at.strftime("%H%M%S")
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = _derived_uid(series, origin, stamp, "instance")
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date, time
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = _derived_uid(series, origin, stamp, "series")
    dataset.SeriesNumber = 1
    dataset.SeriesDate, dataset.SeriesTime = date, time
    dataset.SeriesDescription = f"{NOT_REVIEWED}: {origin.name} {origin.version}"[:64]
    dataset.OperatorsName = ""
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MANUFACTURER
    dataset.SoftwareVersions = stamp.software_version
    dataset.InstanceNumber = 1
    dataset.StructureSetLabel = f"AI {origin.name}"[:16]
    dataset.StructureSetName = origin.description[:64]
    dataset.StructureSetDate, dataset.StructureSetTime = date, time
    dataset.ApprovalStatus = "UNAPPROVED"
    return dataset


def _description(origin: Origin, warnings: Sequence[str]) -> str:
    """Origin and warnings as ST: 1024 characters, and only letters of every character set."""
    words = [f"{NOT_REVIEWED}. Drawn by {origin.name} {origin.version}, sha256 {origin.checksum}."]
    text = " ".join([*words, *warnings]).encode("ascii", "replace").decode()
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."


def _on_clock_of(series: CTSeries, made_at: datetime) -> datetime:
    """The time as the CT's TimezoneOffsetFromUTC, which is copied, has it; else as it is."""
    try:
        zone = datetime.strptime(str(series.header.get("TimezoneOffsetFromUTC", "")), "%z").tzinfo
    except ValueError:
        return made_at
    return made_at.astimezone(zone)


def _reference_chain(series: CTSeries) -> Dataset:
    """Frame of reference, study, series and every slice (PS3.3 C.8.8.5)."""
    referenced_series = Dataset()
    referenced_series.SeriesInstanceUID = series.series_instance_uid
    referenced_series.ContourImageSequence = DicomSequence(
        [_slice_reference(series, index) for index in range(len(series.instances))]
    )
    study = Dataset()
    study.ReferencedSOPClassUID = DETACHED_STUDY
    study.ReferencedSOPInstanceUID = series.study_instance_uid
    study.RTReferencedSeriesSequence = DicomSequence([referenced_series])
    frame = Dataset()
    frame.FrameOfReferenceUID = series.frame_of_reference_uid
    frame.RTReferencedStudySequence = DicomSequence([study])
    return frame


def _slice_reference(series: CTSeries, slice_index: int) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = series.instances[slice_index].sop_class_uid
    reference.ReferencedSOPInstanceUID = series.instances[slice_index].sop_instance_uid
    return reference


def _roi(number: int, contours: StructureContours, series: CTSeries, origin: Origin) -> Dataset:
    roi = Dataset()
    roi.ROINumber = number
    roi.ReferencedFrameOfReferenceUID = series.frame_of_reference_uid
    roi.ROIName = contours.structure.name
    if contours.structure.description:
        roi.ROIDescription = contours.structure.description
    roi.ROIVolume = f"{contours.volume_cm3:.3f}"
    roi.ROIGenerationAlgorithm = "AUTOMATIC"
    roi.ROIGenerationDescription = origin.description[:64]
    algorithm = Dataset()
    algorithm.AlgorithmFamilyCodeSequence = DicomSequence(
        [_code(CodedConcept("123110", "DCM", "Artificial Intelligence"))]
    )
    algorithm.AlgorithmName = origin.name
    algorithm.AlgorithmVersion = origin.version
    roi.ROIDerivationAlgorithmIdentificationSequence = DicomSequence([algorithm])
    return roi


def _roi_contour(number: int, contours: StructureContours, series: CTSeries) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = list(contours.structure.colour_rgb)
    items = [_contour(index, c, series) for index, c in enumerate(contours.contours, start=1)]
    if items:  # a sequence of no item is an error in many readers
        item.ContourSequence = DicomSequence(items)
    return item


def _contour(number: int, contour: Contour, series: CTSeries) -> Dataset:
    item = Dataset()
    item.ContourNumber = number
    item.ContourImageSequence = DicomSequence([_slice_reference(series, contour.slice_index)])
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(contour.points_mm)
    item.ContourData = _coordinates(contour)
    return item


def _coordinates(contour: Contour) -> list[str]:
    rounded = np.round(contour.points_mm, DECIMALS) + 0.0  # no negative zero
    return [f"{value:.{DECIMALS}f}" for value in rounded.ravel()]


def _observation(number: int, structure: Structure) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.RTROIInterpretedType = structure.interpreted_type
    observation.ROIInterpreter = ""
    if structure.code is not None:
        code = _code(structure.code)
        if structure.laterality is not None:
            code.SegmentedPropertyTypeModifierCodeSequence = DicomSequence(
                [_code(structure.laterality)]
            )
        observation.RTROIIdentificationCodeSequence = DicomSequence([code])
    return observation


def _code(concept: CodedConcept) -> Dataset:
    code = Dataset()
    code.CodeValue = concept.value
    code.CodingSchemeDesignator = concept.scheme
    code.CodeMeaning = concept.meaning
    return code


def _encoded(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = MANUFACTURER.upper()
    file = FileDataset("", dataset, file_meta=meta, preamble=b"\0" * 128)
    buffer = BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
