"""The RTSTRUCT: contours written as an RT Structure Set (DICOM PS3.3 A.19).

Patient, study and frame of reference are copied from the CT and never invented. UIDs are derived
from the series and the model and times are passed in, so the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from contouring.character_sets import choose_script, to_ascii
from contouring.contours import StructureContours
from contouring.dicom_series import CTSeries
from contouring.equipment import contributing_equipment, describe_equipment
from contouring.errors import StructureSetError
from contouring.notices import Notice
from contouring.patient_and_study import copy_patient_and_study, keep_bytes, read_first_header
from contouring.provenance import (
    IMPLEMENTATION_UID,
    LONGEST_LABEL,
    LONGEST_LINE,
    LONGEST_TEXT,
    MANUFACTURER,
    NOT_REVIEWED,
    Origin,
    Stamp,
    derive_uid,
    on_clock_of,
)
from contouring.reference_chain import reference_chain
from contouring.roi_items import append_rois, shorten, words_of
from contouring.roi_names import is_roi_name
from contouring.template import Template

__all__ = ["Origin", "Stamp", "write_structure_set"]

ANY_TEMPLATE = Template("generic")
# Free of the scanner's own numbers, which start at 1, and the same each time.
SERIES_NUMBER = 7000


def write_structure_set(
    series: CTSeries,
    drawn: Sequence[StructureContours],
    origin: Origin,
    stamp: Stamp,
    warnings: Sequence[str | Notice] = (),
    template: Template = ANY_TEMPLATE,
) -> bytes:
    """A complete DICOM file, implicit VR little endian; `warnings` stand in its description.

    `drawn` is written as it is, in its order; a structure without contours gets none. Implicit VR,
    since explicit VR limits a contour to 65,534 bytes of text. Raises `StructureSetError` if a
    name or a contour is unfit or there is nothing to write.
    """
    _check_names([contours.structure.name for contours in drawn], template.name_limit)
    header = read_first_header(series)
    script = choose_script(header.terms, header.can_be_decoded, words_of(drawn))
    dataset = copy_patient_and_study(header, series, script)
    _append_envelope(dataset, series, origin, stamp, template)
    dataset.ContributingEquipmentSequence = contributing_equipment(
        header, script, origin, stamp, on_clock_of(series, stamp.made_at)
    )
    dataset.StructureSetDescription = _description(origin, template, warnings)
    dataset.ReferencedFrameOfReferenceSequence = DicomSequence([reference_chain(series)])
    append_rois(dataset, drawn, series, origin, template, script)
    keep_bytes(dataset)
    return _encoded(dataset)


def _check_names(names: list[str], limit: int) -> None:
    if not names:
        raise StructureSetError("No structure was found: there is nothing to write.")
    for name in names:
        if not is_roi_name(name, limit):
            raise StructureSetError(
                f"{name!r} is no ROI name: 1 to {limit} ASCII characters without space or "
                "backslash."
            )
    if len({name.casefold() for name in names}) < len(names):
        raise StructureSetError(f"ROI names repeat but for case: {', '.join(sorted(names))}.")


def _append_envelope(
    dataset: Dataset, series: CTSeries, origin: Origin, stamp: Stamp, template: Template
) -> None:
    """SOP Common, RT Series, General Equipment and the head of Structure Set and Approval."""
    made_at = on_clock_of(series, stamp.made_at)
    date, time = made_at.strftime("%Y%m%d"), made_at.strftime("%H%M%S")
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = derive_uid("instance", series, origin, stamp, template)
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date, time
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = derive_uid("series", series, origin, stamp, template)
    dataset.SeriesNumber = SERIES_NUMBER
    dataset.SeriesDate, dataset.SeriesTime = date, time
    dataset.SeriesDescription = shorten(
        f"{NOT_REVIEWED}: {origin.name} {origin.version} for {template.name}", LONGEST_LINE
    )
    dataset.OperatorsName = ""
    describe_equipment(dataset, origin, stamp)
    dataset.InstanceNumber = 1
    dataset.StructureSetLabel = f"AI {origin.name}"[:LONGEST_LABEL]
    dataset.StructureSetName = origin.description[:LONGEST_LINE]
    dataset.StructureSetDate, dataset.StructureSetTime = date, time
    dataset.ApprovalStatus = "UNAPPROVED"


def _description(origin: Origin, template: Template, warnings: Sequence[str | Notice]) -> str:
    """Origin and warnings, in letters that every character set has."""
    model = f"{origin.name} {origin.version}, sha256 {origin.checksum}"
    runtime = f", on {origin.runtime}" if origin.runtime else ""
    words = [f"{NOT_REVIEWED}. Drawn by {model}{runtime}; template {template.name}."]
    words += [str(warning) for warning in warnings]
    return shorten(to_ascii(" ".join(words)), LONGEST_TEXT)


def _encoded(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = MANUFACTURER.upper()
    file = FileDataset("", dataset, file_meta=meta, preamble=b"\0" * 128)
    file.set_original_encoding(True, True, dataset.original_character_set)
    buffer = BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
