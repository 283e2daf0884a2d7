"""The CT's voxels, slice by slice."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pydicom
import pytest

from contouring.dicom_series import find_series, read_series
from contouring.errors import JobCancelledError, SeriesRefusedError
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import write_phantom
from contouring.recipe import AIR_HU
from contouring.volume import CTVolume, build_volume
from tests.contouring.ct_files import TINY_SCAN, edit, names_of, unzip_real, write_tiny_series
from tests.contouring.grids import grid_of
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
    """The sender must know which one to send again; a server has names of its own for files."""
    files = write_tiny_series(tmp_path)
    edit(files[5], PixelData=b"\0" * 10)
    place = f"{TINY_SCAN.origin_mm(5)[2]:g}"

    with pytest.raises(SeriesRefusedError, match=rf"CT0006\.dcm .*the slice at z = {place} mm"):
        build_volume(read_series(tmp_path), lambda _: None)


def test_where_nobody_knows_the_files_the_place_is_named_alone(tmp_path: Path) -> None:
    """A server's names are of its own making: a sender would look for them in vain."""
    files = write_tiny_series(tmp_path)
    edit(files[5], PixelData=b"\0" * 10)
    place = f"{TINY_SCAN.origin_mm(5)[2]:g}"

    with pytest.raises(SeriesRefusedError) as refusal:
        build_volume(read_series(tmp_path, has_known_names=False), lambda _: None)

    assert refusal.value.reason.startswith(f"The pixels of the slice at z = {place} mm are 10 ")
    assert refusal.value.reason.count(place) == 1
    assert ".dcm" not in refusal.value.reason


def test_a_cancelled_job_stops_reading(tmp_path: Path) -> None:
    """Progress is where a job learns that it was cancelled."""
    write_tiny_series(tmp_path)

    def cancel(_: float) -> None:
        raise JobCancelledError("7")

    with pytest.raises(JobCancelledError):
        build_volume(read_series(tmp_path), cancel)


def test_pixels_that_are_padding_in_every_slice_are_out_of_view(tmp_path: Path) -> None:
    """The round field of view of a scanner, told from air that only looks like it."""
    files = write_tiny_series(tmp_path)
    for number, file in enumerate(files):
        stored = pydicom.dcmread(file).pixel_array.astype(np.int32) - 1024
        stored[0, :] = -2000
        stored[1, :3] = -3024
        stored[5, number] = -2000
        edit(
            file,
            PixelData=stored.astype("<i2").tobytes(),
            PixelRepresentation=1,
            RescaleIntercept=0,
        )

    ct = build_volume(read_series(tmp_path), lambda _: None)

    assert not ct.in_view[0].any()
    assert not ct.in_view[1, :3].any()
    assert ct.in_view.sum() == 18 * 22 - 22 - 3
    assert (ct.hu[:, 0] == AIR_HU).all()
    assert ct.hu[3, 5, 3] == AIR_HU


def test_what_only_pixels_show_is_warned_of(tmp_path: Path) -> None:
    """The gate's second half, in the job's first stage."""
    write_phantom(tmp_path, scan=Scan(rows=120, columns=120, slice_offsets_mm=even_offsets(4, 3.0)))

    ct = build_volume(read_series(tmp_path), lambda _: None)

    assert names_of(ct.warnings) == ["no-air", "truncated-field-of-view"]


def test_a_volume_without_a_view_is_seen_whole() -> None:
    """Volumes made by hand have no circle."""
    ct = CTVolume(grid_of(TINY_SCAN), np.zeros(TINY_SCAN.shape_zyx, np.int16))

    assert ct.in_view.shape == (18, 22)
    assert ct.in_view.all()
    assert ct.warnings == ()


def test_the_round_view_of_a_real_scanner_is_found(tmp_path: Path) -> None:
    """It pads with -2000 around the circle, which reads as -3024 HU."""
    files = unzip_real("abdomen-ge-feet-first.zip", tmp_path)
    (series,) = find_series(files).series

    ct = build_volume(series, lambda _: None)

    assert ct.in_view[256, 256]
    assert not ct.in_view[0, 0]
    assert 0.75 < ct.in_view.mean() < 0.81  # a circle in a square: 0.785
    assert ct.hu.min() == AIR_HU
    assert ct.warnings == ()
