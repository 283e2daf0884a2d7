"""The most memory that a run holds, against the bound that docs/data-path.md states."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from contouring.margins import BOX_MARGIN
from contouring.phantom import HEAD_AND_NECK
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import write_phantom
from models.bundles import RELEASED, read_bundle

MIB = 2**20
LIMIT_GIB = 4
SLICE_MM = 1.0


@dataclass(frozen=True)
class Peak:
    """Of a process: resident with its networks loaded, resident at the most; what it drew."""

    before_bytes: int
    peak_bytes: int
    contoured: list[str]


def peak(folder: Path, bundle: str, *options: str) -> Peak:
    """Of a run that can allocate no more than the limit."""
    command = [sys.executable, "-m", "tests.contouring.peak_memory", str(folder), bundle]
    done = subprocess.run(
        [*command, str(LIMIT_GIB), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Peak(**json.loads(done.stdout.splitlines()[-1]))


def box_samples(scan: Scan) -> int:
    """Of the fields of all structures on the scan's own voxels, at the most."""
    steps_mm = [scan.column_spacing_mm, scan.row_spacing_mm, SLICE_MM]
    corners = [structure.shape.bounds().corners_mm() for structure in HEAD_AND_NECK.structures]
    sides = [np.ptp(one, axis=0) / np.array(steps_mm) + 2 * BOX_MARGIN + 1 for one in corners]
    return int(sum(np.prod(side) for side in sides))


@pytest.mark.parametrize("slices", [40, 160])
def test_a_network_over_the_whole_scan_stays_within_the_stated_bound(
    tmp_path: Path, slices: int
) -> None:
    """The logits of all channels never exist for the whole of it: alone they would take more."""
    scan = Scan(slice_offsets_mm=even_offsets(slices, SLICE_MM))
    write_phantom(tmp_path, scan=scan)
    card = read_bundle(RELEASED / "commissioning").card
    channels, window = len(card.structures) + 1, int(np.prod(card.segmenter.window))
    voxels = int(np.prod(scan.shape_zyx))
    slab = card.segmenter.window[0] * scan.rows * scan.columns

    told = peak(tmp_path, "commissioning", "whole")

    bound = (
        300 * MIB
        + 3 * voxels
        + 2 * voxels  # on the CT's own grid every voxel is a sample
        + 4 * (channels + 8) * slab
        + 16 * channels * window
        + 8 * box_samples(scan)
    )
    assert told.peak_bytes - told.before_bytes <= bound
    assert {"Cord", "Torus"} <= set(told.contoured)


@pytest.fixture(scope="module")
def long_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """512 x 512 x 1600, uncompressed, 1 mm slices."""
    folder = tmp_path_factory.mktemp("long")
    write_phantom(folder, scan=Scan(slice_offsets_mm=even_offsets(1600, SLICE_MM)))
    return folder


@pytest.mark.parametrize("bundle", ["commissioning", "hn-oar"])
def test_a_scan_of_the_whole_patient_is_contoured_in_4_gib(long_series: Path, bundle: str) -> None:
    """The process can allocate no more than that, whether it uses it or not."""
    told = peak(long_series, bundle)

    assert told.contoured
    assert told.peak_bytes <= LIMIT_GIB * 2**30
