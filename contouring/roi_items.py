"""The three items of one ROI: what it is called, where it runs and what it stands for.

DICOM PS3.3 C.8.8.5 (Structure Set ROI), C.8.8.6 (ROI Contour) and C.8.8.8 (Observations).
"""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from contouring.character_sets import Script, to_ascii
from contouring.codes import ARTIFICIAL_INTELLIGENCE, category_of, code_sequence
from contouring.contour_items import encode_contours
from contouring.contours import StructureContours
from contouring.dicom_series import CTSeries
from contouring.patient_and_study import keep_bytes
from contouring.provenance import LONGEST_LINE, LONGEST_TEXT, MANUFACTURER, Origin
from contouring.structures import CodedConcept, Structure
from contouring.template import Template


def append_rois(
    dataset: Dataset,
    drawn: Sequence[StructureContours],
    series: CTSeries,
    origin: Origin,
    template: Template,
    script: Script,
) -> None:
    """The three sequences of ROIs, joined by number, from 1 in the order they are drawn."""
    algorithm = _algorithm(origin, template)
    numbered = list(enumerate(drawn, start=1))
    dataset.StructureSetROISequence = DicomSequence(
        [_roi(number, contours, series, origin, algorithm, script) for number, contours in numbered]
    )
    dataset.ROIContourSequence = DicomSequence(
        [_roi_contour(number, contours, series) for number, contours in numbered]
    )
    dataset.RTROIObservationsSequence = DicomSequence(
        [_observation(number, contours.structure, script) for number, contours in numbered]
    )


def words_of(drawn: Sequence[StructureContours]) -> str:
    """All free text of a card or a template that is written into a file."""
    words = []
    for structure in (contours.structure for contours in drawn):
        codes = (code for code in (structure.code, structure.laterality) if code is not None)
        words += [structure.description, *(code.meaning for code in codes)]
    return " ".join(words)


def spell_code(concept: CodedConcept, script: Script) -> CodedConcept:
    """A code whose meaning the file's letters can write."""
    return CodedConcept(concept.value, concept.scheme, script.spell(concept.meaning))


def describe(contours: StructureContours, script: Script) -> str:
    """The long name, then what a person should look at."""
    flags = " ".join(f"{to_ascii(flag.text)} ({flag.name})" for flag in contours.flags)
    words = [script.spell(contours.structure.description), f"Review: {flags}" if flags else ""]
    return shorten(". ".join(word for word in words if word), LONGEST_TEXT)


def shorten(text: str, limit: int) -> str:
    """A text that fits, with three dots where its end is missing."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _algorithm(origin: Origin, template: Template) -> Dataset:
    """Algorithm Identification Macro (PS3.3 10.16)."""
    algorithm = Dataset()
    algorithm.AlgorithmFamilyCodeSequence = code_sequence(ARTIFICIAL_INTELLIGENCE)
    algorithm.AlgorithmName = origin.name
    algorithm.AlgorithmVersion = origin.version
    algorithm.AlgorithmParameters = to_ascii(origin.parameters(template))
    algorithm.AlgorithmSource = MANUFACTURER
    return algorithm


def _roi(
    number: int,
    contours: StructureContours,
    series: CTSeries,
    origin: Origin,
    algorithm: Dataset,
    script: Script,
) -> Dataset:
    is_derived = contours.structure.label == 0
    description = describe(contours, script)
    roi = Dataset()
    roi.ROINumber = number
    roi.ReferencedFrameOfReferenceUID = series.frame_of_reference_uid
    roi.ROIName = contours.structure.name
    if description:
        roi.ROIDescription = description
    if contours.contours:
        roi.ROIVolume = f"{contours.volume_cm3:.3f}"
    roi.ROIGenerationAlgorithm = "AUTOMATIC"
    made = f"Derived, from {origin.description}" if is_derived else origin.description
    roi.ROIGenerationDescription = made[:LONGEST_LINE]
    roi.ROIDerivationAlgorithmIdentificationSequence = DicomSequence([algorithm])
    return roi


def _roi_contour(number: int, contours: StructureContours, series: CTSeries) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = list(contours.structure.colour_rgb)
    if contours.contours:  # a sequence of no item is an error in many readers
        encoded = encode_contours(contours.structure.name, contours.contours, series)
        item[encoded.tag] = encoded
    keep_bytes(item)
    return item


def _observation(number: int, structure: Structure, script: Script) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.RTROIInterpretedType = structure.interpreted_type
    observation.ROIInterpreter = ""
    category = category_of(structure)
    if category is not None:
        observation.SegmentedPropertyCategoryCodeSequence = code_sequence(category)
    if structure.code is not None:
        codes = code_sequence(spell_code(structure.code, script))
        if structure.laterality is not None:
            side = spell_code(structure.laterality, script)
            codes[0].SegmentedPropertyTypeModifierCodeSequence = code_sequence(side)
        observation.RTROIIdentificationCodeSequence = codes
    return observation
