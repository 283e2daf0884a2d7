"""`oarlock commission`: the evidence that a physicist signs."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from cli.console import FAILURE, Position, Templates, out, refuse
from cli.progress_bars import Bars
from contouring.phantom_scan import Scan
from contouring.provenance import Stamp
from models.bundles import RELEASED, find_bundles, pick_bundle
from models.templates import find_templates
from workers.job_templates import pick_templates
from workers.settings import COMMISSIONING, Settings


def commission(
    out_folder: Path,
    template: Templates = None,
    position: Annotated[
        list[Position] | None,
        typer.Option(help="Patient position; may be repeated. By default, all eight."),
    ] = None,
) -> None:
    """Contour the phantom in all eight positions for every shipped template, and report how well.

    Writes OUT_FOLDER/report.html, to print and sign, and the series and structure sets to import
    into a planning system. Leaves with 0 when every limit holds and with 1 when one is broken.
    """
    # Load the runtime and what draws the report, which no other command needs.
    from contouring.commission.runs import Course
    from contouring.commission.runs import commission as run_commissioning
    from models.cascades import open_cascade

    if out_folder.is_dir() and any(out_folder.iterdir()):
        refuse(f"{out_folder} is not empty: give a new folder to the report.")
    settings = Settings()
    bundle = pick_bundle(find_bundles((RELEASED,)), COMMISSIONING)
    known = find_templates(settings.template_folders)
    # A site's own template may ask for organs, of which the phantom has none.
    shipped = tuple(sorted(find_templates()))
    templates = pick_templates(known, template or shipped)
    stamp = Stamp(made_at=datetime.now(UTC), software_version=version("oarlock"))
    positions = tuple(dict.fromkeys(one.value for one in position or Position))
    course = Course(scans=tuple(Scan(position=one) for one in positions), all_templates=shipped)
    with Bars(positions) as bars:
        cascade = open_cascade(
            bundle,
            settings.threads,
            runtime=settings.runtime,
            engines=settings.engine_folder,
        )
        report = run_commissioning(out_folder, cascade, templates, stamp, bars.show, course)
    verdict = "Every limit holds" if report.passed else "Not every limit holds"
    out.print(f"{verdict}: see {report.path}.", highlight=False, soft_wrap=True)
    if not report.passed:
        raise typer.Exit(FAILURE)
