"""For each lint rule a change of a good file that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from io import BytesIO

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian

from contouring.lint_attributes import MODULES, Module
from tests.contouring.structure_sets import (
    SCAN,
    changed,
    contours_of,
    points_of,
    set_points,
    set_raw,
)

Change = Callable[[Dataset], None]
Spoiler = Callable[[bytes], bytes]
OTHER_UID = "2.25.99"


def explicit(content: bytes) -> bytes:
    """The file in explicit VR little endian."""
    dataset = pydicom.dcmread(BytesIO(content))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    dataset.save_as(buffer, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def _appended(tag: bytes, value: bytes, content: bytes) -> bytes:
    """An element of implicit VR behind all others."""
    return content + tag + len(value).to_bytes(4, "little") + value


def _value(keyword: str, value: object, dataset: Dataset) -> None:
    setattr(dataset, keyword, value)


def _raw(keyword: str, value: bytes, dataset: Dataset) -> None:
    set_raw(dataset, keyword, value)


def _of(name: str, change: Callable[[list[Dataset]], None]) -> Change:
    """A change of the contours of an ROI."""
    return lambda dataset: change(contours_of(dataset, name))


def _roi(index: int, change: Change) -> Change:
    return lambda dataset: change(dataset.StructureSetROISequence[index])


def _contour_item(index: int, change: Change) -> Change:
    return lambda dataset: change(dataset.ROIContourSequence[index])


def _observation(index: int, change: Change) -> Change:
    return lambda dataset: change(dataset.RTROIObservationsSequence[index])


def _first(change: Change) -> Change:
    """A change of the first contour."""
    return _of("Gland_L", lambda contours: change(contours[0]))


def _points(points: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Other points for the fourth contour."""
    return _of("Gland_L", lambda contours: set_points(contours[3], points(points_of(contours[3]))))


def _without(module: Module, dataset: Dataset) -> None:
    """The data set without what the module demands first, where it is demanded."""
    item = dataset
    for keyword in module.sequences:
        item = item[keyword].value[0]
    for keyword in (*module.type_1[-1:], *module.type_2[:1]):
        del item[keyword]


def _frames(dataset: Dataset) -> DicomSequence:
    found: DicomSequence = dataset.ReferencedFrameOfReferenceSequence
    return found


def _series(dataset: Dataset) -> Dataset:
    found: Dataset = _frames(dataset)[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    return found


def _copied(item: Dataset, **values: object) -> Dataset:
    copy = deepcopy(item)
    for keyword, value in values.items():
        setattr(copy, keyword, value)
    return copy


def _frame_twice(dataset: Dataset) -> None:
    _frames(dataset).append(_frames(dataset)[0])


def _other_frame_listed(dataset: Dataset) -> None:
    _frames(dataset).append(_copied(_frames(dataset)[0], FrameOfReferenceUID=OTHER_UID))


def _two_series(dataset: Dataset) -> None:
    study = _frames(dataset)[0].RTReferencedStudySequence[0]
    study.RTReferencedSeriesSequence.append(_copied(_series(dataset), SeriesInstanceUID=OTHER_UID))


def _other_study_in_chain(dataset: Dataset) -> None:
    _frames(dataset)[0].RTReferencedStudySequence[0].ReferencedSOPInstanceUID = OTHER_UID


def _image_twice(dataset: Dataset) -> None:
    _series(dataset).ContourImageSequence.append(_series(dataset).ContourImageSequence[0])


def _image_unlisted(dataset: Dataset) -> None:
    del _series(dataset).ContourImageSequence[5:12]


def _foreign_image_listed(dataset: Dataset) -> None:
    images = _series(dataset).ContourImageSequence
    images.append(_copied(images[0], ReferencedSOPInstanceUID=OTHER_UID))


def _two_images(contour: Dataset) -> None:
    contour.ContourImageSequence.append(contour.ContourImageSequence[0])


def _foreign_image(contour: Dataset) -> None:
    contour.ContourImageSequence[0].ReferencedSOPInstanceUID = OTHER_UID


def _foreign_class(contour: Dataset) -> None:
    contour.ContourImageSequence[0].ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"


def _between_slices(contour: Dataset) -> None:
    del contour.ContourImageSequence
    set_points(contour, points_of(contour) + np.array([0, 0, 0.7]))


def _swap_names(dataset: Dataset) -> None:
    left, right, *_ = dataset.StructureSetROISequence
    left.ROIName, right.ROIName = right.ROIName, left.ROIName


def _all_external(dataset: Dataset) -> None:
    for item in dataset.RTROIObservationsSequence:
        item.RTROIInterpretedType = "EXTERNAL"


def _approved(dataset: Dataset) -> None:
    dataset.ApprovalStatus = "APPROVED"


def _same_number(items: str, keyword: str, dataset: Dataset) -> None:
    first, second, *_ = dataset[items].value
    setattr(second, keyword, first[keyword].value)


def _private(dataset: Dataset) -> None:
    for element in range(6):
        dataset.add_new(0x30070010 + element, "LO", f"MAKER {element}")


def _append_shrunk(scale: float, shift: float, kind: str, dataset: Dataset) -> None:
    contour = contours_of(dataset, "Gland_L")[3]
    points = points_of(contour)
    middle = points.mean(axis=0)
    extra = _copied(contour, ContourGeometricType=kind, ContourNumber=99)
    set_points(extra, middle + scale * (points - middle) + np.array([shift, 0, 0]))
    for item in dataset.ROIContourSequence:
        if item.ContourSequence[3] is contour:
            item.ContourSequence.append(extra)


def _eight(points: np.ndarray) -> np.ndarray:
    """A line that crosses itself."""
    half = len(points) // 2
    return np.concatenate([points[:half], points[half:][::-1]])


def _on_a_line(points: np.ndarray) -> np.ndarray:
    return points[0] + np.array([[0, 0, 0], [5, 0, 0], [9, 0, 0]])


def _tiny(points: np.ndarray) -> np.ndarray:
    return points[0] + np.array([[0, 0, 0], [0.2, 0, 0], [0, 0.2, 0]])


def _long(points: np.ndarray) -> np.ndarray:
    middle, angle = points.mean(axis=0), np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    return middle + 9 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)


def _on_pixel_centres(contours: list[Dataset]) -> None:
    """As a mask's outermost pixels would be traced."""
    for contour in contours:
        points = points_of(contour)
        first = SCAN.origin_mm(0)
        columns = np.round((points[:, 0] - first[0]) / 0.9) * 0.9 + first[0]
        rows = np.round((points[:, 1] - first[1]) / 1.1) * 1.1 + first[1]
        set_points(contour, np.stack([columns, rows, points[:, 2]], axis=1))


def _delete_middle(item: Dataset) -> None:
    del item.ContourSequence[3:5]


def _keep_one(item: Dataset) -> None:
    item.ContourSequence = item.ContourSequence[:1]


def _empty(item: Dataset) -> None:
    item.ContourSequence = DicomSequence()


CHANGES: dict[str, Change] = {
    **{module.slug: partial(_without, module) for module in MODULES},
    "value-length": partial(_raw, "StudyID", b"more than 16 bytes"),
    "value-format": partial(_raw, "StudyDate", b"2026-01-02"),
    "invalid-uid": partial(_raw, "StudyInstanceUID", b"1.02.3"),
    "contour-value-length": _first(
        partial(_raw, "ContourData", b"1.00000000000000001\\2\\3\\4\\5\\3\\4\\1\\3 ")
    ),
    "contour-value": _first(partial(_raw, "ContourData", b"1\\2\\x\\4\\5\\3\\4\\1\\3 ")),
    "long-contour-implicit": _points(_long),
    "unknown-character-set": partial(_raw, "SpecificCharacterSet", b"ISO_IR 999"),
    "undecodable-text": partial(_raw, "PatientName", b"M\xfcller^J\xf6rg "),
    "lost-characters": partial(_value, "PatientName", "?????^??"),
    "private-attribute": _private,
    "retired-attribute": _observation(
        0, lambda item: item.add_new(0x30060088, "ST", "Type:Soft,Range:0-100")
    ),
    "modality": partial(_value, "Modality", "CT"),
    "approval-status": partial(_raw, "ApprovalStatus", b"MAYBE "),
    "approval-unstated": lambda dataset: dataset.__delitem__("ApprovalStatus"),
    "approval-review": _approved,
    "approved-automatic": _approved,
    "no-reference-chain": lambda dataset: dataset.__delitem__("ReferencedFrameOfReferenceSequence"),
    "frame-listed-twice": _frame_twice,
    "several-frames": _other_frame_listed,
    "unlisted-frame": _roi(1, partial(_value, "ReferencedFrameOfReferenceUID", OTHER_UID)),
    "frame-differs": partial(_value, "FrameOfReferenceUID", OTHER_UID),
    "other-study-referenced": _other_study_in_chain,
    "several-series": _two_series,
    "image-listed-twice": _image_twice,
    "contour-without-image": _first(lambda contour: contour.__delitem__("ContourImageSequence")),
    "contour-of-several-images": _first(_two_images),
    "image-not-listed": _image_unlisted,
    "roi-number-repeated": partial(_same_number, "StructureSetROISequence", "ROINumber"),
    "roi-name-repeated": _roi(1, partial(_value, "ROIName", "GLAND_L")),
    "roi-name-empty": _roi(1, partial(_value, "ROIName", "")),
    "roi-name-length": _roi(1, partial(_value, "ROIName", "A" * 17)),
    "roi-name-characters": _roi(1, partial(_value, "ROIName", "Gland R/2")),
    "roi-without-contour-item": lambda dataset: dataset.ROIContourSequence.pop(1),
    "roi-without-observation": lambda dataset: dataset.RTROIObservationsSequence.pop(1),
    "contours-without-roi": _contour_item(1, partial(_value, "ReferencedROINumber", 77)),
    "observation-without-roi": _observation(1, partial(_value, "ReferencedROINumber", 77)),
    "contour-item-repeated": partial(_same_number, "ROIContourSequence", "ReferencedROINumber"),
    "observation-repeated": partial(
        _same_number, "RTROIObservationsSequence", "ReferencedROINumber"
    ),
    "observation-number-repeated": partial(
        _same_number, "RTROIObservationsSequence", "ObservationNumber"
    ),
    "contour-number-repeated": _of("Gland_L", lambda c: setattr(c[1], "ContourNumber", 1)),
    "empty-contour-sequence": _contour_item(1, _empty),
    "roi-without-contours": _contour_item(1, lambda item: item.__delitem__("ContourSequence")),
    "display-colour": _contour_item(1, partial(_raw, "ROIDisplayColor", b"255\\0\\300")),
    "interpreted-type": _observation(1, partial(_value, "RTROIInterpretedType", "KIDNEY")),
    "several-externals": _all_external,
    "generation-algorithm": _roi(1, partial(_value, "ROIGenerationAlgorithm", "")),
    "sides-swapped": _swap_names,
    "geometric-type": _first(partial(_value, "ContourGeometricType", "CIRCLE")),
    "point-count": _first(partial(_value, "NumberOfContourPoints", 4)),
    "incomplete-point": _first(partial(_raw, "ContourData", b"1\\2\\3\\4\\5\\3\\4\\1\\3\\7 ")),
    "too-few-points": _points(lambda points: points[:2]),
    "point-of-several": _first(partial(_value, "ContourGeometricType", "POINT")),
    "first-point-repeated": _points(lambda points: np.vstack([points, points[:1]])),
    "repeated-points": _points(lambda points: np.repeat(points, 2, axis=0)[:-1]),
    "not-planar": _points(lambda points: points + np.arange(len(points))[:, None] * [0, 0, 0.1]),
    "no-area": _points(_on_a_line),
    "speck": _points(_tiny),
    "self-intersection": _points(_eight),
    "nested-contours": partial(_append_shrunk, 0.4, 0.0, "CLOSED_PLANAR"),
    "overlapping-contours": partial(_append_shrunk, 0.9, 5.0, "CLOSED_PLANAR"),
    "xor-contours": partial(_append_shrunk, 0.4, 0.0, "CLOSEDPLANAR_XOR"),
    "mixed-hole-encodings": partial(_append_shrunk, 0.4, 0.0, "CLOSEDPLANAR_XOR"),
    "gap": _contour_item(0, _delete_middle),
    "single-slice": _contour_item(0, _keep_one),
    "other-patient": partial(_value, "PatientID", "P-2"),
    "other-study": partial(_value, "StudyInstanceUID", OTHER_UID),
    "other-frame": partial(_value, "FrameOfReferenceUID", OTHER_UID),
    "roi-in-other-frame": _roi(1, partial(_value, "ReferencedFrameOfReferenceUID", OTHER_UID)),
    "other-series-referenced": lambda dataset: setattr(
        _series(dataset), "SeriesInstanceUID", OTHER_UID
    ),
    "unlisted-slices": _image_unlisted,
    "unknown-images-listed": _foreign_image_listed,
    "unknown-image": _first(_foreign_image),
    "image-class": _first(_foreign_class),
    "off-plane": _points(lambda points: points + np.array([0, 0, 2.5])),
    "near-plane": _points(lambda points: points + np.array([0, 0, 0.05])),
    "between-slices": _first(_between_slices),
    "outside-image": _points(lambda points: points + np.array([900.0, 0, 0])),
    "pixel-centres": _of("Gland_L", _on_pixel_centres),
    "missed-slices": _contour_item(0, _delete_middle),
}
BYTES: dict[str, Spoiler] = {
    "file-meta": lambda content: content[132:],
    "broken-encoding": lambda content: content[:-20],
    "element-order": partial(_appended, b"\x08\x00\x3f\x10", b"late"),
    "long-contour-explicit": lambda content: explicit(
        changed(content, CHANGES["long-contour-implicit"])
    ),
    "transfer-syntax": explicit,
}
SPOILERS: dict[str, Spoiler] = BYTES | {
    slug: partial(lambda change, content: changed(content, change), change)
    for slug, change in CHANGES.items()
}
