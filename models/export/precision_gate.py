"""Whether a bundle of another precision contours as well as the one it is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.card import MEAN_DICE_FALL_LIMIT, STRUCTURE_DICE_FALL_LIMIT
from models.export.onnx_export import ExportError
from models.runtime_names import RuntimeName

# Mean Dice of each structure over some cases, as a bundle's folder contours them.
Judge = Callable[[Path], Mapping[str, float]]


@dataclass(frozen=True)
class Verdict:
    """Mean Dice over the structures, of both bundles; `largest_fall`: of a single structure."""

    reference: float
    variant: float
    largest_fall: float

    @property
    def fall(self) -> float:
        """By how much the variant is worse; negative if it is better."""
        return self.reference - self.variant

    @property
    def is_accepted(self) -> bool:
        """A fall that is not a number is none that was measured."""
        return self.fall < MEAN_DICE_FALL_LIMIT and self.largest_fall <= STRUCTURE_DICE_FALL_LIMIT

    def __str__(self) -> str:
        return f"mean Dice {self.variant:.4f}, against {self.reference:.4f} before"


def judge_variant(reference: Path, variant: Path, judge: Judge) -> Verdict:
    """Both bundles' folders by the same judge; raises `ExportError` if that cannot be compared."""
    return _compare(judge(reference), judge(variant))


def check_variant(reference: Path, variant: Path, judge: Judge) -> Verdict:
    """Raises `ExportError` if the variant costs more Dice than a precision may."""
    before, after = judge(reference), judge(variant)
    verdict = _compare(before, after)
    if not verdict.is_accepted:
        falls = ", ".join(f"{name} {before[name] - after[name]:+.4f}" for name in before)
        raise ExportError(
            f"this precision costs too much: {verdict}; less than {MEAN_DICE_FALL_LIMIT} of the "
            f"mean may be lost, and {STRUCTURE_DICE_FALL_LIMIT} of a structure. Lost per "
            f"structure: {falls}"
        )
    return verdict


def _compare(before: Mapping[str, float], after: Mapping[str, float]) -> Verdict:
    if not before or set(before) != set(after):
        raise ExportError("the precisions cannot be compared: they were not judged on the same")
    largest_fall = max(before[name] - after[name] for name in before)
    return Verdict(_mean(before), _mean(after), largest_fall)


def dice_judge(
    data: Path,
    split: str,
    cases: int | None = None,
    jobs: int = 1,
    runtime: RuntimeName = RuntimeName.AUTO,
) -> Judge:
    """Contours the cases of `data` by the whole pipeline, as `oarlock evaluate` does."""
    from models.bundles import read_bundle
    from models.evaluation.data_folder import find_scans
    from models.evaluation.evaluations import Work, evaluate_bundle
    from models.evaluation.summaries import summarise

    found = find_scans(data, split)

    def judge(folder: Path) -> Mapping[str, float]:
        evaluation = evaluate_bundle(
            read_bundle(folder), found.scans[:cases], found.data, work=Work(jobs, runtime=runtime)
        )
        if evaluation.left_out:
            names = ", ".join(case.name for case in evaluation.left_out)
            raise ExportError(f"the precisions cannot be compared: {names} could not be judged")
        summaries = summarise(evaluation)
        return {one.structure: one.mean for one in summaries if one.measure == "dice"}

    return judge


def _mean(dice: Mapping[str, float]) -> float:
    return sum(dice.values()) / len(dice)
