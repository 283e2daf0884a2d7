"""ROI names as planning systems take them, by TG-263 (AAPM 2018, section 7)."""

from __future__ import annotations

import re

from contouring.structures import NAME_CHARACTERS

LONGEST_NAME = 64  # characters of LO (DICOM PS3.5 6.2)
CUT = "~"  # TG-263: only a part of the organ
# What follows a structure's own name: where it lies, a margin, a site's own qualifier.
QUALIFIERS = re.compile(r"(?:_(?:L|R|A|P|I|S|M|LUL|LLL|RUL|RML|RLL|NAdj|Dist|Prox)|_PRV\d*|\^.*)+$")


def is_roi_name(name: str, limit: int) -> bool:
    """1 to `limit` ASCII characters without space or backslash."""
    return len(name) <= limit and re.fullmatch(NAME_CHARACTERS, name) is not None


def mark_cut(name: str, limit: int) -> str:
    """The name of a part of an organ: Lung_L becomes Lung~_L.

    Where the limit leaves no room, the organ's own name loses its last letters; a name that is
    marked already stays.
    """
    if CUT in name:
        return name
    found = QUALIFIERS.search(name)
    start = found.start() if found else len(name)
    organ, qualifiers = (name[:start], name[start:]) if start else (name, "")
    room = limit - len(qualifiers) - len(CUT)
    return f"{organ[:room]}{CUT}{qualifiers}" if room > 0 else name
