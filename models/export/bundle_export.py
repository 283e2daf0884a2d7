"""From a system's trained runs to the bundle that is served: `oarlock export`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from pydantic import ValidationError

from models.bundles import CARD
from models.card import ModelCard
from models.export.exported_stage import (
    ExportedStage,
    RealInputs,
    StageName,
    StageParity,
    export_stage,
    write_stage,
)
from models.export.onnx_export import ExportError
from models.export.precision_gate import Judge, Verdict, check_variant
from models.export.precisions import Precision
from models.export.system_file import LocalizerPart, SystemFile
from models.training.runs import CURVE, FACTS

Tell = Callable[[str], None]


@dataclass(frozen=True)
class ExportPlan:
    """How a system is exported.

    `tolerance`: of a logit, by default the precision's. `inputs`: real scans, which int8 needs.
    `judge`: mean Dice of a bundle, which any precision that computes otherwise needs.
    """

    precision: Precision = Precision.STORED
    tolerance: float | None = None
    inputs: RealInputs | None = None
    judge: Judge | None = None


@dataclass(frozen=True)
class ExportedBundle:
    """What was written, and what was found on the way; `verdict`: of the gate, if it was asked."""

    folder: Path
    parities: tuple[StageParity, ...]
    verdict: Verdict | None


def export_bundle(
    system: SystemFile,
    runs: Mapping[StageName, Path],
    folder: Path,
    plan: ExportPlan | None = None,
    tell: Tell = lambda _: None,
) -> ExportedBundle:
    """Write the bundle of `system` into `folder`, from the runs of its stages.

    `tell` hears what is being done. Raises `ExportError`, and then leaves `folder` as it was: if
    the runs do not make the system, a graph strays from PyTorch, or a precision costs Dice.
    """
    plan = plan or ExportPlan()
    _check(system, runs, plan)
    stages = []
    for name, part in _parts(system).items():
        tell(f"exporting the {name}")
        stages.append(export_stage(name, part, runs[name], plan.inputs))
    with TemporaryDirectory() as work:
        made = Path(work) / "bundle"
        tell(f"comparing {plan.precision} with PyTorch")
        parities = _write(system, stages, made, plan.precision, plan.tolerance)
        verdict = None
        if plan.precision.is_variant and plan.judge is not None:
            tell(f"judging {plan.precision} by its Dice")
            reference = Path(work) / "reference"
            _write(system, stages, reference, Precision.STORED, None)
            verdict = check_variant(reference, made, plan.judge)
        shutil.copytree(made, folder, dirs_exist_ok=True)
    return ExportedBundle(folder, parities, verdict)


def _parts(system: SystemFile) -> dict[StageName, Any]:
    parts: dict[StageName, Any] = {"localizer": system.localizer, "segmenter": system.segmenter}
    return {name: part for name, part in parts.items() if part is not None}


def _check(system: SystemFile, runs: Mapping[StageName, Path], plan: ExportPlan) -> None:
    wanted = _parts(system)
    if set(runs) != set(wanted):
        raise ExportError(
            f"{system.name} is made of {' and '.join(wanted)}; runs were given of "
            f"{' and '.join(runs) or 'none'}"
        )
    if plan.precision.is_variant and plan.judge is None:
        raise ExportError(f"{plan.precision} is accepted by its Dice alone: give cases to judge on")
    if plan.precision is Precision.INT8 and plan.inputs is None:
        raise ExportError("int8 takes its scales from real scans: give some")


def _write(
    system: SystemFile,
    stages: Sequence[ExportedStage],
    folder: Path,
    precision: Precision,
    tolerance: float | None,
) -> tuple[StageParity, ...]:
    """A whole bundle, its card validated."""
    folder.mkdir(parents=True)
    cards: dict[str, dict[str, Any]] = {}
    parities = []
    for stage in stages:
        cards[stage.name], parity = write_stage(stage, folder, precision, tolerance)
        parities.append(parity)
        for file in (CURVE, FACTS):
            if (stage.run / file).is_file():
                shutil.copyfile(stage.run / file, folder / f"{stage.name}-{file}")
    card = _card(system, stages, cards)
    text = yaml.safe_dump(card, sort_keys=False, width=96, default_flow_style=None)
    (folder / CARD).write_text(text, encoding="utf-8")
    return tuple(parities)


def _card(
    system: SystemFile, stages: Sequence[ExportedStage], cards: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    segmenter = stages[-1].recipe
    card: dict[str, Any] = {
        "format": 1,
        **system.model_dump(include={"name", "version", "intended_use", "licence"}),
        "training_data": " ".join([system.training_data.strip(), *map(_learned_from, stages)]),
        "evaluation": system.evaluation.strip(),
    }
    if isinstance(system.localizer, LocalizerPart):
        card["localizer"] = cards["localizer"] | _narrowing(system.localizer, stages[0])
    card["segmenter"] = cards["segmenter"]
    card["structures"] = [
        structure.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        for structure in segmenter.structures
    ]
    if system.anchors:
        card["anchors"] = list(system.anchors)
    try:
        ModelCard.model_validate(card)
    except ValidationError as error:
        raise ExportError(f"the card of {system.name} would not be valid: {error}") from error
    return card


def _learned_from(stage: ExportedStage) -> str:
    """What the run itself says, since a system's text knows nothing of it."""
    facts = json.loads((stage.run / FACTS).read_text(encoding="utf-8"))
    return (
        f"The {stage.name}: recipe {stage.recipe.name}, {facts['patches']} patches of "
        f"{facts['cases']} cases."
    )


def _narrowing(part: LocalizerPart, stage: ExportedStage) -> dict[str, Any]:
    """How the localizer's answer narrows the scan, as the card says it."""
    fields = {"channels", "narrowing", "margin_mm", "dilation_mm", "minimum_component_cm3"}
    narrowing = part.model_dump(mode="json", include=fields, exclude_none=True)
    candidate = stage.recipe.candidate
    if candidate is not None and candidate.region == "body":
        narrowing["body_reach_mm"] = candidate.dilation_mm
    return {"channels": stage.recipe.classes, **narrowing}
