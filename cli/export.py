"""`oarlock export`: a system's trained runs as a bundle that is served."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from cli.console import err, out, refuse
from contouring.errors import RuntimeUnavailableError
from models.export.precisions import Precision
from models.runtime_names import RuntimeName

if TYPE_CHECKING:
    from models.export.bundle_export import ExportedBundle
    from models.export.exported_stage import StageName
    from models.export.system_file import SystemFile

NEEDED = ("torch", "monai", "nibabel", "onnx", "onnxscript", "onnxslim")


def export(  # noqa: PLR0913 - an argument for each option of the command
    system: Annotated[str, typer.Option(help="A shipped system, or a system's file (YAML).")],
    output: Annotated[Path, typer.Option(help="The bundle's folder; must not hold one.")],
    segmenter: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="The run of the segmenter.")
    ],
    localizer: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="The run of the localizer, if any."),
    ] = None,
    version: Annotated[str | None, typer.Option(help="Of the bundle: 2.0.0.")] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A text on how good it is, for the card."),
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="float16 and int8 are accepted by their Dice on --data.")
    ] = Precision.STORED,
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="Largest difference of a logit from PyTorch.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Real scans, in nnU-Net's raw layout."),
    ] = None,
    split: Annotated[str, typer.Option(help="train, val or all, of --data.")] = "val",
    cases: Annotated[int | None, typer.Option(min=1, help="Judge the first so many only.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many cases are judged at a time.")] = 1,
    engines: Annotated[
        Path | None,
        typer.Option(help="Also build TensorRT engines into this folder; needs an NVIDIA GPU."),
    ] = None,
) -> None:
    """Export the runs of a system's networks to ONNX, compare them with PyTorch, write a bundle.

    The comparison is made on noise and, with --data, on real scans, in batches of 1 to 3, on every
    runtime that is installed.
    """
    if output.is_dir() and any(output.iterdir()):
        refuse(f"{output} is not empty: name a folder of the bundle's own.")
    if engines is not None:
        _check_tensorrt()
    if any(find_spec(package) is None for package in NEEDED):
        refuse("Exporting needs PyTorch and ONNX: pip install oarlock[training]")
    # PyTorch takes seconds to load, and no other command needs it.
    from models.export.bundle_export import ExportPlan, export_bundle
    from models.export.exported_stage import RealInputs
    from models.export.onnx_export import ExportError
    from models.export.precision_gate import dice_judge
    from models.export.system_file import read_system
    from models.training.dataset import DatasetError
    from models.training.recipe_file import RecipeError

    runs: dict[StageName, Path] = {"segmenter": segmenter}
    if localizer is not None:
        runs = {"localizer": localizer, **runs}
    try:
        plan = ExportPlan(
            precision,
            tolerance,
            None if data is None else RealInputs(data, split),
            None if data is None else dice_judge(data, split, cases, jobs),
        )
        told = _stated(read_system(system), version, evaluation)
        made = export_bundle(told, runs, output, plan, _tell)
    except (ExportError, DatasetError, RecipeError) as error:
        refuse(f"Not exported: {error}.")
    _report(made)
    if engines is not None:
        _build_engines(made.folder, engines)


def _stated(system: SystemFile, version: str | None, evaluation: Path | None) -> SystemFile:
    """The system with what only whoever exports it can say."""
    stated = system.model_dump()
    if version is not None:
        stated["version"] = version
    if evaluation is not None:
        stated["evaluation"] = evaluation.read_text(encoding="utf-8").strip()
    try:
        return type(system).model_validate(stated)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        refuse(f"Not exported: {'.'.join(map(str, fault['loc']))}: {fault['msg']}.")


def _tell(text: str) -> None:
    err.print(f"{text[0].upper()}{text[1:]} ...", highlight=False, soft_wrap=True)


def _report(made: ExportedBundle) -> None:
    for stage in made.parities:
        for one in stage.found:
            out.print(
                f"{stage.stage}, {stage.precision}, {one.runtime}: largest difference of a logit "
                f"{one.largest_difference:.2g}, another label in {one.argmax_mismatch:.2%} of the "
                f"voxels of {one.images} images",
                highlight=False,
                soft_wrap=True,
            )
    if made.verdict is not None:
        out.print(f"Accepted: {made.verdict}.", highlight=False, soft_wrap=True)
    out.print(f"Written to {made.folder}.", highlight=False, soft_wrap=True)


def _check_tensorrt() -> None:
    """Before minutes are spent on what cannot be finished."""
    from models.runtimes.engine_builds import find_here

    try:
        find_here(RuntimeName.TENSORRT)
    except RuntimeUnavailableError as error:
        refuse(str(error))


def _build_engines(bundle: Path, folder: Path) -> None:
    from models.bundles import read_bundle
    from models.runtimes.engine_builds import build_ordered, find_here, order_engines
    from models.runtimes.engine_folder import EngineFolder

    runtime = RuntimeName.TENSORRT
    for order in order_engines(read_bundle(bundle), runtime, find_here(runtime)):
        for path in build_ordered(order, EngineFolder(folder), datetime.now(UTC)):
            artifact = order.stage.artifact
            out.print(f"{os.path.relpath(path)}: engine of {artifact}", highlight=False)
