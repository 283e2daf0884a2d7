"""One series from its files to the files that were asked for, on a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import typer

from cli.console import PARTIAL, err, warn, write_file
from cli.contour import Opening
from cli.profiles import record_flames, write_stages
from cli.progress_bars import Bars
from contouring.dicom_series import read_series
from contouring.errors import ReleaseCheckError
from contouring.pipeline import Contouring, contour_series
from contouring.provenance import Stamp
from models.templates import find_templates
from workers.job_templates import pick_templates
from workers.result_files import (
    build_report,
    build_withheld_report,
    encode_report,
    find_failed,
    name_rtstruct,
    name_segmentation,
)
from workers.settings import Settings


@dataclass(frozen=True)
class Wanted:
    """What is written: the structure set, or the folder of several; the others where wanted."""

    output: Path
    report: Path | None
    preview: Path | None
    profile: Path | None


def contour_one(
    ct_folder: Path, names: Sequence[str], wanted: Wanted, settings: Settings, opening: Opening
) -> None:
    """Contour a series for the templates of these names with the model that is being opened.

    Leaves with `PARTIAL` where a structure failed that a template asks for.
    """
    templates = pick_templates(find_templates(settings.template_folders), names)
    stamp = Stamp(made_at=datetime.now(UTC), software_version=version("oarlock"))
    profile, report = wanted.profile, wanted.report
    with record_flames(profile) if profile is not None else nullcontext(), Bars() as bars:
        started = time.perf_counter()
        series = read_series(ct_folder)
        found_seconds = time.perf_counter() - started
        cascade, open_seconds = opening.result()
        try:
            contouring = contour_series(series, cascade, stamp, templates, bars.show)
        except ReleaseCheckError as error:
            if report is not None and error.withheld is not None:
                withheld = build_withheld_report(series, cascade, stamp, error.withheld)
                write_file(report, encode_report(withheld))
            raise
    if report is not None:
        write_file(report, encode_report(build_report(series, cascade, stamp, contouring)))
    if profile is not None:
        before = {"find": found_seconds, "open model": open_seconds}
        write_stages(profile, before | contouring.stage_seconds)
    if wanted.preview is not None:
        write_file(wanted.preview, contouring.preview_png)
    for path, content in _build_outputs(contouring, wanted.output).items():
        write_file(path, content)
    for warning in contouring.warnings:
        warn(str(warning))
    if (failed := find_failed(contouring)) and settings.holds_partial:
        err.print(
            f"Not all structures could be contoured: {'; '.join(failed)}. The file holds the "
            "others: look at what is missing before it is used.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(PARTIAL)


def _build_outputs(contouring: Contouring, output: Path) -> dict[Path, bytes]:
    """Structure sets and segmentations by the paths to write them to."""
    is_one = len(contouring.outputs) == 1
    files = {}
    for one in contouring.outputs:
        files[output if is_one else output / name_rtstruct(one.template)] = one.rtstruct
        if one.segmentation is not None:
            folder = output.parent if is_one else output
            files[folder / name_segmentation(one.template)] = one.segmentation
    return files
