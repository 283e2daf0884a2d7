"""The CT's voxels, slice by slice."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from contouring.dicom_series import find_series, read_series
from contouring.errors import JobCancelledError, SeriesRefusedError
from contouring.volume import build_volume
from tests.contouring.ct_files import TINY_SCAN, edit, write_tiny_series
from tests.phantoms import one_structure_phantom


def test_every_slice_lands_in_its_own_place(tmp_path: Path) -> None:
    """Slices are read by several threads at once, from files in any order."""
    files = write_tiny_series(tmp_path, shuffle_files=True)
    (series,) = find_series(random.Random(5).sample(files, len(files))).series

    ct = build_volume(series, lambda _: None)

    assert ct.hu.dtype == np.int16
    assert np.array_equal(ct.hu, TINY_SCAN.hu(one_structure_phantom()))


def test_progress_is_told_slice_by_slice(tmp_path: Path) -> None:
    """Reading is the longest wait of a large series on a slow disk."""
    write_tiny_series(tmp_path)
    heard: list[float] = []

    build_volume(read_series(tmp_path), heard.append)

    assert heard == pytest.approx([(k + 1) / 8 for k in range(8)])


def test_a_slice_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    """The sender must know which one to send again."""
    files = write_tiny_series(tmp_path)
    edit(files[5], PixelData=b"\0" * 10)

    with pytest.raises(SeriesRefusedError, match=r"CT0006\.dcm"):
        build_volume(read_series(tmp_path), lambda _: None)


def test_a_cancelled_job_stops_reading(tmp_path: Path) -> None:
    """Progress is where a job learns that it was cancelled."""
    write_tiny_series(tmp_path)

    def cancel(_: float) -> None:
        raise JobCancelledError("7")

    with pytest.raises(JobCancelledError):
        build_volume(read_series(tmp_path), cancel)
