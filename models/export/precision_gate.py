"""Whether a bundle of another precision contours as well as the one it is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.export.onnx_export import ExportError

LARGEST_DICE_FALL = 0.002

# Mean Dice of each structure over some cases, as a bundle's folder contours them.
Judge = Callable[[Path], Mapping[str, float]]


@dataclass(frozen=True)
class Verdict:
    """Mean Dice over the structures, of both bundles."""

    reference: float
    variant: float

    @property
    def fall(self) -> float:
        """By how much the variant is worse; negative if it is better."""
        return self.reference - self.variant

    @property
    def is_accepted(self) -> bool:
        """A fall that is not a number is none that was measured."""
        return self.fall < LARGEST_DICE_FALL

    def __str__(self) -> str:
        return f"mean Dice {self.variant:.4f}, against {self.reference:.4f} before"


def check_variant(reference: Path, variant: Path, judge: Judge) -> Verdict:
    """Raises `ExportError` if the mean Dice falls by `LARGEST_DICE_FALL` or more."""
    before, after = judge(reference), judge(variant)
    if not before or set(before) != set(after):
        raise ExportError("the precisions cannot be compared: they were not judged on the same")
    verdict = Verdict(_mean(before), _mean(after))
    if not verdict.is_accepted:
        falls = ", ".join(f"{name} {before[name] - after[name]:+.4f}" for name in before)
        raise ExportError(
            f"this precision costs too much: {verdict}; at most {LARGEST_DICE_FALL} may be lost. "
            f"Lost per structure: {falls}"
        )
    return verdict


def dice_judge(data: Path, split: str, cases: int | None = None, jobs: int = 1) -> Judge:
    """Contours the cases of `data` by the whole pipeline, as `oarlock evaluate` does."""
    from models.bundles import read_bundle
    from models.evaluation.data_folder import find_scans
    from models.evaluation.evaluations import Work, evaluate_bundle
    from models.evaluation.summaries import summarise

    found = find_scans(data, split)

    def judge(folder: Path) -> Mapping[str, float]:
        evaluation = evaluate_bundle(
            read_bundle(folder), found.scans[:cases], found.data, work=Work(jobs)
        )
        if evaluation.left_out:
            names = ", ".join(case.name for case in evaluation.left_out)
            raise ExportError(f"the precisions cannot be compared: {names} could not be judged")
        summaries = summarise(evaluation)
        return {one.structure: one.mean for one in summaries if one.measure == "dice"}

    return judge


def _mean(dice: Mapping[str, float]) -> float:
    return sum(dice.values()) / len(dice)
