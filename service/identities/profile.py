"""Which of DICOM PS3.15 Annex E a site asks for: the basic profile, and options of its E.3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from importlib import import_module

from pydicom.datadict import tag_for_keyword
from pydicom.tag import BaseTag, Tag

from contouring.errors import IdentitySettingsError
from contouring.structures import CodedConcept
from workers.settings import split_names

TABLE = "dicomfields_2026c"
"""The edition of PS3.15 Table E.1-1 whose actions are taken."""

BASIC = "basic"


class Option(StrEnum):
    """What a site may keep beside, since workers or their people need it."""

    DEVICE = "device"
    INSTITUTION = "institution"
    CHARACTERISTICS = "characteristics"
    DATES = "dates"


class Action(Enum):
    """What becomes of an attribute (PS3.15 Table E.1-1a)."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    REPLACE_UIDS = "U"
    KEEP = "K"
    SHIFT = "C"


# CID 7050 of PS3.16.
CODES: Mapping[str, CodedConcept] = {
    BASIC: CodedConcept("113100", "DCM", "Basic Application Confidentiality Profile"),
    Option.DATES: CodedConcept(
        "113107", "DCM", "Retain Longitudinal Temporal Information Modified Dates Option"
    ),
    Option.CHARACTERISTICS: CodedConcept("113108", "DCM", "Retain Patient Characteristics Option"),
    Option.DEVICE: CodedConcept("113109", "DCM", "Retain Device Identity Option"),
    Option.INSTITUTION: CodedConcept("113112", "DCM", "Retain Institution Identity Option"),
}
# What a CT has of the options' columns of Table E.1-1; the maker and its model stand in no column,
# and are not told either unless the device is.
RETAINED: Mapping[Option, tuple[str, ...]] = {
    Option.DEVICE: (
        "Manufacturer",
        "ManufacturerModelName",
        "SoftwareVersions",
        "StationName",
        "DeviceSerialNumber",
        "DeviceUID",
        "DetectorID",
        "GantryID",
        "PerformedStationAETitle",
        "PerformedStationName",
        "ScheduledStationAETitle",
        "ScheduledStationName",
    ),
    Option.INSTITUTION: (
        "InstitutionName",
        "InstitutionAddress",
        "InstitutionalDepartmentName",
        "InstitutionCodeSequence",
    ),
    Option.CHARACTERISTICS: (
        "PatientSex",
        "PatientAge",
        "PatientSize",
        "PatientWeight",
        "PatientSexNeutered",
        "EthnicGroup",
        "PregnancyStatus",
        "SmokingStatus",
    ),
}
SHIFTED = (
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "InstanceCreationDate",
    "AcquisitionDateTime",
    "FrameAcquisitionDateTime",
    "FrameReferenceDateTime",
    "StartAcquisitionDateTime",
    "EndAcquisitionDateTime",
)
TIMES = ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime", "InstanceCreationTime")

# Of actions by which the standard leaves a choice, what keeps a CT valid: X/Z/U* keeps references
# with their UIDs replaced, all else that a CT may have to have gets a dummy or is emptied.
_ACTIONS = {
    "delete": Action.REMOVE,
    "empty": Action.EMPTY,
    "delete_or_empty": Action.EMPTY,
    "replace": Action.DUMMY,
    "empty_or_replace": Action.DUMMY,
    "delete_or_replace": Action.DUMMY,
    "delete_or_empty_or_replace": Action.DUMMY,
    "replace_UID": Action.REPLACE_UIDS,
    "delete_or_empty_or_replace_UID": Action.REPLACE_UIDS,
}


@dataclass(frozen=True)
class Profile:
    """The basic profile and the options on top of it."""

    options: frozenset[Option]

    @property
    def name(self) -> str:
        """As the setting says it, in one order."""
        return ",".join([BASIC, *sorted(self.options)])

    @property
    def codes(self) -> tuple[CodedConcept, ...]:
        """For De-identification Method Code Sequence."""
        return tuple(CODES[name] for name in self.name.split(","))


def read_profile(text: str) -> Profile:
    """The profile that OARLOCK_DEIDENTIFY names; raises `IdentitySettingsError`."""
    first, *rest = split_names(text) or ("",)
    unknown = [one for one in rest if one not in [*Option]]
    if first != BASIC or unknown:
        raise IdentitySettingsError(
            f"OARLOCK_DEIDENTIFY is {text!r}: write {BASIC}, and after commas what to keep beside "
            f"({', '.join(Option)})."
        )
    return Profile(frozenset(Option(one) for one in rest))


@dataclass(frozen=True)
class ActionTable:
    """The action of each attribute that the standard or the site names."""

    actions: Mapping[int, Action]
    # (mask, tag): of the groups that repeat, such as overlays
    repeating: tuple[tuple[int, int, Action], ...]

    def find(self, tag: BaseTag) -> Action | None:
        """None for an attribute that nobody names."""
        known = self.actions.get(tag)
        if known is not None:
            return known
        for mask, pattern, action in self.repeating:
            if tag & mask == pattern & mask:
                return action
        return None


def build_actions(profile: Profile) -> ActionTable:
    """The standard's table with the options' attributes kept; raises `IdentitySettingsError`."""
    actions: dict[int, Action] = {}
    repeating = []
    for place, function in _load_table().items():
        action = _ACTIONS[function.__name__]
        group, element, *masks = place
        tag = group << 16 | element
        if masks:
            repeating.append((masks[0] << 16 | masks[1], tag, action))
        else:
            actions[tag] = action
    for option in profile.options:
        actions |= dict.fromkeys(_list_tags(RETAINED.get(option, ())), Action.KEEP)
    if Option.DATES in profile.options:
        actions |= dict.fromkeys(_list_tags(SHIFTED), Action.SHIFT)
        actions |= dict.fromkeys(_list_tags(TIMES), Action.KEEP)
    return ActionTable(actions, tuple(repeating))


def _load_table() -> Mapping[tuple[int, ...], Callable[..., None]]:
    try:
        library = import_module("dicomanonymizer.simpledicomanonymizer")
    except ImportError as error:
        raise IdentitySettingsError(
            "OARLOCK_DEIDENTIFY needs dicom-anonymizer, which is not installed: "
            "pip install 'oarlock[deidentify]'."
        ) from error
    table: Mapping[tuple[int, ...], Callable[..., None]] = library.initialize_actions(TABLE)
    return table


def _list_tags(keywords: tuple[str, ...]) -> list[int]:
    return [Tag(tag_for_keyword(keyword) or 0) for keyword in keywords]
