"""Accuracy against cost of a segmenter's overlap, and which overlap that speaks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("monai", reason="needs the training extra")

import yaml

from models.card import OverlapCard
from models.evaluation.overlap_files import CARD_PIECE, CSV, PICTURE, encode_curve
from models.evaluation.overlaps import OverlapPoint, choose_overlap, compare_overlaps
from models.evaluation.results import Evaluation
from tests.models.evaluation.made_evaluations import made_evaluation


def judged(bone: float, fat: float, cpu_seconds: float) -> Evaluation:
    """Two cases with these means."""
    evaluation = made_evaluation([{"Bone": bone - 0.01, "Fat": fat}, {"Bone": bone + 0.01}])
    cases = tuple(replace(case, cpu_seconds=cpu_seconds) for case in evaluation.cases)
    return replace(evaluation, cases=cases)


def test_falls_are_against_the_densest_overlap_and_name_who_lost_most() -> None:
    """Bone gains 0.01 and Fat loses 0.03: the mean of the two loses 0.01."""
    dense, sparse = compare_overlaps({0.0: judged(0.81, 0.67, 2.0), 0.5: judged(0.80, 0.70, 9.0)})

    assert dense == OverlapPoint(0.5, pytest.approx(0.75), 0.0, 0.0, dense.fallen, 9.0)
    assert (sparse.overlap, sparse.fallen, sparse.cpu_seconds) == (0.0, "Fat", 2.0)
    assert sparse.mean_fall == pytest.approx(0.01)
    assert sparse.largest_fall == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("bone", "fat", "chosen"),
    [
        (0.8, 0.701, 0.0),
        (0.9, 0.694, 0.5),  # one structure falls too far, though the mean rises
        (0.796, 0.7, 0.5),  # none falls too far, but the mean
        (0.798, 0.7, 0.0),
    ],
)
def test_the_cheapest_is_chosen_that_is_as_good_as_the_densest(
    bone: float, fat: float, chosen: float
) -> None:
    """As good: less than 0.002 in the mean, and 0.005 in any structure."""
    points = compare_overlaps({0.5: judged(0.8, 0.7, 9.0), 0.0: judged(bone, fat, 2.0)})

    assert choose_overlap(points, present=0.5).overlap == chosen


def test_where_no_figure_changes_nothing_is_changed() -> None:
    """Regions fit into one window, and the seconds differ by chance."""
    points = compare_overlaps({0.5: judged(0.8, 0.7, 2.0), 0.25: judged(0.8, 0.7, 2.2)})

    assert choose_overlap(points, present=0.25).overlap == 0.25


def test_the_curve_is_written_as_a_card_takes_it() -> None:
    """Beside the table and the picture."""
    points = compare_overlaps({0.5: judged(0.8, 0.7, 9.0), 0.25: judged(0.8, 0.7, 5.0)})

    files = encode_curve(points, points[1])

    assert files[PICTURE].startswith(b"\x89PNG")
    assert files[CSV].decode().count("\n") == 3
    piece = yaml.safe_load(files[CARD_PIECE])
    assert piece["overlap"] == 0.25
    curve = [OverlapCard(**one) for one in piece["overlap_curve"]]
    assert [(one.overlap, one.cpu_seconds) for one in curve] == [(0.5, 9.0), (0.25, 5.0)]
