"""A structure set read from bytes as what it says: ROIs, contours and references.

Anybody's file, however damaged: what is missing is empty or None here, never an exception.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from contouring.contour_shapes import FloatArray, area_vector, plane_axes, signed_area
from contouring.data_elements import DataSet, Element, Item, read_data_set

RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
NUMBERS = re.compile(rb"[0-9+\-.eE \\]*")
FRAME = re.compile(rb" *\d{1,9} *")
FURTHEST_MM = 1e6  # a kilometre from the origin nobody is scanned
LONGEST_NAME_SHOWN = 64


@dataclass(frozen=True)
class ImageReference:
    """An image, or one frame of it; `frame` counts from 0."""

    sop_class_uid: str
    sop_instance_uid: str
    frame: int | None = None


@dataclass(frozen=True, eq=False)
class ReadContour:
    """One item of a Contour Sequence.

    `points_mm`: (n, 3) patient mm, none if the values are unreadable; `longest_value`,
    `unreadable`: the longest of its values, and the first that is no number or lies nowhere.
    """

    where: str
    item: Item
    geometric_type: str
    points_mm: FloatArray
    value_count: int
    longest_value: bytes
    unreadable: bytes | None
    images: tuple[ImageReference, ...]

    @property
    def is_closed(self) -> bool:
        """Whether it bounds an area."""
        return self.geometric_type in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")

    @property
    def is_polygon(self) -> bool:
        """Closed, with the three points that make an area possible."""
        return self.is_closed and len(self.points_mm) >= 3


@dataclass(frozen=True, eq=False)
class ReadRoi:
    """An item of the Structure Set ROI Sequence."""

    where: str
    item: Item
    number: int | None
    name: str


@dataclass(frozen=True, eq=False)
class ContourSet:
    """An item of the ROI Contour Sequence; `where` names its ROI."""

    where: str
    item: Item
    number: int | None
    contours: tuple[ReadContour, ...]

    @property
    def polygons(self) -> tuple[ReadContour, ...]:
        """The contours that bound an area."""
        return tuple(contour for contour in self.contours if contour.is_polygon)


@dataclass(frozen=True, eq=False)
class Observation:
    """An item of the RT ROI Observations Sequence."""

    where: str
    item: Item
    number: int | None


@dataclass(frozen=True, eq=False)
class ReferencedSeries:
    """A series of the reference chain, with all images that it lists."""

    frame_of_reference_uid: str
    study_instance_uid: str
    series_instance_uid: str
    images: tuple[ImageReference, ...]

    def lists(self, sop_instance_uid: str, frame: int | None) -> bool:
        """Whether an image is named, or all frames of its file, by naming none of them."""
        return (sop_instance_uid, frame) in self._listed or (sop_instance_uid, None) in self._listed

    @cached_property
    def _listed(self) -> frozenset[tuple[str, int | None]]:
        return frozenset((image.sop_instance_uid, image.frame) for image in self.images)


@dataclass(frozen=True, eq=False)
class StructureSetFile:
    """A whole file."""

    data: DataSet
    rois: tuple[ReadRoi, ...]
    contour_sets: tuple[ContourSet, ...]
    observations: tuple[Observation, ...]
    referenced_series: tuple[ReferencedSeries, ...] = field(default=())

    @property
    def content(self) -> Item:
        """The data set."""
        return self.data.content

    @property
    def is_structure_set(self) -> bool:
        """By its SOP class."""
        return self.content.text("SOPClassUID") == RT_STRUCTURE_SET

    @cached_property
    def contours(self) -> tuple[ReadContour, ...]:
        """Of all ROIs."""
        return tuple(contour for found in self.contour_sets for contour in found.contours)

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        """(3,) unit normal of the planes that most contoured area lies in."""
        total = np.zeros(3)
        for contour in self.contours:
            if contour.is_polygon:
                vector = area_vector(contour.points_mm)
                total += vector if vector @ total >= 0 else -vector
        length = float(np.linalg.norm(total))
        return total / length if length > 0 else np.array([0.0, 0.0, 1.0])

    @cached_property
    def plane_axes(self) -> FloatArray:
        """(3, 2) unit vectors of the coordinates in which contours are flat."""
        return plane_axes(self.normal)

    @cached_property
    def rings(self) -> dict[ReadContour, FloatArray]:
        """(n, 2) corners of every polygon in its plane, mm."""
        return {
            contour: np.asarray(contour.points_mm @ self.plane_axes)
            for contour in self.contours
            if contour.is_polygon
        }

    @cached_property
    def areas_mm2(self) -> dict[ReadContour, float]:
        """What every polygon encloses, less what it runs around the other way."""
        return {contour: abs(signed_area(ring)) for contour, ring in self.rings.items()}

    @cached_property
    def elements(self) -> tuple[tuple[str, Element, Item], ...]:
        """Every element of the file, with the path that leads there and the item that holds it."""
        return tuple(self.content.walk())


def read_structure_set(content: bytes) -> StructureSetFile:
    """Raises `NotDicomError` for what is no DICOM, and nothing else."""
    data = read_data_set(content)
    rois = tuple(
        _roi(place, item)
        for place, item in enumerate(data.content.items("StructureSetROISequence"), 1)
    )
    places = {roi.number: roi.where for roi in reversed(rois) if roi.number is not None}
    return StructureSetFile(
        data=data,
        rois=rois,
        contour_sets=tuple(
            _contour_set(place, item, places)
            for place, item in enumerate(data.content.items("ROIContourSequence"), 1)
        ),
        observations=tuple(
            _observation(place, item, places)
            for place, item in enumerate(data.content.items("RTROIObservationsSequence"), 1)
        ),
        referenced_series=tuple(_referenced_series(data.content)),
    )


def _roi(place: int, item: Item) -> ReadRoi:
    number, name = item.integer("ROINumber"), item.text("ROIName")
    shown = f"item {place}" if number is None else f"{number}"
    return ReadRoi(f"ROI {shown} {name[:LONGEST_NAME_SHOWN]}".rstrip(), item, number, name)


def _contour_set(place: int, item: Item, places: dict[int, str]) -> ContourSet:
    number = item.integer("ReferencedROINumber")
    where = _place_of(number, places, f"ROIContourSequence {place}")
    contours = tuple(
        _contour(f"{where}, contour {index}", contour)
        for index, contour in enumerate(item.items("ContourSequence"), 1)
    )
    return ContourSet(where, item, number, contours)


def _observation(place: int, item: Item, places: dict[int, str]) -> Observation:
    number = item.integer("ReferencedROINumber")
    where = _place_of(number, places, f"RTROIObservationsSequence {place}")
    return Observation(where, item, number)


def _place_of(number: int | None, places: dict[int, str], otherwise: str) -> str:
    return otherwise if number is None else places.get(number, otherwise)


def _contour(where: str, item: Item) -> ReadContour:
    raw = item.raw("ContourData")
    values = raw.split(b"\\") if raw else []
    points, unreadable = _points(raw, values)
    return ReadContour(
        where=where,
        item=item,
        geometric_type=item.text("ContourGeometricType"),
        points_mm=points,
        value_count=len(values),
        longest_value=max(values, key=len, default=b""),
        unreadable=unreadable,
        images=_images(item.items("ContourImageSequence")),
    )


def _points(raw: bytes, values: list[bytes]) -> tuple[FloatArray, bytes | None]:
    """(n, 3) points, or the first value that is no place; a rest of less than three is left out."""
    numbers = _numbers(values) if NUMBERS.fullmatch(raw) else None
    if numbers is None or not (np.abs(numbers) <= FURTHEST_MM).all():
        return np.empty((0, 3)), next(value for value in values if not _is_place(value))
    return numbers[: len(numbers) // 3 * 3].reshape(-1, 3), None


def _numbers(values: list[bytes]) -> FloatArray | None:
    try:
        return np.array([float(value) for value in values], np.float64)
    except ValueError:
        return None


def _is_place(value: bytes) -> bool:
    numbers = _numbers([value]) if NUMBERS.fullmatch(value) else None
    return numbers is not None and abs(float(numbers[0])) <= FURTHEST_MM


def _images(items: tuple[Item, ...]) -> tuple[ImageReference, ...]:
    """One for each image, or for each of the frames that an item names."""
    return tuple(
        ImageReference(
            item.text("ReferencedSOPClassUID"), item.text("ReferencedSOPInstanceUID"), frame
        )
        for item in items
        for frame in _frames(item.raw("ReferencedFrameNumber"))
    )


def _frames(numbers: bytes) -> list[int | None]:
    named = [int(number) - 1 for number in numbers.split(b"\\") if FRAME.fullmatch(number)]
    return [*named] or [None]


def _referenced_series(content: Item) -> list[ReferencedSeries]:
    return [
        ReferencedSeries(
            frame.text("FrameOfReferenceUID"),
            study.text("ReferencedSOPInstanceUID"),
            series.text("SeriesInstanceUID"),
            _images(series.items("ContourImageSequence")),
        )
        for frame in content.items("ReferencedFrameOfReferenceSequence")
        for study in frame.items("RTReferencedStudySequence")
        for series in study.items("RTReferencedSeriesSequence")
    ]
