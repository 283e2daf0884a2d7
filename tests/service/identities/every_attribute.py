"""A patient in every attribute of a CT that can hold a word, a UID or a date."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pydicom
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from tests.service.canaries import NAME, NUMBER, UID_ROOT, WORD, make_canary

WORDS = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
DATES = {"DA": "18471203", "DT": "18471203101112", "TM": "101112"}
# Without which there is no CT, or another one: their values are the standard's.
READ = {
    *("SpecificCharacterSet", "ImageType", "Modality", "PatientPosition", "RescaleType"),
    *("PhotometricInterpretation", "SOPClassUID", "LossyImageCompression", "FrameType"),
    *("VolumetricProperties", "PixelPresentation", "LossyImageCompressionMethod"),
    *("VolumeBasedCalculationTechnique", "BurnedInAnnotation", "TimezoneOffsetFromUTC"),
    *("PatientAge", "StackID"),  # other slices, another stack
}
LAST_GROUP = 0x4FFF  # of text: then overlays, waveforms and pixels


def make_full_canary(files: Iterable[Path], number: int) -> list[Path]:
    """The slices, in files that are named after the patient, as everything else in them is."""
    made = make_canary(files, number)
    for file in made:
        dataset = pydicom.dcmread(file)
        _fill(dataset, number)
        dataset.save_as(file)
        with file.open("ab") as ending:  # behind the pixels
            ending.write(_encode_private(0x7FE1, WORD.encode()))
    return made


def count_attributes() -> int:
    """So many attributes hold the patient, on the outermost level."""
    dataset = Dataset()
    _fill(dataset, 1)
    return len(dataset)


def _fill(dataset: Dataset, number: int) -> None:
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        group = tag >> 16
        is_told = keyword in dataset and vr in ("UI", "DS", "IS", "US", "OW")
        if not keyword or keyword in READ or group <= 2 or group > LAST_GROUP or is_told:
            continue
        if vr in WORDS:
            _set(dataset, tag, vr, NAME if vr == "PN" else WORD)
        elif vr == "CS":
            _set(dataset, tag, vr, WORD)
        elif vr == "UI" and "Class" not in keyword:
            _set(dataset, tag, vr, f"{UID_ROOT}.{number}.9.{tag}")
        elif vr in DATES:
            _set(dataset, tag, vr, DATES[vr])
        elif vr == "AS":
            _set(dataset, tag, vr, "061Y")
    for keyword in (
        "ReferencedStudySequence",
        "AnatomicRegionSequence",
        "RequestAttributesSequence",
    ):
        item = Dataset()
        item.ReferencedSOPInstanceUID = f"{UID_ROOT}.{number}.8"
        item.CodeMeaning = f"of {NAME}"
        item.PatientID = WORD
        setattr(dataset, keyword, [item])
    block = dataset.private_block(0x0099, f"{WORD} BLOCK", create=True)
    block.add_new(1, "LO", NAME)
    block.add_new(2, "UN", WORD.encode() + b" ")
    dataset.add_new(Tag(0x60000022), "LO", WORD)  # of an overlay
    dataset.add_new(Tag(0x60004000), "LT", NUMBER)


def _set(dataset: Dataset, tag: int, vr: str, value: str) -> None:
    dataset.add_new(Tag(tag), vr, value)


def _encode_private(group: int, value: bytes) -> bytes:
    """Two elements in explicit VR little endian: a creator, and what it says."""
    head = group.to_bytes(2, "little")
    value += b" " * (len(value) % 2)
    length = len(value).to_bytes(2, "little")
    creator = head + b"\x10\x00LO" + length + value
    return creator + head + b"\x01\x10LO" + length + value
