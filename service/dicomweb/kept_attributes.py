"""Attributes of the objects that are kept, as the DICOM JSON model has them (PS3.18 F.2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pydicom.dataset import Dataset

from contouring.dicom_files import UNREADABLE, read_description, read_header
from contouring.errors import IdentityError, SealedFileError
from workers.holdings import Holding

Attributes = dict[str, Any]
"""One object: by tag ("0020000D") its `vr` and, where there are any, its `Value`s."""

HEADERS_REMEMBERED = 2048  # of some 20 kB
CHARACTER_SET = "00080005"
BINARY_FLOATS = ("FL", "FD")


def tell_attributes(holding: Holding) -> Attributes:
    """What searches ask for: all ahead of pixels and contours."""
    return _tell(holding, _remember_description)


def tell_metadata(holding: Holding) -> Attributes:
    """Everything but pixels."""
    return _tell(holding, _read_metadata)


def build_attributes(dataset: Dataset) -> Attributes:
    """A dataset as JSON can hold it; attributes that cannot be read are left out."""
    attributes = dict(dataset.to_json_dict(suppress_invalid_tags=True))
    if CHARACTER_SET in attributes:
        # Texts are Unicode by now, and JSON and XML are written in UTF-8 (PS3.18 F.2, PS3.19 A.1).
        attributes[CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return _name_odd_numbers(attributes)


def _tell(holding: Holding, read: Callable[[Holding], Attributes]) -> Attributes:
    """What identifies an object is known even if its file is damaged, or was removed meanwhile."""
    identity = {
        "00080016": holding.sop_class_uid,
        "00080018": holding.sop_instance_uid,
        "0020000D": holding.study_instance_uid,
        "0020000E": holding.series_instance_uid,
    }
    try:
        attributes = read(holding)
    except (*UNREADABLE, FileNotFoundError, SealedFileError, IdentityError):
        attributes = {}
    return attributes | {tag: {"vr": "UI", "Value": [uid]} for tag, uid in identity.items()}


@lru_cache(HEADERS_REMEMBERED)
def _remember_description(holding: Holding) -> Attributes:
    """Read once, for objects never change."""
    with holding.restored(is_whole=False) as path:
        return build_attributes(read_description(path))


def _read_metadata(holding: Holding) -> Attributes:
    with holding.restored(is_whole=False) as path:
        return build_attributes(read_header(path))


def _name_odd_numbers(attributes: Attributes) -> Attributes:
    """JSON has no infinity; PS3.18 F.2.3.1 names it by a string."""
    for content in attributes.values():
        values = content.get("Value", [])
        if content["vr"] in BINARY_FLOATS:
            values[:] = [_name_odd_number(one) for one in values]
        elif content["vr"] == "SQ":
            for item in values:
                _name_odd_numbers(item)
    return attributes


def _name_odd_number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
