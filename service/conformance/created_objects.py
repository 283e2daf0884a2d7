"""What the objects that Oarlock creates hold, and where each value comes from (PS3.2 A.2)."""

from __future__ import annotations

from collections.abc import Mapping

from contouring.dicom_series import PATIENT_AND_STUDY

COPIED = "copied from the CT"
MADE = "made by Oarlock"

# Of the RT Structure Set IOD (PS3.3 A.19), beside what is copied.
STRUCTURE_SET: Mapping[str, str] = {
    **dict.fromkeys(PATIENT_AND_STUDY, COPIED),
    "InstanceCreationDate": "the job's",
    "InstanceCreationTime": "the job's",
    "SOPClassUID": "RT Structure Set Storage",
    "SOPInstanceUID": "derived from series, model and template: the same in, the same out",
    "SeriesInstanceUID": "derived likewise",
    "SeriesDate": "the job's",
    "SeriesTime": "the job's",
    "SeriesNumber": "7000",
    "SeriesDescription": "model and template, and that it is a draft",
    "Modality": "RTSTRUCT",
    "Manufacturer": "Oarlock",
    "ManufacturerModelName": "the model's name",
    "DeviceSerialNumber": "the beginning of the model's checksum",
    "SoftwareVersions": "of Oarlock and of the model",
    "OperatorsName": "empty",
    "ContributingEquipmentSequence": "the scanner (from the CT) and Oarlock's model",
    "InstanceNumber": "1",
    "StructureSetLabel": "from the template",
    "StructureSetName": "from the template",
    "StructureSetDescription": "that it is an unreviewed draft by AI, model, version and checksum",
    "StructureSetDate": "the job's",
    "StructureSetTime": "the job's",
    "ReferencedFrameOfReferenceSequence": "study, series and every slice of the CT",
    "StructureSetROISequence": "one item for each structure of the template",
    "ROIContourSequence": "closed planar contours on the CT's own planes",
    "RTROIObservationsSequence": "interpreted type, and codes as the model has them",
    "ApprovalStatus": "UNAPPROVED, always",
}
