"""How much the windows of a segmenter must overlap: accuracy against cost, each on all cases."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import yaml

from models.bundles import CARD, Bundle, read_bundle
from models.card import MEAN_DICE_FALL_LIMIT, STRUCTURE_DICE_FALL_LIMIT
from models.evaluation.drawn_scans import ScanSource
from models.evaluation.evaluations import Told, Work, evaluate_bundle
from models.evaluation.results import Evaluation, JudgedData
from models.evaluation.summaries import mean_of_structures


@dataclass(frozen=True)
class OverlapPoint:
    """One overlap on all cases; the falls are against the densest that was tried.

    `mean_dice`: of all structures that were drawn; `fallen`: the structure that lost most, by
    `largest_fall`; `cpu_seconds`: of a case, the median.
    """

    overlap: float
    mean_dice: float
    mean_fall: float
    largest_fall: float
    fallen: str
    cpu_seconds: float

    @property
    def is_allowed(self) -> bool:
        """Whether contours are as good as with the densest overlap, by the card's limits."""
        return (
            self.mean_fall < MEAN_DICE_FALL_LIMIT and self.largest_fall <= STRUCTURE_DICE_FALL_LIMIT
        )


def evaluate_overlaps(
    bundle: Bundle,
    overlaps: Sequence[float],
    scans: Sequence[ScanSource],
    data: JudgedData,
    work: Work,
    tell: Told,
) -> dict[float, Evaluation]:
    """The bundle on every scan, once for each overlap; `tell` hears how many runs are done."""
    evaluations = {}
    for number, overlap in enumerate(overlaps):
        with TemporaryDirectory() as folder:
            changed = _with_overlap(bundle, overlap, Path(folder))
            tell_all = _count_from(number * len(scans), tell)
            evaluations[overlap] = evaluate_bundle(changed, scans, data, work=work, tell=tell_all)
    return evaluations


def _count_from(first: int, tell: Told) -> Told:
    return lambda done: tell(first + done)


def _with_overlap(bundle: Bundle, overlap: float, folder: Path) -> Bundle:
    shutil.copytree(bundle.folder, folder, dirs_exist_ok=True)
    segmenter = bundle.card.segmenter.model_copy(update={"overlap": overlap})
    card = bundle.card.model_copy(update={"segmenter": segmenter})
    text = yaml.safe_dump(card.model_dump(mode="json", exclude_unset=True), sort_keys=False)
    (folder / CARD).write_text(text, encoding="utf-8")
    return read_bundle(folder)


def compare_overlaps(evaluations: Mapping[float, Evaluation]) -> tuple[OverlapPoint, ...]:
    """The points of the curve, the densest overlap first."""
    densest = evaluations[max(evaluations)]
    return tuple(
        _compare(overlap, evaluations[overlap], densest)
        for overlap in sorted(evaluations, reverse=True)
    )


def _compare(overlap: float, evaluation: Evaluation, densest: Evaluation) -> OverlapPoint:
    mean = mean_of_structures(evaluation, "dice").mean
    falls = {name: _mean(densest, name) - _mean(evaluation, name) for name in evaluation.structures}
    fallen = max(falls, key=lambda name: falls[name])
    return OverlapPoint(
        overlap,
        mean,
        mean_of_structures(densest, "dice").mean - mean,
        max(falls[fallen], 0.0),
        fallen,
        median(case.cpu_seconds for case in evaluation.cases),
    )


def _mean(evaluation: Evaluation, structure: str) -> float:
    return mean_of_structures(evaluation, "dice", [structure]).mean


def choose_overlap(points: Sequence[OverlapPoint], present: float) -> OverlapPoint:
    """The cheapest of those that are as good as the densest: itself, if no other is.

    Where that is as good as the `present` one to the last digit, no window stands otherwise, as
    regions fit into one, and the seconds differ by chance: then the present one.
    """
    cheapest = min((point for point in points if point.is_allowed), key=lambda one: one.cpu_seconds)
    kept = [one for one in points if one.overlap == present and one.mean_dice == cheapest.mean_dice]
    return kept[0] if kept else cheapest
