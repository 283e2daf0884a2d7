"""Datasets that hypothesis draws, with every kind of value that DICOM has."""

from __future__ import annotations

from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.tag import Tag

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\\^=\0", exclude_categories=["Cs"]))
LINES = st.text(st.sampled_from('aß日 \t\r\n<&>]"'))
NAMES = st.lists(st.sampled_from(["", "Müller", "山田", "van der O'Brien", "&<"]), max_size=5)
GROUPS = st.lists(NAMES.map("^".join), min_size=1, max_size=3).map("=".join)
UIDS = st.integers(0, 2**64).map(lambda number: f"2.25.{number}")
BYTES = st.binary(max_size=20).map(lambda content: content + bytes(len(content) % 2))
FLOATS = st.floats(width=32)

VALUES = {
    "AE": st.sampled_from(["ORTHANC", "A B"]),
    "AS": st.sampled_from(["042Y", "003D"]),
    "AT": st.integers(0, 2**32 - 1).map(Tag),
    "CS": st.sampled_from(["AXIAL", "A_B 1"]),
    "DA": st.sampled_from(["20260101", "19991231"]),
    "DS": st.integers(-(10**8), 10**8).map(lambda number: f"{number / 1000:.3f}"),
    "DT": st.sampled_from(["20260101120000.5+0100"]),
    "FL": FLOATS,
    "FD": st.floats(),
    "IS": st.integers(-(2**31), 2**31 - 1).map(str),
    "LO": TEXT,
    "LT": LINES,
    "PN": GROUPS,
    "SH": TEXT,
    "SL": st.integers(-(2**31), 2**31 - 1),
    "SS": st.integers(-(2**15), 2**15 - 1),
    "ST": LINES,
    "SV": st.integers(-(2**63), 2**63 - 1),
    "TM": st.sampled_from(["120000", "235959.999999"]),
    "UC": TEXT,
    "UI": UIDS,
    "UL": st.integers(0, 2**32 - 1),
    "UR": st.just("http://127.0.0.1/a?b=c&d"),
    "US": st.integers(0, 2**16 - 1),
    "UT": LINES,
    "UV": st.integers(0, 2**64 - 1),
}
SINGLE = {"LT", "ST", "UT", "UR"}
BINARY = ("OB", "OW", "UN")


@st.composite
def datasets(draw: st.DrawFn, depth: int = 2) -> Dataset:
    """A dataset of private and public elements, with sequences down to `depth`."""
    dataset = Dataset()
    dataset.add_new(0x00090010, "LO", "OARLOCK")
    for number in range(draw(st.integers(0, 5))):
        tag = draw(st.sampled_from([0x00091000, 0x00191000, 0x00E00010])) + number
        vr = draw(st.sampled_from([*VALUES, *BINARY]))
        dataset.add_new(tag, vr, draw(_values(vr)))
    if depth and draw(st.booleans()):
        items = draw(st.lists(datasets(depth=depth - 1), max_size=2))
        dataset.add_new(0x00081140, "SQ", items)
    return dataset


def _values(vr: str) -> st.SearchStrategy[object]:
    if vr in BINARY:
        return BYTES
    if vr in SINGLE:
        return VALUES[vr]
    return st.lists(VALUES[vr], max_size=3)
