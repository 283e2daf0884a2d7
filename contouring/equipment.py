"""The equipment that made a file: this software, and before it the scanner (PS3.3 C.12.1.1.5)."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from contouring.character_sets import Script
from contouring.codes import ACQUISITION_EQUIPMENT, PROCESSING_EQUIPMENT, code_sequence
from contouring.patient_and_study import EQUIPMENT, CopiedHeader, keep_bytes
from contouring.provenance import MANUFACTURER, NOT_REVIEWED, Origin, Stamp

SERIAL_DIGITS = 16  # of the model's checksum: what parts two installations of one version


def describe_equipment(dataset: Dataset, origin: Origin, stamp: Stamp) -> None:
    """General Equipment (PS3.3 C.7.5.1): Oarlock, with the model as the part that can change."""
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MANUFACTURER
    dataset.DeviceSerialNumber = origin.checksum[:SERIAL_DIGITS]
    dataset.SoftwareVersions = [stamp.software_version, f"{origin.name} {origin.version}"]


def contributing_equipment(
    header: CopiedHeader, script: Script, origin: Origin, stamp: Stamp, made_at: datetime
) -> DicomSequence:
    """The scanner, if its maker is known, and this software."""
    ours = Dataset()
    describe_equipment(ours, origin, stamp)
    ours.PurposeOfReferenceCodeSequence = code_sequence(PROCESSING_EQUIPMENT)
    ours.ContributionDateTime = made_at.strftime("%Y%m%d%H%M%S")
    ours.ContributionDescription = f"Automatic contours: {NOT_REVIEWED}"
    scanner = describe_scanner(header, script)
    return DicomSequence([ours] if scanner is None else [scanner, ours])


def describe_scanner(header: CopiedHeader, script: Script) -> Dataset | None:
    """The scanner as the CT names it; None where its maker is not known, type 1 of an item."""
    if not header.values.get("Manufacturer", b"").strip(b" \0"):
        return None
    scanner = header.copy(EQUIPMENT, script)
    scanner.PurposeOfReferenceCodeSequence = code_sequence(ACQUISITION_EQUIPMENT)
    keep_bytes(scanner)
    return scanner
