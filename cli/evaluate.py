"""`oarlock evaluate`: how good a bundle is, on scans that people have drawn on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.console import Folder, out, warn, write_file
from cli.judging import Cases, Jobs, JudgedBundle, Split, need_training_extra, pick_judged
from cli.progress_bars import show_bar
from contouring.errors import UnusableInputError
from models.bundles import Bundle
from workers.settings import Settings


def evaluate(  # noqa: PLR0913 - an argument for each option of the command
    bundle: JudgedBundle,
    data: Folder,
    output: Annotated[Path, typer.Option(help="Folder for tables, plot and JSON.")],
    split: Split = "val",
    cases: Cases = None,
    jobs: Jobs = 1,
    surroundings_mm: Annotated[
        float | None, typer.Option(min=0, help="Fill blanked surroundings with tissue that far.")
    ] = None,
    columns: Annotated[
        int | None, typer.Option(min=1, help="Show images on so many columns of finer pixels.")
    ] = None,
    mean_of: Annotated[
        list[str] | None, typer.Option(help="A structure of the last row; may be repeated.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="THEIRS=MODELS, a structure; may be repeated.")
    ] = None,
) -> None:
    """Contour every case of DATA and hold the structure sets against what was drawn.

    DATA is a folder in nnU-Net's raw layout, or one of DICOM CT series each with its RTSTRUCT.
    Writes evaluation.json, cases.csv, summary.csv, scans.csv and boxes.png.
    """
    need_training_extra()
    settings = Settings()
    judged = pick_judged(bundle, settings)
    _check_structures(mean_of or (), judged)
    renamed = _read_names(rename or (), judged)
    # They take seconds to load, and few other commands need them.
    from models.evaluation.case_results import Names
    from models.evaluation.data_folder import find_scans
    from models.evaluation.evaluation_files import encode_files
    from models.evaluation.evaluations import Work, evaluate_bundle
    from models.evaluation.nnunet_scans import Showing
    from models.evaluation.tables import build_table, describe

    found = find_scans(data, split, Showing(columns, surroundings_mm))
    scans = found.scans[:cases]
    threads = settings.threads or max(1, (os.cpu_count() or 1) // jobs)
    with show_bar("cases") as done:
        evaluation = evaluate_bundle(
            judged,
            scans,
            found.data,
            Names(renamed),
            Work(jobs, threads, settings.runtime, settings.engine_folder),
            lambda number: done(number / len(scans)),
        )
    for one in (*found.left_out, *evaluation.left_out):
        warn(f"{one.name} is left out: {one.reason}")
    if not evaluation.cases:
        raise UnusableInputError(f"No case of {data} could be judged.")
    for name, content in encode_files(evaluation).items():
        write_file(output / name, content)
    out.print(build_table(evaluation, mean_of or ()))
    for line in (*describe(evaluation), f"Written to {output}."):
        out.print(line, highlight=False, markup=False, soft_wrap=True)


def _check_structures(names: Sequence[str], bundle: Bundle) -> None:
    known = [structure.name for structure in bundle.card.structures]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnusableInputError(
            f"{bundle.card.name} has no structure {', '.join(unknown)}; it has {', '.join(known)}."
        )


def _read_names(renamed: Sequence[str], bundle: Bundle) -> dict[str, str]:
    """{theirs: the model's} of THEIRS=MODELS."""
    parts = [text.rpartition("=") for text in renamed]
    if wrong := [text for text, part in zip(renamed, parts, strict=True) if not part[0]]:
        raise UnusableInputError(f"--rename {wrong[0]} is not of the form THEIRS=MODELS.")
    _check_structures([ours for _, _, ours in parts], bundle)
    return {theirs: ours for theirs, _, ours in parts}
