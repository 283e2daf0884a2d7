"""Files that must not leave: each is a good one with one thing in it changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pydicom.dataset import Dataset

from tests.contouring.structure_sets import (
    contours_of,
    points_of,
    set_points,
    set_raw,
)


def _every_point(
    move: Callable[[np.ndarray], np.ndarray],
) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        for item in dataset.ROIContourSequence:
            for contour in item.ContourSequence:
                set_points(contour, move(points_of(contour)))

    return change


def _swap_names(dataset: Dataset) -> None:
    left, right, *_ = dataset.StructureSetROISequence
    left.ROIName, right.ROIName = right.ROIName, left.ROIName


def _fill_the_hole(dataset: Dataset) -> None:
    for contour in contours_of(dataset, "Shell"):
        points = points_of(contour)
        middle = points.mean(axis=0)
        away = np.hypot(*(points - middle).T[:2])
        set_points(contour, points[away > 0.5 * away.max()])


def _drop_a_contour(dataset: Dataset) -> None:
    del dataset.ROIContourSequence[0].ContourSequence[3]


def _drop_all_contours(dataset: Dataset) -> None:
    del dataset.ROIContourSequence[1].ContourSequence


def _name_the_next_slice(dataset: Dataset) -> None:
    _, one, two, *_ = contours_of(dataset, "Gland_L")
    one.ContourImageSequence = two.ContourImageSequence


def _move_to_the_next_slice(dataset: Dataset) -> None:
    _, one, two, *_ = contours_of(dataset, "Gland_L")
    points = points_of(one)
    points[:, 2] = points_of(two)[0, 2]
    set_points(one, points)
    one.ContourImageSequence = two.ContourImageSequence


def _exchange_two_slices(dataset: Dataset) -> None:
    """Right references, right planes, wrong shapes."""
    contours = contours_of(dataset, "Gland_L")
    first, middle = contours[0], contours[len(contours) // 2]
    low, high = points_of(first), points_of(middle)
    low[:, 2], high[:, 2] = high[0, 2], low[0, 2]
    set_points(first, high)
    set_points(middle, low)


def _lift(dataset: Dataset) -> None:
    contour = contours_of(dataset, "Gland_R")[2]
    set_points(contour, points_of(contour) + np.array([0, 0, 0.002]))


def _tilt(dataset: Dataset) -> None:
    contour = contours_of(dataset, "Gland_R")[2]
    points = points_of(contour)
    points[0, 2] += 0.5
    set_points(contour, points)


def _name_no_slice(dataset: Dataset) -> None:
    del contours_of(dataset, "Gland_L")[0].ContourImageSequence


def _name_a_foreign_slice(dataset: Dataset) -> None:
    image = contours_of(dataset, "Gland_L")[0].ContourImageSequence[0]
    image.ReferencedSOPInstanceUID = "2.25.99"


def _refer_to_another_series(dataset: Dataset) -> None:
    _referenced_series(dataset).SeriesInstanceUID = "2.25.99"


def _forget_a_slice(dataset: Dataset) -> None:
    del _referenced_series(dataset).ContourImageSequence[4]


def _referenced_series(dataset: Dataset) -> Dataset:
    frame = dataset.ReferencedFrameOfReferenceSequence[0]
    found: Dataset = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    return found


def _move_an_roi_to_another_frame(dataset: Dataset) -> None:
    dataset.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "2.25.99"


def _shrink_the_nodes_to_lines(dataset: Dataset) -> None:
    for contour in contours_of(dataset, "Nodes"):
        set_points(contour, points_of(contour)[:2])


def _add_an_roi(dataset: Dataset) -> None:
    roi = Dataset()
    roi.update(dataset.StructureSetROISequence[0])
    roi.ROIName, roi.ROINumber = "Extra", 99
    dataset.StructureSetROISequence.append(roi)


def _repeat_a_name(dataset: Dataset) -> None:
    dataset.StructureSetROISequence[1].ROIName = dataset.StructureSetROISequence[0].ROIName


def _tell_another_volume(dataset: Dataset) -> None:
    dataset.StructureSetROISequence[0].ROIVolume = "6.2"


def _tell_a_volume_that_is_none(dataset: Dataset) -> None:
    set_raw(dataset.StructureSetROISequence[0], "ROIVolume", b"5.6cm3")


def _rename_the_patient(dataset: Dataset) -> None:
    dataset.PatientName = "Phantom^Other"


def _change_the_study(dataset: Dataset) -> None:
    dataset.StudyInstanceUID = "2.25.98"


SPOILERS: dict[str, tuple[Callable[[Dataset], None], str]] = {
    "mirrored left to right": (_every_point(lambda p: p * [-1, 1, 1] + [10, 0, 0]), "Dice"),
    "mirrored front to back": (_every_point(lambda p: p * [1, -1, 1] - [0, 6, 0]), "Dice"),
    "shifted by half a pixel": (
        _every_point(lambda p: p + np.array([0.45, 0, 0])),
        "Gland_L differs",
    ),
    "half a row too low": (_every_point(lambda p: p - np.array([0, 0.55, 0])), "Gland_R differs"),
    "swapped names": (_swap_names, "Gland_L meets its field"),
    "filled hole": (_fill_the_hole, "Shell has"),
    "dropped contour": (_drop_a_contour, "contours in the file where"),
    "dropped contours": (_drop_all_contours, "Gland_R has no contour"),
    "wrong slice named": (_name_the_next_slice, "from the plane of slice"),
    "moved to the next slice": (_move_to_the_next_slice, "Gland_L differs"),
    "two slices exchanged": (_exchange_two_slices, "Gland_L differs"),
    "lifted by 0.002 mm": (_lift, "strays 0.0020 mm"),
    "tilted": (_tilt, "strays 0.5"),
    "no slice named": (_name_no_slice, "does not name one slice"),
    "foreign slice named": (_name_a_foreign_slice, "2.25.99"),
    "another series": (_refer_to_another_series, "refers to the series 2.25.99"),
    "a slice not listed": (_forget_a_slice, "16 images are listed where the CT has 17"),
    "another frame of reference": (_move_an_roi_to_another_frame, "not in the CT's"),
    "an ROI too many": (_add_an_roi, "'Extra' was not asked for"),
    "a name twice": (_repeat_a_name, "2 ROIs are called 'Gland_L'"),
    "another volume told": (_tell_another_volume, "is said to have 6.2 cm³"),
    "a volume that is none": (_tell_a_volume_that_is_none, "is said to have 5.6cm3 cm³"),
    "another patient": (_rename_the_patient, "'Phantom^Other', but 'Phantom^Solid' in the CT"),
    "another study": (_change_the_study, "StudyInstanceUID is '2.25.98'"),
}
