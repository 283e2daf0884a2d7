"""A search as a URL writes it (QIDO-RS, PS3.18 10.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from starlette.exceptions import HTTPException

from contouring.dicom_files import LAST_DESCRIBED
from service.dicomweb.matching import split_uids

Uids = tuple[frozenset[str], frozenset[str], frozenset[str]]
"""Studies, series and objects that are asked for; none means any."""


class Level(StrEnum):
    """What one answer of a search is about."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


# PS3.18 Tables 10.6.3-3 to 10.6.3-5, with what a planning system shows beside it.
RETURNED: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "ReferringPhysicianName",
        "TimezoneOffsetFromUTC",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyID",
        "StudyDescription",
    ),
    Level.SERIES: (
        "Modality",
        "TimezoneOffsetFromUTC",
        "SeriesDescription",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SeriesNumber",
        "SeriesDate",
        "SeriesTime",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "RequestAttributesSequence",
        "BodyPartExamined",
        "FrameOfReferenceUID",
    ),
    Level.INSTANCE: (
        "SOPClassUID",
        "SOPInstanceUID",
        "TimezoneOffsetFromUTC",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "InstanceNumber",
        "Rows",
        "Columns",
        "BitsAllocated",
        "NumberOfFrames",
        "StructureSetLabel",
    ),
}
NUMBERS = ("limit", "offset")
DIGITS = 9  # of either
# What is no attribute and changes nothing in what is found.
IGNORED = frozenset({"fuzzymatching", "emptyvaluematching", "accept", "charset"})
UNSEARCHED = frozenset({"SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN"})
UID_TAGS = ("0020000D", "0020000E", "00080018")


@dataclass(frozen=True)
class Query:
    """One search; `matches`: wanted values by tag ("00100020"); `included`: more tags to tell."""

    level: Level
    uids: Uids
    matches: Mapping[str, str]
    included: frozenset[str]
    includes_all: bool
    limit: int | None
    offset: int


def read_query(
    level: Level, pairs: Iterable[tuple[str, str]], path_uids: Mapping[str, str]
) -> Query:
    """The search of a URL; raises 400 for what it cannot mean.

    `path_uids`: UIDs in the path by keyword.
    """
    given = [(name, value) for name, value in pairs if name not in IGNORED]
    fields = [part for name, value in given if name == "includefield" for part in value.split(",")]
    numbers = {name: _read_number(name, value) for name, value in given if name in NUMBERS}
    matches = _read_matches(
        (name, value) for name, value in given if name not in (*NUMBERS, "includefield")
    )
    in_path = {_find_tag(keyword): uid for keyword, uid in path_uids.items()}
    studies, series, objects = (
        _unite_uids(tag, split_uids(matches.pop(tag, "")), in_path.get(tag)) for tag in UID_TAGS
    )
    return Query(
        level=level,
        uids=(studies, series, objects),
        matches=matches,
        # Of what is within a sequence, the whole sequence is told.
        included=frozenset(
            _find_tag(part.partition(".")[0]) for part in fields if part not in ("", "all")
        ),
        includes_all="all" in fields,
        limit=numbers.get("limit"),
        offset=numbers.get("offset", 0),
    )


def list_told(query: Query) -> frozenset[str]:
    """Tags that each answer tells; of searches across studies or series, theirs as well."""
    keywords = [*RETURNED[query.level]]
    if query.level is not Level.STUDY and not query.uids[0]:
        keywords += RETURNED[Level.STUDY]
    if query.level is Level.INSTANCE and not query.uids[1]:
        keywords += RETURNED[Level.SERIES]
    told = {_find_tag(keyword) for keyword in keywords}
    return frozenset(told | query.included | set(query.matches))


def list_searched(query: Query) -> list[str]:
    """Keywords of the attributes that a search names values of."""
    by_uid = [tag for tag, uids in zip(UID_TAGS, query.uids, strict=True) if uids]
    return sorted(keyword_for_tag(int(tag, 16)) or tag for tag in (*query.matches, *by_uid))


def _read_matches(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    matches: dict[str, str] = {}
    for name, value in pairs:
        tag = _find_tag(name)
        if not _is_searchable(int(tag, 16)):
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"{name[:80]} cannot be searched by")
        if tag in matches and tag not in UID_TAGS:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"{name[:80]} is given more than once")
        # UIDs may be one list, or one parameter each.
        matches[tag] = f"{matches[tag]},{value}" if tag in matches else value
    return matches


def _is_searchable(tag: int) -> bool:
    """What is in no dictionary has no VR to be compared by; pixels are of "OB or OW"."""
    is_known = bool(keyword_for_tag(tag)) and tag <= LAST_DESCRIBED
    return is_known and UNSEARCHED.isdisjoint(dictionary_VR(tag).split(" or "))


def _unite_uids(tag: str, asked: frozenset[str], in_path: str | None) -> frozenset[str]:
    if in_path is None:
        return asked
    if asked and in_path not in asked:
        keyword = keyword_for_tag(int(tag, 16))
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{keyword} is not the one in the path")
    return frozenset({in_path})


def _find_tag(name: str) -> str:
    """The tag of a keyword, or of a tag as eight hexadecimal digits."""
    if re.fullmatch(r"[0-9A-Fa-f]{8}", name):
        return name.upper()
    tag = tag_for_keyword(name)
    if tag is None:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"there is no DICOM attribute {name[:80]!r}")
    return f"{tag:08X}"


def _read_number(name: str, value: str) -> int:
    if not re.fullmatch(rf"[0-9]{{1,{DIGITS}}}", value):
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{name} is a whole number, not {value[:20]!r}")
    return int(value)
