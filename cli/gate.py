"""`oarlock gate`: whether a model may be run in a precision below float32, by what that costs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.console import FAILURE, Folder, err, out, refuse
from cli.judging import Cases, Jobs, JudgedBundle, Split, need_training_extra, pick_judged
from models.card import MEAN_DICE_FALL_LIMIT, STRUCTURE_DICE_FALL_LIMIT
from models.processor import read_processor
from models.runtime_names import RuntimeName
from workers.settings import Settings


class JudgedPrecision(StrEnum):
    """What is judged, and on which runtime: both bundles run on the same one."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"

    @property
    def runtime(self) -> RuntimeName:
        """OpenVINO alone has bfloat16; float16 is judged on networks that round as it does."""
        return RuntimeName.ONNX_CPU if self is JudgedPrecision.FLOAT16 else RuntimeName.OPENVINO


def gate(
    bundle: JudgedBundle,
    data: Folder,
    output: Annotated[Path, typer.Option(help="Folder of the judged bundle; must not hold one.")],
    precision: Annotated[JudgedPrecision, typer.Option(help="What is judged.")],
    split: Split = "val",
    cases: Cases = None,
    jobs: Jobs = 1,
) -> None:
    """Measure on DATA what a precision costs in Dice, and write it into the card of a copy.

    GPUs then take the float16 networks of that copy, or OpenVINO bfloat16 where the processor has
    it, if the gate is passed: otherwise they compute in float32. Leaves with 1 if it is not.
    """
    if output.is_dir() and any(output.iterdir()):
        refuse(f"{output} is not empty: name a folder of the bundle's own.")
    need_training_extra()
    if precision is JudgedPrecision.BFLOAT16 and not read_processor().has_bfloat16:
        refuse("This processor has no bfloat16: judge it on one that has.")
    settings = Settings()
    judged = pick_judged(bundle, settings)
    # They take seconds to load.
    from models.cascades import open_cascade
    from models.evaluation.data_folder import find_scans
    from models.export.gated_bundle import GatePlan, gate_bundle
    from models.export.onnx_export import ExportError
    from models.export.precision_gate import dice_judge

    runtime = precision.runtime
    found = find_scans(data, split)
    plan = GatePlan(
        precision.value,
        dice_judge(data, split, cases, jobs, runtime),
        len(found.scans[:cases]),
        open_cascade(judged, 1, runtime=runtime).runtime,
    )
    try:
        result = gate_bundle(judged, output, plan, _tell)
    except ExportError as error:
        refuse(f"Not judged: {error}.")
    verdict = "Passed" if result.is_passed else "Not passed"
    out.print(
        f"{verdict}: {precision} changes the mean Dice by {result.mean_dice_change:+.5f} on "
        f"{result.cases} cases, and that of the structure that loses most by "
        f"{-result.largest_fall:+.5f}; a fall of less than {MEAN_DICE_FALL_LIMIT} and of at most "
        f"{STRUCTURE_DICE_FALL_LIMIT} is allowed. Written to {output}.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if not result.is_passed:
        raise typer.Exit(FAILURE)


def _tell(text: str) -> None:
    err.print(f"{text[0].upper()}{text[1:]} ...", highlight=False, soft_wrap=True)
