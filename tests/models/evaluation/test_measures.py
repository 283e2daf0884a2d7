"""Measures of shapes whose true figures are known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("monai", reason="needs the training extra")

from models.evaluation.measures import Mask, score_structure

SPACING_ZYX_MM = (2.5, 4.0, 4.0)


def box(first_column: int = 10) -> Mask:
    """(20, 30, 40) voxels with a box of ten on each side."""
    mask = np.zeros((20, 30, 40), bool)
    mask[5:15, 10:20, first_column : first_column + 10] = True
    return mask


def test_the_same_mask_scores_full_marks() -> None:
    """A measure that finds fault with the truth itself measures something else."""
    score = score_structure(box(), box(), SPACING_ZYX_MM)

    assert (score.dice, score.surface_dice_1mm, score.surface_dice_2mm) == (1.0, 1.0, 1.0)
    assert (score.hausdorff_mm, score.hausdorff_95_mm) == (0.0, 0.0)
    assert score.mean_surface_distance_mm == 0.0
    assert score.is_found


def test_a_shift_is_measured_in_millimetres_along_its_axis() -> None:
    """Two voxels of 4 mm in a row are 8 mm; taken for slices they would be 5."""
    score = score_structure(box(12), box(), SPACING_ZYX_MM)

    assert score.dice == pytest.approx(0.8)
    assert score.hausdorff_mm == pytest.approx(8.0)
    assert 0 < score.mean_surface_distance_mm < 8.0
    assert score.surface_dice_2mm < 1.0


def test_distances_count_both_ways() -> None:
    """What was contoured too much is as wrong as what was left out."""
    half = box()
    half[:, :, 15:] = False

    too_small = score_structure(half, box(), SPACING_ZYX_MM)
    too_large = score_structure(box(), half, SPACING_ZYX_MM)

    assert too_small == too_large
    assert too_small.hausdorff_mm == pytest.approx(20.0)


def test_one_stray_voxel_shows_in_the_largest_distance_and_not_in_the_95th_percentile() -> None:
    """That is what the percentile is for."""
    stray = box()
    stray[10, 15, 35] = True

    score = score_structure(stray, box(), SPACING_ZYX_MM)

    assert score.hausdorff_mm == pytest.approx(64.0)
    assert score.hausdorff_95_mm == 0.0


def test_the_surface_dice_forgives_what_its_tolerance_allows() -> None:
    """A shift of one voxel of 1.5 mm is within 2 mm and beyond 1 mm."""
    score = score_structure(box(11), box(), (1.5, 1.5, 1.5))

    assert score.surface_dice_2mm == pytest.approx(1.0)
    assert score.surface_dice_1mm < 0.9


def test_what_was_not_contoured_scores_nothing_and_lies_as_far_away_as_anything_can() -> None:
    """Left out of the means, a model would gain by leaving out what is hard."""
    score = score_structure(np.zeros_like(box()), box(), SPACING_ZYX_MM)

    diagonal_mm = np.hypot(20 * 2.5, np.hypot(30 * 4.0, 40 * 4.0))
    assert not score.is_found
    assert (score.dice, score.surface_dice_1mm, score.surface_dice_2mm) == (0.0, 0.0, 0.0)
    assert score.hausdorff_mm == pytest.approx(diagonal_mm)
    assert score.mean_surface_distance_mm == pytest.approx(diagonal_mm)


def test_a_mask_at_the_border_has_a_surface_there() -> None:
    """Organs are cut by the end of a scan; their ends are drawn, too."""
    at_border, shorter = np.zeros((8, 8, 8), bool), np.zeros((8, 8, 8), bool)
    at_border[:, 2:6, 2:6] = True
    shorter[2:, 2:6, 2:6] = True

    score = score_structure(shorter, at_border, (3.0, 1.0, 1.0))

    assert score.hausdorff_mm == pytest.approx(6.0)
