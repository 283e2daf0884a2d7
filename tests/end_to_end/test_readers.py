"""Two readers of others and ours fill the same voxels, and they are the true ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contouring.phantom import HEAD_AND_NECK
from contouring.rasters import dice, read_masks
from tests.end_to_end.phantom_runs import WITH_HOLES, PhantomRun, true_masks
from tests.judges import BoolArray, dcmrtstruct2nii_masks, plastimatch_masks

SAME_VOXELS = 0.998
# Whole HU hold the field to 0.02 mm and lines are simplified by 0.1 mm, so voxels whose centres
# lie that close to the true border may fall on either side.
LEAST_DICE, LEAST_DICE_SMALL, SMALL_CM3 = 0.99, 0.95, 1.0
NAMES = {structure.name for structure in HEAD_AND_NECK.structures}
Reader = Callable[[Path, Path, Path], dict[str, BoolArray]]


@pytest.mark.parametrize("reader", [plastimatch_masks, dcmrtstruct2nii_masks])
def test_another_reader_fills_the_same_voxels(
    phantom_run: PhantomRun, reader: Reader, tmp_path: Path
) -> None:
    """Holes and islands included: our own reader could share a fault with our writer."""
    rtstruct = phantom_run.rtstructs["generic"]
    ours = read_masks(rtstruct.read_bytes(), phantom_run.series)

    theirs = reader(rtstruct, phantom_run.ct, tmp_path)

    scores = {name: dice(ours[name], theirs[name]) for name in NAMES}
    assert {name: score for name, score in scores.items() if score < SAME_VOXELS} == {}


def test_the_voxels_filled_are_the_true_ones(phantom_run: PhantomRun) -> None:
    """Against the closed form, at voxel centres, in every position."""
    rtstruct = phantom_run.rtstructs["generic"]
    truth = true_masks(phantom_run.scan)
    voxel_cm3 = phantom_run.scan.row_spacing_mm * phantom_run.scan.column_spacing_mm * 4.0 / 1000

    masks = read_masks(rtstruct.read_bytes(), phantom_run.series)

    scores = {name: dice(masks[name], truth[name]) for name in NAMES}
    limits = {
        name: LEAST_DICE if mask.sum() * voxel_cm3 >= SMALL_CM3 else LEAST_DICE_SMALL
        for name, mask in truth.items()
    }
    assert {name: scores[name] for name in NAMES if scores[name] < limits[name]} == {}


@pytest.mark.parametrize("phantom_run", ["HFS"], indirect=True)
@pytest.mark.parametrize("template", ["nested", "xor"])
def test_a_reader_that_knows_the_standard_finds_holes_in_any_encoding(
    phantom_run: PhantomRun, template: str
) -> None:
    """The encodings say the same by the even-odd rule; which of them a reader takes differs."""
    keyholes = read_masks(phantom_run.rtstructs["generic"].read_bytes(), phantom_run.series)

    masks = read_masks(phantom_run.rtstructs[template].read_bytes(), phantom_run.series)

    assert {dice(masks[name], keyholes[name]) >= SAME_VOXELS for name in NAMES} == {True}


@pytest.mark.parametrize("phantom_run", ["HFS"], indirect=True)
@pytest.mark.parametrize("template", ["nested", "xor"])
def test_the_other_encodings_of_holes_are_lost_on_a_common_reader(
    phantom_run: PhantomRun, template: str, tmp_path: Path
) -> None:
    """Why keyholes are written unless a template asks for something else."""
    rtstruct = phantom_run.rtstructs[template]
    ours = read_masks(rtstruct.read_bytes(), phantom_run.series)

    theirs = plastimatch_masks(rtstruct, phantom_run.ct, tmp_path)

    lost = {name for name in NAMES if name not in theirs or dice(ours[name], theirs[name]) < 0.9}
    assert lost
    assert lost <= set(WITH_HOLES)
