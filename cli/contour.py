"""`oarlock contour`: one series, in this process."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from cli.console import PARTIAL, Folder, Model, Templates, err, refuse, warn, write_file
from cli.progress_bars import Bars
from contouring.dicom_series import read_series
from contouring.errors import ReleaseCheckError
from contouring.pipeline import Contouring, contour_series
from contouring.provenance import Stamp
from models.bundles import RELEASED, find_bundles, pick_bundle
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

EXAMPLE = "rtstruct.dcm"


def contour(
    ct_folder: Folder,
    output: Annotated[
        Path, typer.Option(help="The RTSTRUCT to write; with several templates, their folder.")
    ],
    model: Model = None,
    template: Templates = None,
    report: Annotated[
        Path | None, typer.Option(help="Write structures, flags, checks and times (JSON).")
    ] = None,
    preview: Annotated[Path | None, typer.Option(help="Write a picture (PNG).")] = None,
) -> None:
    """Contour one CT series in this process, without a server.

    Leaves with 3 when structures failed that a template asks for: the others are written.
    """
    # Loads the runtime, which no other command needs.
    from models.cascades import open_cascade

    settings = Settings()
    bundles = find_bundles((RELEASED, *settings.model_folders))
    bundle = pick_bundle(bundles, model or settings.default_model)
    templates = pick_templates(
        find_templates(settings.template_folders), template or settings.default_template_names
    )
    _check_places(output, (report, preview), len(templates))
    series = read_series(ct_folder)
    stamp = Stamp(made_at=datetime.now(UTC), software_version=version("oarlock"))
    with Bars() as bars:
        cascade = open_cascade(bundle, settings.threads)
        try:
            contouring = contour_series(series, cascade, stamp, templates, bars.show)
        except ReleaseCheckError as error:
            if report is not None and error.withheld is not None:
                withheld = build_withheld_report(series, cascade, stamp, error.withheld)
                write_file(report, encode_report(withheld))
            raise
    if report is not None:
        write_file(report, encode_report(build_report(series, cascade, stamp, contouring)))
    if preview is not None:
        write_file(preview, contouring.preview_png)
    for path, content in _build_outputs(contouring, output).items():
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


def _check_places(output: Path, files: Iterable[Path | None], template_count: int) -> None:
    """Before minutes of work, not after."""
    if template_count == 1 and output.is_dir():
        refuse(f"{output} is a folder: give --output the file to write, such as {output / EXAMPLE}")
    if template_count > 1 and output.exists() and not output.is_dir():
        refuse(f"{output} is a file: with several templates --output is the folder of their files.")
    for file in files:
        if file is not None and file.is_dir():
            refuse(f"{file} is a folder: give the file to write.")


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
