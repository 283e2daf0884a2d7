"""The DICOM SEG: the contours filled on the CT's own pixels (DICOM PS3.3 A.51), through highdicom.

A second output for programs that read masks. It holds what the structure set holds, no better: a
pixel belongs to a segment if its centre lies inside the contours of its slice. highdicom is an
optional part of the installation and is loaded only here.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ImplicitVRLittleEndian

from contouring.character_sets import Script, choose_script, to_ascii
from contouring.codes import ARTIFICIAL_INTELLIGENCE, TISSUE, category_of, code_sequence
from contouring.contours import StructureContours
from contouring.dicom_series import CTSeries
from contouring.equipment import SERIAL_DIGITS, contributing_equipment, describe_equipment
from contouring.errors import StructureSetError
from contouring.patient_and_study import copy_patient_and_study, keep_bytes, read_first_header
from contouring.provenance import (
    IMPLEMENTATION_UID,
    LONGEST_LINE,
    MANUFACTURER,
    NOT_REVIEWED,
    Origin,
    Stamp,
    derive_uid,
    on_clock_of,
)
from contouring.reference_chain import frame_numbers
from contouring.roi_items import describe, shorten, spell_code, words_of
from contouring.segment_frames import build_sources, fill_segments, find_slices, stand_in_uid
from contouring.structures import CodedConcept
from contouring.template import Template

SERIES_NUMBER = 7001  # after that of the structure set


def write_segmentation(
    series: CTSeries,
    drawn: Sequence[StructureContours],
    origin: Origin,
    stamp: Stamp,
    template: Template,
) -> bytes:
    """A complete DICOM file, BINARY, implicit VR little endian: a segment per contoured structure.

    Frames are slices of the CT, those that a segment reaches. Raises `StructureSetError` if
    highdicom is not installed or there is nothing to write.
    """
    highdicom = _load_highdicom()
    found = [contours for contours in drawn if contours.contours]
    if not found:
        raise StructureSetError("No structure was found: there is nothing to write.")
    header = read_first_header(series)
    script = choose_script(header.terms, header.can_be_decoded, words_of(found))
    slices = find_slices(found)
    dataset: Dataset = highdicom.seg.Segmentation(
        source_images=build_sources(series, slices),
        pixel_array=fill_segments(found, series, slices),
        segmentation_type="BINARY",
        segment_descriptions=[
            _describe(highdicom, number, contours, origin, template, script)
            for number, contours in enumerate(found, start=1)
        ],
        series_instance_uid=derive_uid("segmentation series", series, origin, stamp, template),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derive_uid("segmentation", series, origin, stamp, template),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=stamp.software_version,
        device_serial_number=origin.checksum[:SERIAL_DIGITS],
        transfer_syntax_uid=ImplicitVRLittleEndian,
        content_label="AI_CONTOURS",
        content_description=shorten(f"{NOT_REVIEWED}: {origin.description}", LONGEST_LINE),
        series_description=shorten(
            f"{NOT_REVIEWED}: {origin.name} {origin.version} for {template.name}", LONGEST_LINE
        ),
    )
    for item, contours in zip(dataset.SegmentSequence, found, strict=True):
        # Said here, as highdicom would take no UID that is not its own.
        item.TrackingID = contours.structure.name
        role = f"segment {contours.structure.name}"
        item.TrackingUID = derive_uid(role, series, origin, stamp, template)
    describe_equipment(dataset, origin, stamp)
    dataset.ContributingEquipmentSequence = contributing_equipment(
        header, script, origin, stamp, on_clock_of(series, stamp.made_at)
    )
    dataset.update(copy_patient_and_study(header, series, script))
    _fix_what_varies(dataset, series, origin, stamp, template)
    _name_frames(dataset, series, slices)
    return _encoded(dataset)


def _load_highdicom() -> Any:
    try:
        return import_module("highdicom")
    except ImportError as error:
        raise StructureSetError(
            "A DICOM SEG needs highdicom, which is not installed: pip install 'oarlock[seg]', or "
            "choose a template without segmentation."
        ) from error


def _describe(
    highdicom: Any,
    number: int,
    contours: StructureContours,
    origin: Origin,
    template: Template,
    script: Script,
) -> Dataset:
    structure = contours.structure
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=origin.name,
        family=_code(highdicom, ARTIFICIAL_INTELLIGENCE),
        version=origin.version,
        source=MANUFACTURER,
    )
    algorithm[0].AlgorithmParameters = to_ascii(origin.parameters(template))
    item: Dataset = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=structure.name,
        segmented_property_category=_code(highdicom, category_of(structure) or TISSUE),
        segmented_property_type=_code(highdicom, spell_code(structure.code or TISSUE, script)),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        display_color=highdicom.color.CIELabColor.from_rgb(*structure.colour_rgb),
    )
    if structure.laterality is not None:
        (kind,) = item.SegmentedPropertyTypeCodeSequence
        kind.SegmentedPropertyTypeModifierCodeSequence = code_sequence(
            spell_code(structure.laterality, script)
        )
    description = describe(contours, script)
    if description:
        item.SegmentDescription = description
    return item


def _code(highdicom: Any, concept: CodedConcept) -> Any:
    return highdicom.sr.CodedConcept(concept.value, concept.scheme, concept.meaning)


def _fix_what_varies(
    dataset: Dataset, series: CTSeries, origin: Origin, stamp: Stamp, template: Template
) -> None:
    """Times from the stamp and UIDs from the input, where highdicom takes clock and chance."""
    made_at = on_clock_of(series, stamp.made_at)
    for kind in ("InstanceCreation", "Content", "Series"):
        setattr(dataset, f"{kind}Date", made_at.strftime("%Y%m%d"))
        setattr(dataset, f"{kind}Time", made_at.strftime("%H%M%S"))
    uid = derive_uid("segmentation dimensions", series, origin, stamp, template)
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
    dataset.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    dataset.file_meta.ImplementationVersionName = MANUFACTURER.upper()


def _name_frames(dataset: Dataset, series: CTSeries, slices: Sequence[int]) -> None:
    """Slices by instance and frame, where highdicom was given a single-frame stand-in."""
    numbers = frame_numbers(series)
    stood_for = {stand_in_uid(series, k): k for k in slices}
    sources = list(dataset.SourceImageSequence)
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        sources += frame.DerivationImageSequence[0].SourceImageSequence
    # Found before any is changed: some of them are one object.
    named = [(item, stood_for[str(item.ReferencedSOPInstanceUID)]) for item in sources]
    for item, index in named:
        item.ReferencedSOPClassUID = series.instances[index].sop_class_uid
        item.ReferencedSOPInstanceUID = series.instances[index].sop_instance_uid
        if numbers[index] is not None:
            item.ReferencedFrameNumber = numbers[index]
    instances = {}
    for _, index in named:
        reference = Dataset()
        reference.ReferencedSOPClassUID = series.instances[index].sop_class_uid
        reference.ReferencedSOPInstanceUID = series.instances[index].sop_instance_uid
        instances[series.instances[index].sop_instance_uid] = reference
    dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence = DicomSequence(
        instances.values()
    )


def _encoded(dataset: Dataset) -> bytes:
    keep_bytes(dataset)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
