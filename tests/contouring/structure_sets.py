"""Whole structure sets of solids in closed form, written in memory, and the ways to spoil them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian

from contouring.composition import Account, compose
from contouring.dicom_series import CTSeries, Instance
from contouring.lattice import BoxMm, build_lattice
from contouring.masks import StructureField
from contouring.outlines import trace_outlines
from contouring.phantom_scan import Scan
from contouring.phantom_series import derived_uid
from contouring.phantom_shapes import Separate, Shape, Shell, Sphere
from contouring.provenance import Origin, Stamp
from contouring.release_check import ReleaseReport, check_release
from contouring.rtstruct import write_structure_set
from contouring.structures import Structure
from contouring.template import HoleEncoding, Template
from tests.contouring.grids import grid_of

ORIGIN = Origin("test", "1.0.0", "0123456789abcdef" * 4)
STAMP = Stamp(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "0.1.0")
HEADERS = TemporaryDirectory()  # of each series one header, from which the writer copies
NUMBERS = count()
FIELD_LIMIT_MM = 6.0
SURROUNDINGS_MM = 8.0
SCAN = Scan(
    rows=76,
    columns=84,
    row_spacing_mm=1.1,
    column_spacing_mm=0.9,
    slice_offsets_mm=tuple(float(k) * 2.5 for k in range(-8, 9)),
    centre_mm=(5.0, -3.0, 120.0),
)
# Left and right differ, so that a swapped name cannot pass for the right one.
SHAPES: Mapping[str, Shape] = {
    "Gland_L": Sphere((20.3, -20.2, 121.0), 11.0),
    "Gland_R": Sphere((-12.4, -20.9, 119.2), 10.0),
    "Shell": Shell((19.0, 12.3, 120.4), 14.0, 8.0),
    "Nodes": Separate((Sphere((-14.0, 2.0, 112.2), 5.0), Sphere((-14.0, 18.4, 127.6), 6.0))),
}


def series_of(scan: Scan, **header: object) -> CTSeries:
    """A series in memory, as one that is read from files of the scan."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, derived_uid("slice", "0")
    dataset.PatientName, dataset.PatientID = "Phantom^Solid", "P-1"
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
    dataset.StudyInstanceUID = derived_uid("study")
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260101", "120000", "1"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = "A1", "Doctor^Some"
    dataset.FrameOfReferenceUID = derived_uid("frame")
    dataset.PositionReferenceIndicator = ""
    dataset.SeriesInstanceUID = derived_uid("series")
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    files = [Path(HEADERS.name) / f"{next(NUMBERS)}.dcm"] * scan.shape_zyx[0]
    dataset.save_as(files[0], enforce_file_format=True)
    return CTSeries(
        study_instance_uid=dataset.StudyInstanceUID,
        series_instance_uid=dataset.SeriesInstanceUID,
        frame_of_reference_uid=dataset.FrameOfReferenceUID,
        description="",
        instances=tuple(
            Instance(file, CTImageStorage, derived_uid("slice", str(k)))
            for k, file in enumerate(files)
        ),
        grid=grid_of(scan),
        warnings=(),
        header=dataset,
    )


def field_of(
    shape: Shape, structure: Structure, scan: Scan, spacing_mm: float | None = None
) -> StructureField:
    """The solid's true field around it, on the CT's own voxels or on a coarser lattice."""
    grid = grid_of(scan)
    corners = shape.bounds().grown(SURROUNDINGS_MM).corners_mm() - grid.positions_mm[0]
    along = corners @ grid.axis_directions.T
    low = [
        max(float(a), float(axis[0])) for a, axis in zip(along.min(0), grid.axes_mm, strict=True)
    ]
    high = [
        min(float(a), float(axis[-1])) for a, axis in zip(along.max(0), grid.axes_mm, strict=True)
    ]
    cube = None if spacing_mm is None else (spacing_mm,) * 3
    lattice = build_lattice(
        grid, cube, BoxMm((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    )
    places = np.stack(np.meshgrid(*lattice.axes_mm, indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(grid.positions_mm[0] + places @ grid.axis_directions, -1, 0)
    field = np.clip(shape.field_mm(x, y, z), -FIELD_LIMIT_MM, FIELD_LIMIT_MM)
    canonical = lattice.to_canonical(field.astype(np.float32))
    return StructureField(structure, np.ascontiguousarray(canonical), lattice)


@dataclass(frozen=True, eq=False)
class Released:
    """A file and everything that it is checked against."""

    content: bytes
    series: CTSeries
    fields: Mapping[str, StructureField]
    accounts: tuple[Account, ...]

    def check(self) -> ReleaseReport:
        """The release check of it."""
        return check_release(self.content, self.series, self.fields, self.accounts)

    def spoiled(self, change: Callable[[Dataset], None]) -> Released:
        """The same with a fault in the file."""
        return replace(self, content=changed(self.content, change))


def release(
    shapes: Mapping[str, Shape] = SHAPES,
    scan: Scan = SCAN,
    spacing_mm: float | None = None,
    holes: HoleEncoding = HoleEncoding.KEYHOLE,
    **header: object,
) -> Released:
    """A file of the solids, by name, as the pipeline makes it."""
    series = series_of(scan, **header)
    fields = {}
    for label, (name, shape) in enumerate(shapes.items(), start=1):
        structure = Structure(label, name, (label * 20, 100, 200), description=f"Solid {label}")
        fields[name] = field_of(shape, structure, scan, spacing_mm)
    return write(fields, series, holes)


def write(
    fields: Mapping[str, StructureField],
    series: CTSeries,
    holes: HoleEncoding = HoleEncoding.KEYHOLE,
) -> Released:
    """Trace, compose and write structures by their names."""
    structures = tuple(field.structure for field in fields.values())
    traced = {name: trace_outlines(field, series.grid) for name, field in fields.items()}
    template = Template("test", holes=holes)
    composition = compose(template, structures, traced, {}, series.grid)
    content = write_structure_set(series, composition.drawn, ORIGIN, STAMP)
    return Released(content, series, fields, composition.accounts)


def changed(content: bytes, change: Callable[[Dataset], None]) -> bytes:
    """The file after a change of its data set."""
    dataset = pydicom.dcmread(BytesIO(content))
    change(dataset)
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def contours_of(dataset: Dataset, name: str) -> list[Dataset]:
    """The Contour Sequence of an ROI."""
    numbers = {str(roi.ROIName): roi.ROINumber for roi in dataset.StructureSetROISequence}
    (item,) = (
        item for item in dataset.ROIContourSequence if item.ReferencedROINumber == numbers[name]
    )
    return list(item.ContourSequence)


def points_of(contour: Dataset) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(n, 3) points of a contour."""
    return np.array(contour.ContourData, np.float64).reshape(-1, 3)


def set_points(contour: Dataset, points: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """Give a contour other points."""
    contour.ContourData = [f"{value:.3f}" for value in np.asarray(points).ravel()]
    contour.NumberOfContourPoints = len(points)


def set_raw(dataset: Dataset, keyword: str, value: bytes, vr: str | None = None) -> None:
    """Set an attribute to bytes that pydicom would refuse to write."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    element = RawDataElement(tag, vr or dictionary_VR(tag), len(value), value, 0, True, True)
    dataset._dict[tag] = element
