"""What tells of the patient, those around and the place, taken off a dataset (PS3.15 Annex E).

The standard's table names what must go. Beyond it, words that nobody needs for contours go, too:
its attributes that it leaves alone may hold whatever somebody typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from contouring.codes import code_sequence
from contouring.dicom_series import PROJECTIONS
from contouring.person_names import fold_name
from service.identities.identity_key import IdentityKey
from service.identities.profile import Action, ActionTable, Option, Profile, build_actions

METHOD = "Oarlock"
NUMBERS = frozenset({"FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "AT", "US or SS"})
NUMERALS = frozenset({"DS", "IS"})
NUMERAL = re.compile(rb"[0-9+\-.eE \\\0]*")
TABLES_GROUP = 0x0028  # of pixels: their tables are binary, and say how to read them
# Enumerated by the standard, and read on the way to contours.
TERMS = frozenset(
    {
        "LossyImageCompression",
        "LossyImageCompressionMethod",
        "Modality",
        "PatientPosition",
        "PhotometricInterpretation",
        "PixelPresentation",
        "RescaleType",
        "VolumeBasedCalculationTechnique",
        "VolumetricProperties",
    }
)
TERM = re.compile(rb"[A-Z0-9_ \\\0]*")
IMAGE_TYPES = frozenset({"ImageType", "FrameType"})
KNOWN_TYPES = PROJECTIONS | {
    *("ORIGINAL", "DERIVED", "MIXED", "PRIMARY", "SECONDARY", "AXIAL", "LOCALIZER", "VOLUME"),
    *("NONE", "RESAMPLED", "REFORMATTED", "MPR", "AVERAGE"),
}
# Compared from slice to slice, never read: what is equal stays equal.
COMPARED = frozenset({"ConvolutionKernel", "StackID"})
DUMMIES: Mapping[str, object] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"), "REMOVED"),
    **{"AS": "000Y", "DS": "0", "IS": "0", "DA": "19000101", "TM": "000000"},
    **{"DT": "19000101000000", "UR": "http://removed.invalid"},
}


class Deidentifier:
    """Takes datasets apart by one profile; the same dataset always gives the same."""

    def __init__(self, key: IdentityKey, profile: Profile) -> None:
        self._key = key
        self._profile = profile
        self._actions: ActionTable = build_actions(profile)

    def deidentify(self, dataset: Dataset, content: str) -> dict[str, str]:
        """Change a dataset in place; which UID stands for which original one.

        `content`: what stands for the whole object, by which two that differ in the patient alone
        are still two. Raises one of `UNREADABLE` for what is damaged.
        """
        patient = _read_text(dataset, "PatientID")
        name = fold_name(_read_text(dataset, "PatientName"))
        birth_date, sex = (_read_text(dataset, one) for one in ("PatientBirthDate", "PatientSex"))
        days = self._key.choose_days(patient)
        uids: dict[str, str] = {}
        self._clean(dataset, uids, days)
        # Two patients in one series must still be seen: by all that the gate compares.
        told = "\0".join((patient, birth_date, sex))
        dataset.PatientID = self._key.hide_word("patient", told.strip("\0"))
        dataset.PatientName = self._key.hide_word("name", name)
        self._declare(dataset, content)
        return uids

    def _declare(self, dataset: Dataset, content: str) -> None:
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = [METHOD, f"object {content[:32]}"]
        dataset.DeidentificationMethodCodeSequence = [
            item for code in self._profile.codes for item in code_sequence(code)
        ]
        is_shifted = Option.DATES in self._profile.options
        dataset.LongitudinalTemporalInformationModified = "MODIFIED" if is_shifted else "REMOVED"

    def _clean(self, dataset: Dataset, uids: dict[str, str], days: int) -> None:
        for tag in list(dataset.keys()):
            if tag.is_private or tag.element == 0:
                del dataset[tag]
                continue
            # The standard's, for what a file says of a value may be meant to have it kept.
            vr = _find_vr(tag)
            action = self._actions.find(tag)
            if vr == "SQ":
                self._clean_sequence(dataset, tag, action, uids, days)
            elif action is None:
                self._clean_unnamed(dataset, tag, vr, uids)
            else:
                self._act(dataset, tag, vr, action, uids, days)

    def _clean_sequence(
        self,
        dataset: Dataset,
        tag: BaseTag,
        action: Action | None,
        uids: dict[str, str],
        days: int,
    ) -> None:
        if action is Action.REMOVE:
            del dataset[tag]
        elif not isinstance(dataset[tag].value, Sequence):
            raise ValueError("a value stands where a sequence must")
        elif action in (Action.EMPTY, Action.DUMMY):  # none of them is of a CT's type 1
            dataset[tag] = DataElement(tag, "SQ", [])
        elif action is not Action.KEEP:
            for item in dataset[tag].value:
                self._clean(item, uids, days)

    def _act(
        self,
        dataset: Dataset,
        tag: BaseTag,
        vr: str,
        action: Action,
        uids: dict[str, str],
        days: int,
    ) -> None:
        if action is Action.KEEP:
            return
        if action is Action.SHIFT:
            _shift(dataset, tag, vr, days)
        elif action is Action.REPLACE_UIDS or vr == "UI":
            self._replace_uids(dataset, tag, uids)
        elif action is Action.EMPTY:
            dataset[tag] = DataElement(tag, vr, None)
        elif action is Action.DUMMY and vr in DUMMIES:
            dataset[tag] = DataElement(tag, vr, DUMMIES[vr])
        else:
            del dataset[tag]

    def _clean_unnamed(self, dataset: Dataset, tag: BaseTag, vr: str, uids: dict[str, str]) -> None:
        """Of what no table names, only what contours may need stays."""
        keyword = keyword_for_tag(tag)
        if vr == "UI":
            self._replace_uids(dataset, tag, uids)
        elif keyword in IMAGE_TYPES:
            self._replace_words(dataset, tag, self._hide_type)
        elif keyword in COMPARED:
            self._replace_words(dataset, tag, lambda word: self._key.hide_word(keyword, word))
        elif not _is_needed(dataset, tag, vr, keyword):
            del dataset[tag]

    def _replace_uids(self, dataset: Dataset, tag: BaseTag, uids: dict[str, str]) -> None:
        def replace(uid: str) -> str:
            hidden = self._key.hide_uid(uid)
            if hidden != uid.strip(" \0"):
                uids[hidden] = uid.strip(" \0")
            return hidden

        self._replace_words(dataset, tag, replace)

    def _replace_words(self, dataset: Dataset, tag: BaseTag, replace: Callable[[str], str]) -> None:
        element = dataset[tag]
        value = element.value
        if isinstance(value, MultiValue):
            element.value = [replace(str(one)) for one in value]
        elif value:
            element.value = replace(str(value))

    def _hide_type(self, word: str) -> str:
        if not word or word.upper() in KNOWN_TYPES:
            return word
        return "LOCALIZER" if "LOCALIZER" in word.upper() else self._key.hide_word("type", word)


def _is_needed(dataset: Dataset, tag: BaseTag, vr: str, keyword: str) -> bool:
    element = dataset.get_item(tag)
    if element is None or element.VR == "SQ":
        return False
    if vr in NUMBERS:
        return True
    if vr not in NUMERALS and keyword not in TERMS:
        return "OW" in vr and tag.group == TABLES_GROUP
    value = element.value
    text = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
    return bool((NUMERAL if vr in NUMERALS else TERM).fullmatch(text))


def _shift(dataset: Dataset, tag: BaseTag, vr: str, days: int) -> None:
    """Into the past; what is no date is removed."""
    text = str(dataset[tag].value or "")
    try:
        moved = date(int(text[:4]), int(text[4:6]), int(text[6:8])) - timedelta(days=days)
    except (ValueError, OverflowError):
        del dataset[tag]
        return
    rest = re.match(r"[0-9.]*", text[8:]) if vr == "DT" else None
    dataset[tag] = DataElement(tag, vr, f"{moved:%Y%m%d}{rest.group() if rest else ''}")


def _find_vr(tag: BaseTag) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _read_text(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip()
