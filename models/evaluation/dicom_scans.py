"""Cases from a folder of DICOM files: every CT series with the one structure set drawn on it.

A structure set belongs to the series that its reference chain names (DICOM PS3.3 C.8.8.5), wherever
both lie below the folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from contouring.dicom_files import UNREADABLE, read_header
from contouring.dicom_series import CTSeries, SeriesSearch, find_series
from contouring.errors import UnusableInputError
from contouring.rasters import Ring, fill_rings
from contouring.structure_set_reader import (
    RT_STRUCTURE_SET,
    ContourSet,
    read_structure_set,
)
from models.evaluation.drawn_scans import DrawnScan, note_uneven_slices
from models.evaluation.results import LeftOut


@dataclass(frozen=True)
class DicomScan:
    """One CT series and the structure set that was drawn on it."""

    name: str
    ct_files: tuple[Path, ...]
    structure_set: Path

    def open(self, folder: Path) -> DrawnScan:
        """Reads both where they lie; `folder` stays empty."""
        series = _only_series(find_series(self.ct_files))
        drawn, notes = read_drawn(self.structure_set.read_bytes(), series)
        return DrawnScan(series, drawn, (*note_uneven_slices(series), *notes))


def find_dicom_scans(folder: Path) -> tuple[tuple[DicomScan, ...], tuple[LeftOut, ...]]:
    """Every pair of series and structure set below `folder`, and what has no partner."""
    slices, structure_sets = _sort_files(folder)
    by_series: defaultdict[str, list[Path]] = defaultdict(list)
    left_out = []
    for file in structure_sets:
        named = [
            series.series_instance_uid
            for series in read_structure_set(file.read_bytes()).referenced_series
            if series.series_instance_uid in slices
        ]
        if len(set(named)) == 1:
            by_series[named[0]].append(file)
        else:
            reason = f"it refers to {len(set(named))} of the CT series in this folder, not to one."
            left_out.append(LeftOut(str(file.relative_to(folder)), reason))
    names = _names(folder, [files[0] for files in by_series.values() if len(files) == 1])
    scans = []
    for uid, files in slices.items():
        drawn = by_series[uid]
        if len(drawn) == 1:
            scans.append(DicomScan(names[drawn[0]], tuple(files), drawn[0]))
        else:
            place = str(files[0].parent.relative_to(folder))
            reason = f"{len(drawn)} structure sets refer to this CT series; one must be the truth."
            left_out.append(LeftOut(place, reason))
    return tuple(sorted(scans, key=lambda scan: scan.name)), tuple(left_out)


def read_drawn(
    content: bytes, series: CTSeries
) -> tuple[dict[str, NDArray[np.bool_]], tuple[str, ...]]:
    """Per ROI name its voxels by even-odd at pixel centres, and notes about what lies elsewhere.

    Contours are placed on the slice they lie closest to, at most half a gap away, whatever they
    refer to: structure sets of other makers need not name the image of a contour.
    """
    file = read_structure_set(content)
    names = {roi.number: roi.name for roi in file.rois}
    drawn: dict[str, NDArray[np.bool_]] = {}
    notes = []
    for contours in file.contour_sets:
        name = names.get(contours.number, "")
        slices, rings = _rings(contours, series)
        beside = len(contours.polygons) - len(rings)
        if beside:
            notes.append(f"{name}: {beside} contours lie on no slice of the series; left out.")
        if rings:
            mask = fill_rings(slices, rings, series.shape_zyx)
            drawn[name] = drawn[name] | mask if name in drawn else mask
    return drawn, tuple(notes)


def _rings(contours: ContourSet, series: CTSeries) -> tuple[list[int], list[Ring]]:
    """Each polygon's slice, and its corners as row and column indices on it."""
    grid = series.grid
    along_mm = grid.axes_mm[0]
    slices, rings = [], []
    for contour in contours.polygons:
        height_mm = (contour.points_mm - grid.positions_mm[0]) @ grid.normal
        index = int(np.abs(along_mm - height_mm.mean()).argmin())
        if np.abs(height_mm - along_mm[index]).max() > grid.slice_heights_mm[index] / 2:
            continue
        offsets_mm = contour.points_mm - grid.positions_mm[index]
        rows = offsets_mm @ grid.column_direction / grid.pixel_spacing_mm[0]
        columns = offsets_mm @ grid.row_direction / grid.pixel_spacing_mm[1]
        slices.append(index)
        rings.append((rows, columns))
    return slices, rings


def _sort_files(folder: Path) -> tuple[Mapping[str, Sequence[Path]], Sequence[Path]]:
    """CT files by their series, and structure sets; anything else is passed over."""
    slices: defaultdict[str, list[Path]] = defaultdict(list)
    structure_sets = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            header = read_header(file)
            sop_class, modality = str(header.get("SOPClassUID")), str(header.get("Modality"))
            uid = str(header.get("SeriesInstanceUID"))
        except (InvalidDicomError, *UNREADABLE):
            continue
        if sop_class == RT_STRUCTURE_SET:
            structure_sets.append(file)
        elif modality == "CT":
            slices[uid].append(file)
    return slices, structure_sets


def _names(folder: Path, files: Sequence[Path]) -> dict[Path, str]:
    """The outermost folder of each file where these differ; else its whole path, without suffix."""
    paths = [file.relative_to(folder) for file in files]
    outermost = [path.parts[0] for path in paths]
    if len(set(outermost)) == len(paths) and all(len(path.parts) > 1 for path in paths):
        return dict(zip(files, outermost, strict=True))
    return {
        file: str(path.with_suffix("").as_posix()) for file, path in zip(files, paths, strict=True)
    }


def _only_series(search: SeriesSearch) -> CTSeries:
    """The one usable series of the files of one series."""
    if len(search.series) == 1:
        return search.series[0]
    if search.refused:
        raise UnusableInputError(search.refused[0].reason)
    raise UnusableInputError("The series holds several stacks of slices: give each its own.")
