"""The `oarlock` command. Exit code 0: done; 2: unusable input; 1: failure."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from contouring.dicom_series import read_series
from contouring.errors import OarlockError, UnknownModelError, UnusableInputError
from contouring.phantom_series import write_phantom
from contouring.pipeline import STAGES, Contouring, contour_series
from contouring.rtstruct import Stamp
from models.bundles import RELEASED, Bundle, find_bundles, pick_bundle
from service.client import Client, RefusedRequestError
from service.submission import save_results, submit_folder
from workers.database import migrate, open_engine
from workers.jobs import JobState
from workers.lease_store import LeaseStore
from workers.redis_server import RedisServer, RedisServerError
from workers.settings import MissingSettingError, Settings
from workers.supervisor import Supervisor

FAILURE, UNUSABLE_INPUT = 1, 2
HTTP_STOP_SECONDS = 5  # for answers under way when the server stops

Position = Literal["HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"]
Folder = Annotated[Path, typer.Argument(exists=True, file_okay=False)]

app = typer.Typer(
    help="Auto-contouring for radiotherapy.", no_args_is_help=True, pretty_exceptions_enable=False
)
out = Console()
err = Console(stderr=True)


class StageBars:
    """One progress bar per stage, on a terminal only."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:>9}"), BarColumn(), TaskProgressColumn())
        self._progress = Progress(*columns, console=err, disable=not err.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> StageBars:
        self._progress.start()
        self._tasks = {stage: self._progress.add_task(stage, total=1.0) for stage in STAGES}
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, stage: str, fraction: float) -> None:
        """Fill the stage's bar so far, and those of the stages before it."""
        for earlier in STAGES[: STAGES.index(stage)]:
            self._progress.update(self._tasks[earlier], completed=1.0)
        self._progress.update(self._tasks[stage], completed=fraction)

    def show_job(self, job: dict[str, Any]) -> None:
        """The same for a job as the server shows it."""
        if job["state"] == JobState.DONE:
            self.show(STAGES[-1], 1.0)
        elif job["stage"]:
            self.show(job["stage"], job["progress"])


@app.command()
def serve() -> None:
    """Run the whole server on this machine until Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, _exit_on_signal)
    settings = Settings()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if settings.redis_url is not None:
        _serve(settings, None)
        return
    redis_server = RedisServer(settings.data / "redis")
    redis_server.start()
    os.environ["OARLOCK_REDIS_URL"] = redis_server.url  # for the worker, too
    try:
        _serve(Settings(), redis_server)
    finally:
        redis_server.stop()


def _serve(settings: Settings, redis_server: RedisServer | None) -> None:
    # A server needs the web; the other commands start faster without it.
    import uvicorn

    from service.app import create_app

    find_bundles((RELEASED, *settings.model_folders))
    engine = open_engine(settings.sql_url)
    migrate(engine)
    leases = LeaseStore(engine, settings.lease_seconds, settings.lost_attempts_limit)
    supervisor = Supervisor(redis_server, leases, settings.stop_seconds)
    supervisor.start()
    out.print(f"Oarlock is at http://{settings.host}:{settings.port}/", highlight=False)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=HTTP_STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    try:
        server.run()
    except KeyboardInterrupt:
        err.print("Stopping.")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        supervisor.stop()
    if not server.started:
        raise typer.Exit(FAILURE)


@app.command()
def worker() -> None:
    """Run one worker for the server at OARLOCK_REDIS_URL and OARLOCK_DATABASE_URL."""
    # Opens the queue as it is imported.
    from workers.worker import run_worker

    run_worker(Settings())


@app.command()
def contour(
    ct_folder: Folder,
    output: Annotated[Path, typer.Option(help="The RTSTRUCT to write.")],
    model: Annotated[str | None, typer.Option(help="A name of `oarlock models`.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write structures and times.")] = None,
    preview: Annotated[Path | None, typer.Option(help="Write a picture (PNG).")] = None,
) -> None:
    """Contour one CT series in this process, without a server."""
    # Loads the runtime, which no other command needs.
    from models.cascades import open_cascade

    settings = Settings()
    bundles = find_bundles((RELEASED, *settings.model_folders))
    bundle = pick_bundle(bundles, model or settings.default_model)
    series = read_series(ct_folder)
    stamp = Stamp(made_at=datetime.now(UTC), software_version=version("oarlock"))
    with StageBars() as bars:
        cascade = open_cascade(bundle, settings.threads)
        contouring = contour_series(series, cascade, stamp, bars.show)
    if report is not None:
        _write(report, _build_report(bundle, series.series_instance_uid, contouring))
    if preview is not None:
        _write(preview, contouring.preview_png)
    _write(output, contouring.rtstruct)
    for warning in contouring.warnings:
        err.print(f"Warning: {warning}", markup=False)


@app.command()
def models() -> None:
    """List the models."""
    settings = Settings()
    table = Table("model", "version", "checksum", "structures")
    for name, bundle in sorted(find_bundles((RELEASED, *settings.model_folders)).items()):
        shown = f"{name} (default)" if name == settings.default_model else name
        structures = ", ".join(structure.name for structure in bundle.card.structures)
        table.add_row(shown, bundle.card.version, bundle.checksum[:12], structures)
    out.print(table)


@app.command()
def phantom(
    out_folder: Path,
    position: Annotated[Position, typer.Option(help="Patient position.")] = "HFS",
) -> None:
    """Write a CT series of the phantom whose contours are known."""
    files = write_phantom(out_folder, position)
    out.print(f"{len(files)} slices are in {out_folder}.", highlight=False)


@app.command()
def submit(
    folder: Folder,
    output: Annotated[Path, typer.Option(help="Folder for the results.")],
    url: Annotated[str | None, typer.Option(help="The server; by default, this machine's.")] = None,
    model: Annotated[str | None, typer.Option(help="A name of `oarlock models`.")] = None,
    urgent: Annotated[bool, typer.Option("--urgent", help="Go before normal jobs.")] = False,
) -> None:
    """Send a folder to a server, wait, and save RTSTRUCT, preview and table of structures."""
    settings = Settings()
    with Client(url or f"http://{settings.host}:{settings.port}") as client:
        with StageBars() as bars:
            submission = submit_folder(client, folder, model, urgent, bars.show_job)
        save_results(client, submission.jobs, output)
    for line in submission.left_out:
        err.print(f"Warning: {line}", markup=False, soft_wrap=True)
    for job in submission.jobs:
        _show_job(job)
    if any(job["state"] != JobState.DONE for job in submission.jobs):
        raise typer.Exit(FAILURE)


def _show_job(job: dict[str, Any]) -> None:
    for warning in job["warnings"]:
        err.print(f"Warning: {warning}", markup=False)
    if job["state"] != JobState.DONE:
        reason = job["failure"]["reason"] if job["failure"] else "no reason given"
        err.print(f"Job {job['id']} is {job['state']}: {reason}", markup=False)
        return
    table = Table("structure", "volume (cm³)", "slices")
    for row in job["structures"]:
        volume = f"{row['volume_cm3']:.2f}" if row["found"] else "not found"
        table.add_row(row["name"], volume, str(row["slices"]))
    out.print(table)


def _build_report(bundle: Bundle, series_instance_uid: str, contouring: Contouring) -> bytes:
    report = {
        "series_instance_uid": series_instance_uid,
        "model": {
            "name": bundle.card.name,
            "version": bundle.card.version,
            "checksum": bundle.checksum,
        },
        "structures": [asdict(structure) for structure in contouring.structures],
        "warnings": list(contouring.warnings),
        "stage_seconds": contouring.stage_seconds,
    }
    return json.dumps(report, indent=2).encode()


def _write(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _exit_on_signal(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def main() -> None:
    """Run the command; every error Oarlock raises on purpose becomes one line and a code."""
    try:
        app()
    except (UnusableInputError, UnknownModelError) as error:
        _leave(UNUSABLE_INPUT, str(error))
    except RefusedRequestError as error:
        _leave(UNUSABLE_INPUT if error.is_senders_fault else FAILURE, str(error))
    except (OarlockError, RedisServerError, MissingSettingError, ValidationError) as error:
        _leave(FAILURE, str(error))
    except SQLAlchemyError as error:
        _leave(FAILURE, f"The database cannot be used: check OARLOCK_DATABASE_URL. {error}")
    except OSError as error:
        _leave(FAILURE, f"A file or folder cannot be used: {error}.")
    except httpx.HTTPError as error:
        _leave(FAILURE, f"The server cannot be reached ({error}): is `oarlock serve` running?")


def _leave(code: int, reason: str) -> None:
    err.print(reason, markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
