"""`oarlock submit`: a series to a server and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.console import (
    FAILURE,
    PARTIAL,
    UNUSABLE_INPUT,
    Folder,
    Model,
    Templates,
    err,
    out,
    warn,
)
from cli.progress_bars import Bars
from service.client import Client
from service.submission import Order, save_results, submit_folder
from workers.jobs import JobState
from workers.settings import Settings


def submit(
    folder: Folder,
    output: Annotated[Path, typer.Option(help="Folder for the results.")],
    url: Annotated[str | None, typer.Option(help="The server; by default, this machine's.")] = None,
    model: Model = None,
    template: Templates = None,
    urgent: Annotated[bool, typer.Option("--urgent", help="Go before normal jobs.")] = False,
    key_file: Annotated[
        Path | None, typer.Option(help="File of the key to show; without it, OARLOCK_KEY.")
    ] = None,
) -> None:
    """Send a folder to a server, wait, and save RTSTRUCTs, preview, report and a table.

    Leaves with 0 when every job is done, 2 when a series was refused, 3 when structures failed and
    a person must release the others, 1 on any other end.
    """
    settings = Settings()
    order = Order(model, template or (), urgent)
    with Client(url or settings.own_url, _read_key(key_file, settings)) as client:
        with Bars() as bars:
            submission = submit_folder(client, folder, order, bars.show_job)
        save_results(client, submission.jobs, output)
    for line in submission.left_out:
        warn(line)
    for job in submission.jobs:
        _show_job(job)
    states = {job["state"] for job in submission.jobs}
    if states - {JobState.DONE, JobState.REFUSED, JobState.PARTIAL}:
        raise typer.Exit(FAILURE)
    if JobState.REFUSED in states:
        raise typer.Exit(UNUSABLE_INPUT)
    if JobState.PARTIAL in states:
        raise typer.Exit(PARTIAL)


def _read_key(file: Path | None, settings: Settings) -> str | None:
    if file is not None:
        return file.read_text().strip()
    return settings.key.get_secret_value() if settings.key else None


def _show_job(job: dict[str, Any]) -> None:
    for warning in job["warnings"]:
        warn(warning)
    if job["state"] != JobState.DONE:
        reason = job["failure"]["reason"] if job["failure"] else "no reason given"
        line = f"Job {job['id']} is {job['state']}: {reason}"
        err.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    for one in job["outputs"]:
        rows = [row for row in job["structures"] if row["template"] == one["template"]]
        out.print(_build_table(one["template"], rows))


def _build_table(template: str, rows: list[dict[str, Any]]) -> Table:
    table = Table("structure", "volume (cm³)", "slices", "flags", title=template)
    for row in rows:
        is_drawn = row["status"] == "contoured"
        volume = f"{row['volume_cm3']:.2f}" if is_drawn else row["status"].replace("-", " ")
        flags = ", ".join(flag["name"] for flag in row["flags"])
        table.add_row(row["name"], volume, str(row["slices"]), flags)
    return table
