"""Contour Sequence as bytes, implicit VR little endian (DICOM PS3.3 C.8.8.6, PS3.5 7.5).

Written here and not by pydicom, to which a structure set of 2,000 contours is half a million
objects. The bytes are those that pydicom would write; a test compares them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from contouring.contours import Contour
from contouring.dicom_series import CTSeries
from contouring.errors import StructureSetError
from contouring.reference_chain import frame_numbers

DECIMALS = 3  # micrometres; at most 16 bytes a value (PS3.5 6.2, DS)
FARTHEST_MM = 1e6  # no patient is a kilometre away
FEWEST_POINTS = 3  # of a closed planar contour (C.8.8.6.3)
ITEM = 0xFFFEE000


def encode_contours(name: str, contours: Sequence[Contour], series: CTSeries) -> RawDataElement:
    """Contour Sequence of the ROI `name`, numbered from 1, each with the one slice it lies on.

    Raises `StructureSetError` for a contour that no reader could use.
    """
    images = _ImageReferences(series)
    items = [
        _item(_contour(f"{name}, contour {number}", number, contour, images))
        for number, contour in enumerate(contours, start=1)
    ]
    content = b"".join(items)
    tag = Tag("ContourSequence")
    return RawDataElement(tag, "SQ", len(content), content, 0, True, True)


class _ImageReferences:
    """Contour Image Sequence of each slice, encoded once."""

    def __init__(self, series: CTSeries) -> None:
        self._slices = list(zip(series.instances, frame_numbers(series), strict=True))
        self._encoded: dict[int, bytes] = {}

    def __getitem__(self, slice_index: int) -> bytes:
        if slice_index not in self._encoded:
            instance, frame = self._slices[slice_index]
            reference = _uid("ReferencedSOPClassUID", instance.sop_class_uid)
            reference += _uid("ReferencedSOPInstanceUID", instance.sop_instance_uid)
            if frame is not None:
                reference += _text("ReferencedFrameNumber", str(frame))
            self._encoded[slice_index] = _element("ContourImageSequence", _item(reference))
        return self._encoded[slice_index]


def _contour(where: str, number: int, contour: Contour, images: _ImageReferences) -> bytes:
    count = len(contour.points_mm)
    if count < FEWEST_POINTS:
        raise StructureSetError(f"{where} has {count} points: a closed contour has 3 or more.")
    return b"".join(
        [
            images[contour.slice_index],
            _text("ContourGeometricType", contour.geometric_type),
            _text("NumberOfContourPoints", str(count)),
            _text("ContourNumber", str(number)),
            _text("ContourData", _coordinates(where, contour)),
        ]
    )


def _coordinates(where: str, contour: Contour) -> str:
    """x\\y\\z of every point, no exponent and no negative zero."""
    values = (np.round(contour.points_mm, DECIMALS) + 0.0).ravel()
    if not np.all(np.abs(values) < FARTHEST_MM):  # nor NaN
        raise StructureSetError(f"{where} has a point outside of any patient, or none at all.")
    return "\\".join([f"%.{DECIMALS}f"] * len(values)) % tuple(values.tolist())


def _text(keyword: str, text: str) -> bytes:
    return _element(keyword, text.encode("ascii") + b" " * (len(text) % 2))


def _uid(keyword: str, uid: str) -> bytes:
    return _element(keyword, uid.encode("ascii") + b"\0" * (len(uid) % 2))


def _element(keyword: str, value: bytes) -> bytes:
    return _with_length(tag_for_keyword(keyword) or 0, value)


def _item(content: bytes) -> bytes:
    return _with_length(ITEM, content)


def _with_length(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
