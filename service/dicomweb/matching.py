"""Whether an attribute is what a search asks for (PS3.4 C.2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate
from typing import Any

from pydicom.datadict import dictionary_VR

RANGES = frozenset({"DA", "TM", "DT"})


def split_uids(wanted: str) -> frozenset[str]:
    """A list of UIDs as a URL writes it; empty where it means any."""
    return frozenset(uid for uid in re.split(r"[,\\]", wanted) if uid not in ("", "*"))


def is_match(content: Mapping[str, Any] | None, tag: str, wanted: str) -> bool:
    """A single value, a list of UIDs, a wild card or a range; an empty one matches all.

    `content`: of the attribute `tag` in DICOM JSON; None where the object has none.
    """
    if wanted in ("", "*"):
        return True
    vr = dictionary_VR(int(tag, 16))
    values = [_tell(value) for value in (content or {}).get("Value", ()) if value is not None]
    if vr == "UI":
        return bool(set(values) & split_uids(wanted))
    if vr in RANGES and "-" in wanted:
        low, _, high = wanted.partition("-")
        return any(_is_within(value, low, high) for value in values)
    # Names match whatever their case, as the standard allows for them alone.
    flags = re.IGNORECASE if vr == "PN" else re.NOFLAG
    # Its expressions take no exponential time; brackets mean nothing in DICOM.
    expression = re.compile(translate(wanted.replace("[", "[[]")), flags)
    return any(expression.match(value) for value in values)


def _is_within(value: str, low: str, high: str) -> bool:
    """An end that is less precise than the value holds all of what it names: -12 ends at 12:59."""
    return value >= low and (not high or value[: len(high)] <= high)


def _tell(value: Any) -> str:
    """A value as a URL writes it."""
    if isinstance(value, Mapping):
        return str(value.get("Alphabetic", ""))
    return str(value)
