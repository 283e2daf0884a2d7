"""Figures over cases."""

from __future__ import annotations

import pytest

from contouring.errors import UnusableInputError
from models.evaluation.results import Evaluation
from models.evaluation.summaries import MEASURES, Summary, mean_of_structures, summarise
from tests.models.evaluation.made_evaluations import FURTHEST_MM, made_evaluation


def summary(evaluation: Evaluation, structure: str, measure: str) -> Summary:
    """The one that is meant."""
    (found,) = (
        one for one in summarise(evaluation) if (one.structure, one.measure) == (structure, measure)
    )
    return found


def test_a_structure_is_summed_up_over_the_cases_that_it_was_drawn_in() -> None:
    """Where nobody drew it there is no truth, and no score."""
    evaluation = made_evaluation([{"Bone": 0.9, "Fat": 0.5}, {"Bone": 0.7}, {"Bone": 0.2}])

    bone = summary(evaluation, "Bone", "dice")

    assert (bone.cases, bone.found) == (3, 3)
    assert bone.mean == pytest.approx(0.6)
    assert bone.median == pytest.approx(0.7)
    assert bone.standard_deviation == pytest.approx(0.36056, abs=1e-5)
    assert summary(evaluation, "Fat", "dice").cases == 1


@pytest.mark.parametrize("measure", MEASURES)
def test_the_worst_case_is_named_whichever_way_the_measure_runs(measure: str) -> None:
    """The lowest Dice, the longest distance: the same case, the one to look at."""
    evaluation = made_evaluation([{"Bone": 0.9}, {"Bone": 0.3}, {"Bone": 0.8}])

    assert summary(evaluation, "Bone", measure).worst_case == "c1"


def test_what_was_not_found_counts_in_the_mean_and_can_be_told_apart() -> None:
    """Both figures are wanted: what a clinic gets, and how good it is where there is any."""
    evaluation = made_evaluation([{"Bone": 0.8}, {"Bone": None}])

    dice = summary(evaluation, "Bone", "dice")
    distance = summary(evaluation, "Bone", "mean_surface_distance_mm")

    assert (dice.cases, dice.found) == (2, 1)
    assert (dice.mean, dice.mean_found) == pytest.approx((0.4, 0.8))
    assert (distance.mean, distance.mean_found) == pytest.approx(((FURTHEST_MM + 2) / 2, 2.0))


def test_a_structure_that_was_never_found_has_no_mean_of_found_ones() -> None:
    """The mean of nothing is no number."""
    evaluation = made_evaluation([{"Bone": None}])

    assert summary(evaluation, "Bone", "hausdorff_mm").mean_found is None


def test_the_interval_holds_the_mean_and_narrows_with_more_cases() -> None:
    """It says how well the mean is known, and is the same whenever it is computed."""
    few = [{"Bone": 0.5 + 0.05 * k} for k in range(8)]

    narrow = summary(made_evaluation(few * 8), "Bone", "dice")
    wide = summary(made_evaluation(few), "Bone", "dice")

    assert wide.interval is not None
    assert narrow.interval is not None
    assert wide.interval.low < wide.mean < wide.interval.high
    assert narrow.interval.high - narrow.interval.low < wide.interval.high - wide.interval.low
    assert summary(made_evaluation(few), "Bone", "dice") == wide


def test_one_case_has_no_spread_and_no_interval() -> None:
    """A figure of one case must not look better known than it is."""
    one = summary(made_evaluation([{"Bone": 0.5}]), "Bone", "dice")

    assert (one.standard_deviation, one.interval) == (None, None)


def test_the_mean_of_structures_weighs_each_alike() -> None:
    """As papers report it: a structure drawn once counts as much as one drawn everywhere."""
    evaluation = made_evaluation([{"Bone": 0.9, "Fat": 0.3}, {"Bone": 0.9}, {"Bone": 0.9}])

    mean = mean_of_structures(evaluation, "dice")

    assert mean.structures == ("Bone", "Fat")
    assert mean.mean == pytest.approx(0.6)
    assert mean.interval is not None
    assert mean_of_structures(evaluation, "dice", ["Fat"]).mean == pytest.approx(0.3)


def test_a_mean_of_what_nobody_drew_is_refused() -> None:
    """Silently leaving it out would give the mean of something else."""
    evaluation = made_evaluation([{"Bone": 0.9}])

    with pytest.raises(UnusableInputError, match="Fat"):
        mean_of_structures(evaluation, "dice", ["Bone", "Fat"])
