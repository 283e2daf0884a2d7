"""The phantom contoured in this process, once for each patient position, for all templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contouring.dicom_series import CTSeries, read_series
from contouring.phantom import HEAD_AND_NECK, PhantomStructure
from contouring.phantom_scan import Scan
from contouring.phantom_series import write_phantom
from contouring.pipeline import contour_series
from contouring.provenance import Stamp
from contouring.template import HoleEncoding, Template
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from models.templates import GENERIC, find_templates

STAMP = Stamp(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "0.1.0")
# Just around all structures.
CLOSE_SCAN = Scan(
    rows=170,
    columns=174,
    row_spacing_mm=0.9766,
    column_spacing_mm=0.9766,
    slice_offsets_mm=tuple((np.arange(59) * 4.0 - 116.0).tolist()),
    centre_mm=(1.0, 8.0, -3.0),
)
WITH_HOLES = ("HollowTube", "Shell", "Torus")
TEMPLATES = {
    **find_templates(),
    # The encodings of holes that nothing shipped asks for.
    "nested": replace(GENERIC, name="nested", holes=HoleEncoding.NESTED),
    "xor": replace(GENERIC, name="xor", holes=HoleEncoding.XOR),
}


@dataclass(frozen=True)
class PhantomRun:
    """A scan of the whole phantom, and its structure set by each template's name."""

    scan: Scan
    ct: Path
    rtstructs: Mapping[str, Path]

    @property
    def series(self) -> CTSeries:
        """The scan as it is read."""
        return read_series(self.ct)


def run_phantom(folder: Path, position: str) -> PhantomRun:
    """Write the scan, contour it with `commissioning` and write every template's file."""
    scan = replace(CLOSE_SCAN, position=position)
    write_phantom(folder / "ct", scan=scan)
    cascade = open_cascade(read_bundle(RELEASED / "commissioning"), threads=2)
    templates: tuple[Template, ...] = tuple(TEMPLATES.values())
    result = contour_series(read_series(folder / "ct"), cascade, STAMP, templates)
    files = {output.template: folder / f"{output.template}.dcm" for output in result.outputs}
    for output in result.outputs:
        files[output.template].write_bytes(output.rtstruct)
    return PhantomRun(scan, folder / "ct", files)


def true_mask(structure: PhantomStructure, scan: Scan) -> NDArray[np.bool_]:
    """(slices, rows, columns): the voxels whose centre lies inside, by the closed form."""
    down = np.arange(scan.rows)[:, None, None] * scan.row_spacing_mm * scan.column_direction
    across = np.arange(scan.columns)[:, None] * scan.column_spacing_mm * scan.row_direction
    planes = []
    for index in range(scan.shape_zyx[0]):
        x, y, z = np.moveaxis(scan.origin_mm(index) + down + across, -1, 0)
        planes.append(structure.shape.field_mm(x, y, z) > 0.0)
    return np.stack(planes)


def true_masks(scan: Scan) -> dict[str, NDArray[np.bool_]]:
    """`true_mask` of every structure, by name."""
    return {one.name: true_mask(one, scan) for one in HEAD_AND_NECK.structures}
