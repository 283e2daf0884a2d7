"""A precision is accepted by its Dice, and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the training extra")

from models.export.onnx_export import ExportError
from models.export.precision_gate import Judge, check_variant, dice_judge
from tests.models.evaluation.made_evaluations import (
    write_bone_bundle,
    write_made_data,
)

REFERENCE, VARIANT = Path("reference"), Path("variant")


def _judge(reference: Mapping[str, float], variant: Mapping[str, float]) -> Judge:
    return lambda folder: reference if folder == REFERENCE else variant


@pytest.mark.parametrize("cord", [0.7015, 0.6995, 0.6985])
def test_a_precision_that_costs_little_dice_is_accepted(cord: float) -> None:
    """Better, or worse by less than 0.002 in the mean over the structures."""
    judge = _judge({"Cord": 0.70, "Jaw": 0.80}, {"Cord": cord, "Jaw": 0.80})

    verdict = check_variant(REFERENCE, VARIANT, judge)

    assert verdict.fall == pytest.approx((0.70 - cord) / 2)


@pytest.mark.parametrize("cord", [0.6959, 0.5, float("nan")])
def test_a_precision_that_costs_more_is_refused_with_its_figures(cord: float) -> None:
    """Whoever asked for it learns which structure lost how much."""
    judge = _judge({"Cord": 0.70, "Jaw": 0.80}, {"Cord": cord, "Jaw": 0.80})

    with pytest.raises(ExportError, match=r"costs too much: .* Cord .*, Jaw \+0\.0000"):
        check_variant(REFERENCE, VARIANT, judge)


def test_one_structure_does_not_pay_for_the_others() -> None:
    """The mean rises, and an organ is contoured worse."""
    judge = _judge({"Cord": 0.70, "Jaw": 0.80}, {"Cord": 0.694, "Jaw": 0.82})

    with pytest.raises(ExportError, match=r"costs too much: .* Cord \+0\.0060"):
        check_variant(REFERENCE, VARIANT, judge)


@pytest.mark.parametrize("variant", [{}, {"Jaw": 0.9}])
def test_precisions_judged_on_different_structures_are_not_compared(
    variant: Mapping[str, float],
) -> None:
    """A structure that drops out must not raise the mean."""
    with pytest.raises(ExportError, match="cannot be compared"):
        check_variant(REFERENCE, VARIANT, _judge({"Cord": 0.5, "Jaw": 0.9}, variant))


def test_dice_is_that_of_the_structure_sets(tmp_path: Path) -> None:
    """The gate judges what the pipeline writes, as `oarlock evaluate` does."""
    data = write_made_data(tmp_path / "data")
    bundle = write_bone_bundle(tmp_path / "bundle")

    dice = dice_judge(data, "train", cases=1)(bundle)

    assert list(dice) == ["Bone"]
    assert 0.95 < dice["Bone"] <= 1.0
