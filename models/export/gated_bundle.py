"""A bundle with a precision below float32 beside what it had, judged: `oarlock gate`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import onnx
import yaml

from models.bundles import CARD, Bundle, read_bundle
from models.card import GateCard
from models.export.mixed_precision import lower_to_half
from models.export.precision_gate import Judge, judge_variant
from models.export.rounded_graph import round_as_half
from models.export.stored_weights import restore_weights

Tell = Callable[[str], None]
Card = dict[str, Any]
Judged = Literal["float16", "bfloat16"]
HALF_SUFFIX = "-float16"


@dataclass(frozen=True)
class GatePlan:
    """`judge`: mean Dice of a bundle; `runtime`: what it contours on, in words; `cases`: of what.

    Both bundles are contoured on the same runtime, so that precision alone is between them.
    """

    precision: Judged
    judge: Judge
    cases: int
    runtime: str


def gate_bundle(
    bundle: Bundle, folder: Path, plan: GatePlan, tell: Tell = lambda _: None
) -> GateCard:
    """Write the bundle into `folder` with what the precision costs in its card, passed or not.

    With float16 its networks stand there in that precision, too. Raises `ExportError` where a
    network cannot be written so, or its Dice cannot be compared.
    """
    with TemporaryDirectory() as work:
        made, reference, variant = (Path(work) / one for one in ("made", "reference", "variant"))
        for copy in (made, reference, variant):
            shutil.copytree(bundle.folder, copy)
        card = yaml.safe_load((made / CARD).read_text(encoding="utf-8"))
        # A gate that was passed before would have the runtime leave float32 for the reference, too.
        _write_card(reference, {key: part for key, part in card.items() if key != "gates"})
        if plan.precision == "float16":
            tell("writing the networks in float16")
            _add_halves(made, card)
        _write_variant(made, variant, card, plan)
        tell(f"judging {plan.precision} by its Dice")
        verdict = judge_variant(reference, variant, plan.judge)
        gate = GateCard(
            precision=plan.precision,
            mean_dice_change=round(-verdict.fall, 5),
            largest_fall=round(verdict.largest_fall, 5),
            cases=plan.cases,
            runtime=plan.runtime,
        )
        _write_card(made, _with_gate(card, gate))
        read_bundle(made)
        shutil.copytree(made, folder, dirs_exist_ok=True)
    return gate


def _add_halves(folder: Path, card: Card) -> None:
    for name in ("localizer", "segmenter"):
        stage = card.get(name)
        if stage is None:
            continue
        artifact = folder / stage["artifact"]
        half = artifact.with_stem(artifact.stem + HALF_SUFFIX)
        graph = lower_to_half(restore_weights(onnx.load(artifact)))
        stage["half"] = _write_graph(graph, half)


def _write_graph(graph: onnx.ModelProto, path: Path) -> Card:
    """What a card says of it."""
    content = graph.SerializeToString(deterministic=True)
    path.write_bytes(content)
    return {"artifact": path.name, "sha256": hashlib.sha256(content).hexdigest()}


def _write_variant(made: Path, variant: Path, card: Card, plan: GatePlan) -> None:
    """The bundle as the precision would have it: networks that round as float16 does.

    A runtime takes bfloat16 for a card that allows it: this copy says so, and is judged for it.
    """
    changed = dict(card)
    if plan.precision == "bfloat16":
        trial = GateCard(
            precision="bfloat16", mean_dice_change=0, largest_fall=0, cases=1, runtime="a trial"
        )
        changed = _with_gate(card, trial)
    else:
        for name in ("localizer", "segmenter"):
            stage = changed.get(name)
            if stage is not None:
                half = stage["half"]["artifact"]
                graph = round_as_half(onnx.load(made / half))
                rounded = _write_graph(graph, variant / half)
                changed[name] = {k: v for k, v in stage.items() if k != "half"} | rounded
        changed["gates"] = []
    _write_card(variant, changed)


def _with_gate(card: Card, gate: GateCard) -> Card:
    """In place of an earlier one of the same precision."""
    others = [one for one in card.get("gates", ()) if one["precision"] != gate.precision]
    return card | {"gates": [*others, gate.model_dump(mode="json")]}


def _write_card(folder: Path, card: Card) -> None:
    text = yaml.safe_dump(card, sort_keys=False, width=96, default_flow_style=None)
    (folder / CARD).write_text(text, encoding="utf-8")
