"""What a network is shown is the same sampled at once or slab by slab."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contouring.lattice import Sampler, build_lattice, resample
from contouring.network_image import NetworkImage
from contouring.phantom_scan import Scan
from contouring.recipe import AIR_HU
from contouring.volume import CTVolume
from contouring.windows import plan_windows
from tests.contouring.grids import SCANS, UNEVEN_SCAN, grid_of, name_of
from tests.contouring.predictors import native

SPACINGS = ((None, None, None), (4.0, 3.0, 2.5), (0.9, 1.0, 1.1))


def random_ct(scan: Scan) -> CTVolume:
    """Noise, so that no voxel can be taken for another."""
    noise = np.random.default_rng(1).integers(-1000, 1000, scan.shape_zyx)
    return CTVolume(grid_of(scan), noise.astype(np.int16))


@pytest.mark.parametrize("scan", SCANS, ids=name_of)
@pytest.mark.parametrize("spacing", SPACINGS, ids=["native", "coarse", "fine"])
def test_planes_sampled_in_turn_are_those_of_the_whole(
    scan: Scan, spacing: tuple[float | None, float | None, float | None]
) -> None:
    """To the last bit, in any patient position."""
    ct = random_ct(scan)
    lattice = build_lattice(ct.grid, spacing)
    sampler = Sampler(ct.hu, ct.grid, lattice)
    planes = lattice.shape_zyx[0]

    parts = [sampler.planes(first, min(first + 3, planes)) for first in range(0, planes, 3)]

    assert np.array_equal(np.concatenate(parts), resample(ct.hu, ct.grid, lattice))


@pytest.mark.parametrize("window", [(4, 8, 8), (1, 20, 26), (40, 48, 8)])
def test_every_window_is_cut_from_the_one_image_with_air_around_it(
    window: tuple[int, int, int],
) -> None:
    """Slabs overlap, and sides that are too short are filled up."""
    ct = random_ct(replace(UNEVEN_SCAN, slice_offsets_mm=tuple(np.arange(30) * 2.0)))
    lattice = build_lattice(ct.grid, (1.3, None, None))
    image = NetworkImage(ct, lattice, native(window, multiple_of=4), window)
    extent = tuple(min(pair) for pair in zip(window, image.shape_zyx, strict=True))

    places = plan_windows(image.shape_zyx, extent, 0.5)  # type: ignore[arg-type]

    whole = np.full(image.shape_zyx, AIR_HU, np.float32)
    z, y, x = lattice.shape_zyx
    whole[:z, :y, :x] = resample(ct.hu, ct.grid, lattice)
    for place in places:
        assert np.allclose(image.window(place), whole[place], atol=1e-3)  # rescaled, in float32
