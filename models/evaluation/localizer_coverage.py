"""What the localizer keeps of a scan, and what it loses of what was drawn."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from contouring.dicom_series import CTSeries
from contouring.errors import InferenceError
from contouring.lattice import build_lattice
from contouring.recipe import Cascade
from contouring.roi import find_region
from contouring.volume import build_volume
from models.evaluation.results import Coverage


def measure_coverage(
    series: CTSeries, cascade: Cascade, drawn: Iterable[NDArray[np.bool_]]
) -> Coverage | None:
    """Runs the localizer alone once more; None for a cascade without one.

    `drawn`: (slices, rows, columns) bool, what is to be kept. A voxel is kept if its centre lies in
    the box, or in the dilated mask, that the segmenter is confined to; a localizer that fails keeps
    nothing.
    """
    if cascade.localizer is None:
        return None
    labelled = np.zeros(series.shape_zyx, bool)
    for mask in drawn:
        labelled |= mask
    ct = build_volume(series, lambda _: None)
    try:
        region = find_region(ct, cascade.localizer, lambda _: None)
    except InferenceError:
        region = None
    voxels = build_lattice(ct.grid)
    kept = np.zeros(voxels.shape_zyx, bool) if region is None else region.on(voxels)
    return Coverage(
        labelled_voxels=int(labelled.sum()),
        labelled_voxels_outside=int((voxels.to_canonical(labelled) & ~kept).sum()),
        kept_share=round(float(kept.mean()), 6),
    )
