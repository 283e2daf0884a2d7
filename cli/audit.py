"""`oarlock audit`: who did what to whose data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from cli.console import FAILURE, AsJson, err, out, refuse
from cli.progress_bars import show_bar
from workers.audit.actors import acting_at_prompt
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.audit.entries import AuditEntry, AuditRecord
from workers.audit.events import AuditEvent
from workers.audit.message_xml import AuditSource, build_message
from workers.audit.record_json import build_line
from workers.database import open_engine
from workers.settings import Settings

SQLITE = "sqlite:///"

audit = typer.Typer(
    help="Search, verify and export the records of who did what.", no_args_is_help=True
)


class Form(StrEnum):
    """How records are exported."""

    MESSAGES = "messages"
    JSON = "json"


Since = Annotated[datetime | None, typer.Option(help="From this time on, of this machine's zone.")]
Until = Annotated[datetime | None, typer.Option(help="Before this time.")]
Person = Annotated[str | None, typer.Option(help="Name of a user, key or sender.")]
Event = Annotated[AuditEvent | None, typer.Option(help="An event of docs/audit.md.")]
JobId = Annotated[str | None, typer.Option("--job", help="Id of a job.")]
Patient = Annotated[
    str | None, typer.Option(help="A Patient ID; also what names only a study of the patient's.")
]


@audit.command("search")
def search(
    since: Since = None,
    until: Until = None,
    person: Person = None,
    event: Event = None,
    job: JobId = None,
    patient: Patient = None,
    as_json: AsJson = False,
) -> None:
    """Show the records that match, the oldest first. The search is a record, too."""
    wanted = _build_filter(since, until, person, event, job, patient)
    with _opened("search") as store:
        if as_json:
            for record in store.search(wanted):
                typer.echo(build_line(record))
            return
        table = Table("number", "time", "event", "outcome", "who", "job", "study", "details")
        for record in store.search(wanted):
            table.add_row(*(Text(cell) for cell in _tell(record)))
        out.print(table)


@audit.command("verify")
def verify(
    head: Annotated[
        str | None,
        typer.Option(help="NUMBER:HASH that was printed before: that record must still stand."),
    ] = None,
) -> None:
    """Walk over the whole chain of records, and print its head to be kept elsewhere.

    Leaves with 1 where anyone but Oarlock changed, removed or added a record, and says which.
    """
    number, _, checksum = (head or "").partition(":")
    if head is not None and not (number.isdigit() and checksum):
        refuse("--head is NUMBER:HASH, as this command printed it.")
    with _opened("verify") as store:
        with show_bar("records") as progress:
            found = store.verify(progress)
        fault = found.fault
        if not fault and head is not None and not store.has(int(number), checksum):
            fault = f"record {number} is not the one whose hash was kept elsewhere"
    if fault:
        words = f"The chain is broken: {fault}. {found.count} record(s) before it are whole."
        err.print(words, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILURE)
    text = Text("✔ ", style="bold green").append(
        f"{found.count} records are whole; head {found.number}:{found.hash}",
        style="not bold default",
    )
    out.print(text, soft_wrap=True)


@audit.command("export")
def export(  # noqa: PLR0913 - the options of a command, each given by its name
    output: Annotated[Path, typer.Argument(help="File to write; what it held is replaced.")],
    since: Since = None,
    until: Until = None,
    person: Person = None,
    event: Event = None,
    job: JobId = None,
    patient: Patient = None,
    form: Annotated[
        Form, typer.Option("--format", help="Audit messages of DICOM PS3.15 in XML, or JSON.")
    ] = Form.JSON,
) -> None:
    """Write the records that match to a file, one a line. The export is a record, too."""
    settings = Settings()
    source = AuditSource(settings.audit_source, settings.audit_site)
    wanted = _build_filter(since, until, person, event, job, patient)
    part = output.with_name(f".{output.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)  # it names studies
    count = 0
    with _opened("export") as store, show_bar("records") as progress, part.open("wb") as file:
        total = max(1, store.count(wanted))
        for count, record in enumerate(store.search(wanted), start=1):
            is_json = form is Form.JSON
            file.write(build_line(record).encode() if is_json else build_message(record, source))
            file.write(b"\n")
            progress(min(1.0, count / total))
    part.replace(output)
    out.print(f"{output}: {count} records", highlight=False, soft_wrap=True)


@contextmanager
def _opened(what: str) -> Iterator[AuditStore]:
    """The records; whoever reads them leaves one."""
    settings = Settings()
    url = settings.sql_url
    if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
        refuse(f"There is no database at {url}: set OARLOCK_DATA or OARLOCK_DATABASE_URL.")
    engine = open_engine(url)
    try:
        store = AuditStore(engine)
        with acting_at_prompt():
            store.note(AuditEntry(AuditEvent.AUDIT_USED, details={"what": what}))
        yield store
    finally:
        engine.dispose()


def _build_filter(
    since: datetime | None,
    until: datetime | None,
    person: str | None,
    event: AuditEvent | None,
    job: str | None,
    patient: str | None,
) -> AuditFilter:
    return AuditFilter(
        since=since and since.astimezone(),
        until=until and until.astimezone(),
        person=person,
        event=event,
        job_id=job,
        patient_id=None if patient is None else _hide(patient),
    )


def _hide(patient: str) -> str:
    """As records have it where workers stand elsewhere."""
    from service.identities.border import hide_patient

    return hide_patient(patient, Settings())


def _tell(record: AuditRecord) -> Iterator[str]:
    yield str(record.number)
    yield record.at.astimezone().isoformat(sep=" ", timespec="seconds")
    yield record.event.value
    yield record.outcome.name.lower().replace("_", " ")
    yield " ".join(part for part in (record.actor.person, record.actor.address) if part) or (
        record.process
    )
    yield record.job_id
    yield record.study_uid
    yield ", ".join(f"{name} {value}" for name, value in sorted(record.details.items()))
