"""`oarlock overlaps`: how much the windows of a model's segmenter must overlap."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.console import Folder, out, warn, write_file
from cli.judging import Cases, Jobs, JudgedBundle, Split, need_training_extra, pick_judged
from cli.progress_bars import show_bar
from contouring.errors import UnusableInputError
from workers.settings import Settings

TRIED = (0.5, 0.375, 0.25, 0.125, 0.0)


def overlaps(
    bundle: JudgedBundle,
    data: Folder,
    output: Annotated[Path, typer.Option(help="Folder for table, picture and piece of the card.")],
    overlap: Annotated[
        list[float] | None,
        typer.Option(min=0, max=0.89, help="Share of a window's side; may be repeated."),
    ] = None,
    split: Split = "val",
    cases: Cases = None,
    jobs: Jobs = 1,
) -> None:
    """Judge a bundle on every case of DATA once for each overlap of its segmenter's windows.

    Says which is the cheapest that is as good as the densest: overlap and overlap_curve for the
    card. DATA is as for `oarlock evaluate`.
    """
    need_training_extra()
    settings = Settings()
    judged = pick_judged(bundle, settings)
    # They take seconds to load, and few other commands need them.
    from models.evaluation.data_folder import find_scans
    from models.evaluation.evaluations import Work
    from models.evaluation.overlap_files import build_curve_table, encode_curve
    from models.evaluation.overlaps import choose_overlap, compare_overlaps, evaluate_overlaps

    found = find_scans(data, split)
    scans, tried = found.scans[:cases], tuple(dict.fromkeys(overlap or TRIED))
    threads = settings.threads or max(1, (os.cpu_count() or 1) // jobs)
    work = Work(jobs, threads, settings.runtime, settings.engine_folder)
    with show_bar("cases") as done:
        evaluations = evaluate_overlaps(
            judged,
            tried,
            scans,
            found.data,
            work,
            lambda number: done(number / (len(scans) * len(tried))),
        )
    densest = evaluations[max(evaluations)]
    for one in (*found.left_out, *densest.left_out):
        warn(f"{one.name} is left out: {one.reason}")
    if not densest.cases:
        raise UnusableInputError(f"No case of {data} could be judged.")
    points = compare_overlaps(evaluations)
    present = judged.card.segmenter.overlap
    chosen = choose_overlap(points, present)
    for name, content in encode_curve(points, chosen).items():
        write_file(output / name, content)
    out.print(build_curve_table(points))
    out.print(
        f"{chosen.overlap:g} is the cheapest that is as good as {points[0].overlap:g}; the card "
        f"says {present:g}. Written to {output}.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
