"""The standard's tables of an RT Structure Set, as highdicom ships them, against a file we wrote.

highdicom reads them only for its own objects; here they judge a file of another class. They are
private to it, so its version is pinned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map
from pydicom import DataElement, Dataset, dcmread
from pydicom.datadict import keyword_for_tag

REQUIRED = ("1", "2")
# The tables have these as optional: a file without contours would pass (PS3.3 C.8.8.5, C.8.8.6
# and C.8.8.8 as of 2024 demand all three).
ROI_NUMBERS = {
    "StructureSetROISequence": "ROINumber",
    "ROIContourSequence": "ReferencedROINumber",
    "RTROIObservationsSequence": "ReferencedROINumber",
}


@dataclass
class Attribute:
    """What the tables say of one attribute: its strictest type, and the attributes of its items."""

    type: str = "3"
    items: dict[str, Attribute] = field(default_factory=dict)


def highdicom_findings(rtstruct: Path) -> list[str]:
    """Attributes that the file lacks, leaves empty or has without the tables knowing them."""
    dataset = dcmread(rtstruct)
    return [
        *_findings(dataset, _attributes(frozenset(dataset.dir())), ""),
        *_disagreeing_sequences(dataset),
    ]


def _findings(dataset: Dataset, attributes: Mapping[str, Attribute], path: str) -> Iterator[str]:
    for keyword, attribute in attributes.items():
        if attribute.type in REQUIRED and keyword not in dataset:
            yield f"{path}{keyword}: missing, type {attribute.type}"
        elif attribute.type == "1" and dataset[keyword].is_empty:
            yield f"{path}{keyword}: empty, type 1"
    for element in dataset:
        known = attributes.get(element.keyword)
        if known is None:
            yield f"{path}{keyword_for_tag(element.tag) or element.tag}: not in the tables"
        else:
            for number, item in enumerate(_items(element), start=1):
                yield from _findings(item, known.items, f"{path}{element.keyword}[{number}].")


def _items(element: DataElement) -> list[Dataset]:
    return list(element.value) if element.VR == "SQ" else []


def _disagreeing_sequences(dataset: Dataset) -> Iterator[str]:
    numbers = {
        sequence: sorted(int(item[keyword].value) for item in dataset.get(sequence) or [])
        for sequence, keyword in ROI_NUMBERS.items()
    }
    for sequence, found in numbers.items():
        if not found:
            yield f"{sequence}: missing or empty"
        if found != numbers["StructureSetROISequence"]:
            yield f"{sequence}: speaks of other ROIs than StructureSetROISequence"


@cache
def _attributes(present: frozenset[str]) -> dict[str, Attribute]:
    """The tables' attributes as a tree: of the mandatory modules, and of the others in use."""
    tree: dict[str, Attribute] = {}
    modules = get_iod_module_map()["rt-structure-set"]
    rows = {module["key"]: get_module_attribute_map()[module["key"]] for module in modules}
    mandatory = {module["key"] for module in modules if module["usage"] == "M"}
    in_mandatory = {row["keyword"] for key in mandatory for row in rows[key] if not row["path"]}
    for key, attributes in rows.items():
        own = {row["keyword"] for row in attributes if not row["path"]} - in_mandatory
        if key in mandatory or own & present:
            for row in attributes:
                _add(tree, row["path"], row["keyword"], row["type"])
    return tree


def _add(tree: dict[str, Attribute], path: list[str], keyword: str, kind: str) -> None:
    items = tree
    for step in path:
        items = items.setdefault(step, Attribute()).items
    attribute = items.setdefault(keyword, Attribute())
    attribute.type = min(attribute.type, kind)
