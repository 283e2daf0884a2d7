"""Patient, study and frame of reference, as the CT has them: copied, never invented.

The bytes are taken from the file of the series' first slice, since decoding and encoding a name
can change them: ISO 2022 has more than one spelling of a text, and many scanners write letters
that their character set does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol

import pydicom
from pydicom.charset import convert_encodings, default_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from contouring.character_sets import Script, are_known, decode_text
from contouring.dicom_series import PATIENT_AND_STUDY, CTSeries
from contouring.opened_files import open_file

EQUIPMENT = (  # of the scanner
    "Manufacturer",
    "InstitutionName",
    "StationName",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
)
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
LETTERED = ("LO", "PN", "SH")  # representations whose letters Specific Character Set decides


@dataclass(frozen=True)
class CopiedHeader:
    """What a written object copies of its CT: by keyword, the bytes of each value as they are."""

    values: Mapping[str, bytes]

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """The values of Specific Character Set; none where it is missing or empty."""
        value = self.values.get("SpecificCharacterSet", b"").decode("ascii", "replace")
        return tuple(term.strip(" \0") for term in value.split("\\")) if value.strip(" \0") else ()

    @cached_property
    def can_be_decoded(self) -> bool:
        """Whether its letters are what its character set says, so that they may be written anew."""
        lettered = [value for keyword, value in self.values.items() if _is_lettered(keyword)]
        if not self.terms:
            return all(value.isascii() for value in lettered)
        return are_known(self.terms) and not any(
            "\ufffd" in decode_text(value, self.terms) for value in lettered
        )

    def copy(self, keywords: Iterable[str], script: Script) -> Dataset:
        """These elements, those that there are: the same bytes, or the same text in Unicode."""
        copied = Dataset()
        for keyword in keywords:
            if keyword in self.values:
                value = self.values[keyword]
                if _is_lettered(keyword) and not script.is_the_cts:
                    value = decode_text(value, self.terms).encode()
                element = _raw_element(keyword, value)
                copied[element.tag] = element
        return copied


def read_first_header(series: CTSeries) -> CopiedHeader:
    """What is copied, from the file of the first slice."""
    with open_file(series.instances[0].path) as file:
        return read_copied_header(file)


def read_copied_header(source: Path | BinaryIO) -> CopiedHeader:
    """What is copied of one slice; its file may end where its pixels would begin."""
    keywords = [*PATIENT_AND_STUDY, *EQUIPMENT]
    dataset = pydicom.dcmread(source, stop_before_pixels=True, specific_tags=list(keywords))
    present = {k: dataset.get_item(Tag(k)) for k in keywords if k in dataset}
    values = {k: e.value or b"" for k, e in present.items() if isinstance(e, RawDataElement)}
    if "SpecificCharacterSet" in dataset:  # which pydicom has decoded
        terms = dataset.SpecificCharacterSet or ""
        joined = terms if isinstance(terms, str) else "\\".join(terms)
        values["SpecificCharacterSet"] = joined.encode("ascii", "replace")
    return CopiedHeader(values)


class Referenced(Protocol):
    """A CT series, by the UIDs of what it is a part of."""

    @property
    def study_instance_uid(self) -> str:
        """Of its study."""

    @property
    def frame_of_reference_uid(self) -> str:
        """Of its positions."""


def copy_patient_and_study(header: CopiedHeader, series: Referenced, script: Script) -> Dataset:
    """A new dataset with the patient, study and frame of reference of the CT."""
    dataset = header.copy(PATIENT_AND_STUDY, script)
    if not script.is_the_cts:
        dataset.SpecificCharacterSet = list(script.terms)
    # Padding of a UID must not part them from the references.
    dataset.StudyInstanceUID = series.study_instance_uid
    dataset.FrameOfReferenceUID = series.frame_of_reference_uid
    for keyword in REQUIRED_EVEN_IF_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    return dataset


def keep_bytes(dataset: Dataset) -> None:
    """Tell pydicom that raw values of a dataset, once complete, are written as they are."""
    encodings: str | list[str] = default_encoding
    if "SpecificCharacterSet" in dataset:
        encodings = convert_encodings(dataset.SpecificCharacterSet)
    dataset.set_original_encoding(True, True, encodings)


def _is_lettered(keyword: str) -> bool:
    return dictionary_VR(tag_for_keyword(keyword) or 0) in LETTERED


def _raw_element(keyword: str, value: bytes) -> RawDataElement:
    tag = Tag(keyword)
    representation = dictionary_VR(tag)
    value += (b"\0" if representation == "UI" else b" ") * (len(value) % 2)
    return RawDataElement(tag, representation, len(value), value, 0, True, True)
