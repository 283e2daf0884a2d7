"""The networks that are compared, each with what is known of it: recipe, cost, run, evaluation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.published_rows import FIVE
from models.evaluation.results import EVALUATION_FILE, Evaluation, read_evaluation
from models.networks.cost import NetworkCost, measure_cost
from models.training.recipe_file import Recipe, read_recipe
from models.training.run_facts import RunFacts
from models.training.runs import FACTS, RECIPE, recipe_network

# Per recipe a folder: recipe.yaml, run.json and curve.csv of its run, and, of a segmenter, the
# evaluation.json of the bundle that it was exported to.
TRAINED = Path(__file__).parent / "trained"


@dataclass(frozen=True)
class Entrant:
    """A system under the recipes of its stages."""

    title: str
    segmenter: str
    localizer: str | None = None


ENTRANTS = (
    Entrant("hn-oar", "hn-oar-segmenter-aligned", "hn-oar-localizer"),
    Entrant("Lyu: SAM/MSA segmenter", "lyu-segmenter", "lyu-localizer"),
    Entrant("OARFocalFuseNet", "oarfocalfusenet"),
    Entrant("3D-MSF", "3d-msf"),
    Entrant("Roth: cascaded FCN", "roth-fine", "roth-coarse"),
    Entrant("MCFNet", "mcfnet"),
    Entrant("UNet (MONAI)", "unet"),
    Entrant("DynUNet (MONAI)", "dynunet"),
    Entrant("SwinUNETR (MONAI)", "swinunetr"),
)


@dataclass(frozen=True)
class Stage:
    """One network: its recipe (the run's, where there is one), cost and run."""

    recipe: Recipe
    cost: NetworkCost
    run: RunFacts | None


@dataclass(frozen=True)
class Known:
    """An entrant's stages, and its evaluation on the cases with all of `FIVE` drawn."""

    entrant: Entrant
    segmenter: Stage
    localizer: Stage | None
    evaluation: Evaluation | None

    @property
    def learned_from(self) -> tuple[str, ...]:
        """Judged cases that one of its networks was trained on: a score on these is no test."""
        if self.evaluation is None:
            return ()
        stages = (stage for stage in (self.localizer, self.segmenter) if stage is not None)
        seen = {name for stage in stages if stage.run is not None for name in stage.run.case_names}
        return tuple(case.name for case in self.evaluation.cases if case.name in seen)


def read_known(folder: Path = TRAINED, entrants: Sequence[Entrant] = ENTRANTS) -> list[Known]:
    """All entrants, whether they were trained or not; raises what a broken file raises."""
    return [
        Known(
            entrant=entrant,
            segmenter=_read_stage(folder, entrant.segmenter),
            localizer=_read_stage(folder, entrant.localizer) if entrant.localizer else None,
            evaluation=_read_evaluation(folder / entrant.segmenter / EVALUATION_FILE),
        )
        for entrant in entrants
    ]


def _read_stage(folder: Path, name: str) -> Stage:
    run = folder / name
    recipe = read_recipe(run / RECIPE if (run / RECIPE).is_file() else name)
    facts = None
    if (run / FACTS).is_file():
        facts = TypeAdapter(RunFacts).validate_python(json.loads((run / FACTS).read_text()))
    return Stage(recipe, measure_cost(recipe_network(recipe), recipe.sliding_window), facts)


def _read_evaluation(path: Path) -> Evaluation | None:
    if not path.is_file():
        return None
    evaluation = read_evaluation(path)
    complete = tuple(case for case in evaluation.cases if set(FIVE) <= set(case.scores))
    return replace(evaluation, cases=complete) if complete else None
