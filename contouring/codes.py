"""Codes as sequence items (DICOM PS3.3 8.8), and those that every written object uses."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from contouring.structures import CodedConcept, Structure

ARTIFICIAL_INTELLIGENCE = CodedConcept("123110", "DCM", "Artificial Intelligence")  # CID 7162
ACQUISITION_EQUIPMENT = CodedConcept("109101", "DCM", "Acquisition Equipment")  # CID 7005
PROCESSING_EQUIPMENT = CodedConcept("109102", "DCM", "Processing Equipment")  # CID 7005
ANATOMICAL_STRUCTURE = CodedConcept("91723000", "SCT", "Anatomical Structure")  # CID 9580
TISSUE = CodedConcept("85756007", "SCT", "Tissue")  # CID 7150: whatever else it is
EXTERNAL_BODY = CodedConcept("130047", "DCM", "External Body Model")  # CID 9580


def code_item(concept: CodedConcept) -> Dataset:
    """One item of a code sequence."""
    code = Dataset()
    code.CodeValue = concept.value
    code.CodingSchemeDesignator = concept.scheme
    code.CodeMeaning = concept.meaning
    return code


def code_sequence(concept: CodedConcept) -> DicomSequence:
    """A code sequence of one item."""
    return DicomSequence([code_item(concept)])


def category_of(structure: Structure) -> CodedConcept | None:
    """What kind of thing a structure is (CID 9580), where that is known."""
    if structure.interpreted_type == "EXTERNAL":
        return EXTERNAL_BODY
    if structure.code is not None or structure.interpreted_type == "ORGAN":
        return ANATOMICAL_STRUCTURE
    return None
