"""A patient who is known by nothing but what must not be found elsewhere."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import pydicom

NAME = "Kanarienvogel^Zwitscherline"
WORD = "KANARIE7X"
NUMBER = "4711908172"
UID_ROOT = f"1.2.826.0.1.{NUMBER}"

ATTRIBUTES = {
    "PatientName": NAME,
    "PatientID": f"{WORD}ID",
    "IssuerOfPatientID": WORD,
    "OtherPatientIDs": f"{WORD}OTHER",
    "OtherPatientNames": NAME,
    "PatientBirthName": NAME,
    "PatientMotherBirthName": NAME,
    "PatientAddress": f"{WORD} Lane 1",
    "PatientTelephoneNumbers": NUMBER,
    "PatientComments": f"about {NAME}",
    "PatientReligiousPreference": WORD,
    "MilitaryRank": WORD,
    "Occupation": WORD,
    "EthnicGroup": WORD,
    "MedicalAlerts": WORD,
    "Allergies": WORD,
    "AdditionalPatientHistory": f"saw {NAME} again",
    "AccessionNumber": f"{WORD}A",
    "StudyID": f"{WORD}S",
    "StudyDescription": f"study of {NAME}",
    "SeriesDescription": f"series of {NAME}",
    "ReferringPhysicianName": NAME,
    "PerformingPhysicianName": NAME,
    "PhysiciansOfRecord": NAME,
    "OperatorsName": NAME,
    "InstitutionName": f"{WORD} Hospital",
    "InstitutionAddress": f"{WORD} Street",
    "InstitutionalDepartmentName": WORD,
    "StationName": WORD,
    "ProtocolName": f"{WORD} protocol",
    "ImageComments": f"{WORD} image",
    "RequestedProcedureDescription": f"{WORD} asked",
}
"""What a header says of a patient, of those around and of where; 32 attributes."""

_TEXTS = (NAME, *NAME.split("^"), WORD, NUMBER)


def make_canary(files: Iterable[Path], number: int) -> list[Path]:
    """The same slices of the patient, under UIDs and in files that tell of the same."""
    made = []
    for place, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        for keyword, value in ATTRIBUTES.items():
            setattr(dataset, keyword, value)
        dataset.StudyInstanceUID = f"{UID_ROOT}.{number}"
        dataset.SeriesInstanceUID = f"{UID_ROOT}.{number}.1"
        dataset.SOPInstanceUID = f"{UID_ROOT}.{number}.1.{place + 1}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        made.append(file.with_name(f"{WORD} {NAME} {number}-{place}.dcm"))
        dataset.save_as(made[-1])
        file.unlink()
    return made


def find_canaries(content: bytes) -> set[str]:
    """What of the patient is in some bytes, in any of the forms that programs write it in."""
    return {form for form, pattern in _PATTERNS.items() if pattern.search(content)}


def _build_patterns() -> dict[str, re.Pattern[bytes]]:
    forms: dict[str, bytes] = {}
    for text in _TEXTS:
        raw = text.encode()
        forms[f"{text} as it is"] = raw
        forms[f"{text} percent-encoded"] = quote(text, safe="").encode()
        forms[f"{text} percent-encoded throughout"] = b"".join(b"%%%02X" % one for one in raw)
        forms[f"{text} in hexadecimal"] = raw.hex().encode()
        for codec in ("utf-16-le", "utf-16-be"):
            forms[f"{text} in {codec}"] = text.encode(codec)
        # The same bytes look in three ways, by how many stand before them.
        for before in range(3):
            forms[f"{text} in base64, after {before}"] = _encode(raw, before)
    return {name: re.compile(re.escape(form), re.IGNORECASE) for name, form in forms.items()}


def _encode(raw: bytes, before: int) -> bytes:
    """Those characters of base64 that do not depend on the bytes around."""
    whole = base64.b64encode(b"\0" * before + raw)
    start = 0 if before == 0 else 4
    end = len(whole) - (4 if (before + len(raw)) % 3 else 0)
    return whole[start:end]


_PATTERNS = _build_patterns()
