"""Evaluations with figures that can be checked by hand, and bundles and data to make real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from models.evaluation.results import (
    CaseResult,
    Coverage,
    Evaluation,
    JudgedData,
    JudgedModel,
    LeftOut,
    Machine,
    Score,
)
from tests.models.bundle_files import Card, write_bundle
from tests.models.phantom_cases import write_phantom_dataset

STRUCTURES = ("Bone", "Fat")  # of the made cases, at 150 and -90 Hounsfield units
FURTHEST_MM = 600.0


def made_score(dice: float) -> Score:
    """A found structure whose distances are 10 mm less Dice times 10."""
    distance_mm = 10 * (1 - dice)
    return Score(dice, distance_mm, distance_mm, distance_mm, dice, dice, is_found=True)


def missed_score() -> Score:
    """A structure of which nothing was contoured."""
    return Score(0.0, FURTHEST_MM, FURTHEST_MM, FURTHEST_MM, 0.0, 0.0, is_found=False)


def made_evaluation(
    cases: Sequence[Mapping[str, float | None]],
    structures: Sequence[str] = STRUCTURES,
    coverage: Coverage | None = None,
) -> Evaluation:
    """Cases `c0`, `c1`, ... with a Dice per drawn structure, None where it was not found."""
    results = tuple(
        CaseResult(
            name=f"c{number}",
            scores={
                name: missed_score() if dice is None else made_score(dice)
                for name, dice in case.items()
            },
            seconds=4.0,
            cpu_seconds=6.0,
            coverage=coverage,
        )
        for number, case in enumerate(cases)
    )
    return Evaluation(
        model=JudgedModel("made", "1.0.0", "0" * 64, "test", tuple(structures)),
        data=JudgedData("made data", "val"),
        machine=Machine("a processor", 2, 1, 1, "0.0.0"),
        cases=results,
        left_out=(LeftOut("broken", "it has no labels."),),
    )


def write_bone_bundle(folder: Path, *, localizer_margin_mm: float | None = None) -> Path:
    """A bundle that contours whatever is denser than 120 Hounsfield units, as Bone."""

    def set_stages(card: Card) -> None:
        card["segmenter"]["intensity"] = {"hu_range": [20, 220], "output_range": [-1, 1]}
        card["segmenter"] |= {"window": [40, 48, 48], "multiple_of": 8}
        if localizer_margin_mm is not None:
            margin = [localizer_margin_mm] * 3
            card["localizer"] = card["segmenter"] | {"margin_mm": margin}

    return write_bundle(folder, spoil=set_stages)


def write_made_data(folder: Path, names: Sequence[str] = ("a", "b", "c")) -> Path:
    """nnU-Net's layout, the last as `val`; Fat, which the bundle does not know, is drawn, too."""
    return write_phantom_dataset(folder, names, STRUCTURES)
