"""Figures over cases: mean, spread, median, worst case and what the mean may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from contouring.errors import UnusableInputError
from models.evaluation.results import Evaluation

RESAMPLES = 9999
CONFIDENCE = 0.95
SEED = 20260101  # of the bootstrap: the same cases give the same interval


@dataclass(frozen=True)
class Measure:
    """A field of `Score` as tables head it."""

    title: str
    unit: str
    higher_is_better: bool
    name: str

    @property
    def heading(self) -> str:
        """With the unit, where it has one."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def in_words(self) -> str:
        """The same, where there is room for it."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "dice": Measure("Dice", "", True, "Dice"),
        "hausdorff_mm": Measure("HD", "mm", False, "Hausdorff distance"),
        "hausdorff_95_mm": Measure("HD95", "mm", False, "95 % Hausdorff distance"),
        "mean_surface_distance_mm": Measure("MSD", "mm", False, "mean surface distance"),
        "surface_dice_1mm": Measure("sDice 1 mm", "", True, "surface Dice at 1 mm"),
        "surface_dice_2mm": Measure("sDice 2 mm", "", True, "surface Dice at 2 mm"),
    }
)


@dataclass(frozen=True)
class Interval:
    """95 % confidence interval of a mean, by bootstrap."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """One structure under one measure, over all cases in which it was drawn.

    `mean_found`: over the `found` cases alone, None if there are none; `standard_deviation` and
    `interval` need two cases.
    """

    structure: str
    measure: str
    cases: int
    found: int
    mean: float
    mean_found: float | None
    standard_deviation: float | None
    median: float
    worst: float
    worst_case: str
    interval: Interval | None


@dataclass(frozen=True)
class MeanOfStructures:
    """The mean of several structures' means, as papers report it."""

    structures: tuple[str, ...]
    measure: str
    mean: float
    interval: Interval | None


def summarise(evaluation: Evaluation) -> tuple[Summary, ...]:
    """Every structure that was drawn, under every measure."""
    return tuple(
        _summary(evaluation, structure, measure)
        for structure in evaluation.structures
        for measure in MEASURES
    )


def mean_of_structures(
    evaluation: Evaluation, measure: str, structures: Sequence[str] = ()
) -> MeanOfStructures:
    """Of `structures`, by default of all that were drawn; each counts alike.

    Its interval comes from drawing cases, each with all its structures. Raises
    `UnusableInputError` for a structure that was drawn in no case.
    """
    names = tuple(structures) or evaluation.structures
    missing = [name for name in names if name not in evaluation.structures]
    if missing or not names:
        raise UnusableInputError(f"No case has {', '.join(missing) or 'a structure'} drawn on it.")
    # (cases, structures), not a number where a structure was not drawn.
    values = np.array(
        [
            [getattr(case.scores[n], measure) if n in case.scores else np.nan for n in names]
            for case in evaluation.cases
            if case.scores.keys() & set(names)
        ]
    )
    return MeanOfStructures(
        names, measure, float(_mean_of_means(values)), _interval(values, _mean_of_means)
    )


def _summary(evaluation: Evaluation, structure: str, measure: str) -> Summary:
    judged = [case for case in evaluation.cases if structure in case.scores]
    scores = [case.scores[structure] for case in judged]
    values = np.array([getattr(score, measure) for score in scores])
    found = values[[score.is_found for score in scores]]
    worst = int(values.argmin() if MEASURES[measure].higher_is_better else values.argmax())
    return Summary(
        structure=structure,
        measure=measure,
        cases=len(values),
        found=len(found),
        mean=float(values.mean()),
        mean_found=float(found.mean()) if len(found) else None,
        standard_deviation=float(values.std(ddof=1)) if len(values) > 1 else None,
        median=float(np.median(values)),
        worst=float(values[worst]),
        worst_case=judged[worst].name,
        interval=_interval(values, np.mean),
    )


def _mean_of_means(values: NDArray[np.float64], axis: int = 0) -> NDArray[np.float64]:
    """Mean over structures (the last axis) of means over cases.

    A draw of cases may miss a structure that was drawn in few of them: then of the others.
    """
    means = np.ma.masked_invalid(values).mean(axis=axis).mean(axis=-1)
    return np.ma.filled(means, np.nan)


def _interval(
    values: NDArray[np.float64], mean: Callable[..., NDArray[np.float64]]
) -> Interval | None:
    """Of `mean` over the first axis, the cases."""
    if len(values) < 2:
        return None
    cases = np.arange(len(values))

    def mean_of_drawn(drawn: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:
        # `drawn`: (..., cases) indices of the cases of each resample.
        places = np.moveaxis(drawn, axis, 0).astype(int)
        return np.asarray(mean(values[places], axis=0))

    found = stats.bootstrap(
        (cases,),
        mean_of_drawn,
        n_resamples=RESAMPLES,
        batch=1000,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=SEED,
        vectorized=True,
    ).confidence_interval
    return Interval(float(found.low), float(found.high))
