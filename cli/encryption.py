"""`oarlock encryption`: the master keys of the files at rest, and what they open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from cli.access import open_database
from cli.console import FAILURE, AsJson, out, refuse, warn
from workers.audit.audit_store import AuditStore
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.encryption.inventory import count_files
from workers.encryption.key_ring import add_key, forget_older_keys, read_key_ring
from workers.encryption.study_keys import StudyKeys, count_by_master
from workers.settings import Settings

encryption = typer.Typer(
    help="Make and change the master key of the files at rest; see what is encrypted.",
    no_args_is_help=True,
)


@encryption.command("new-key")
def new_key(
    file: Annotated[
        Path | None,
        typer.Argument(help="By default OARLOCK_ENCRYPTION_KEY_FILE; made where there is none."),
    ] = None,
) -> None:
    """Put a new master key last in the file of keys: from now on it is the one in use."""
    settings = Settings()
    path = file or _find_file(settings)
    if path.resolve().is_relative_to(settings.data.resolve()):
        refuse(f"{path} is in the data folder: keys are kept elsewhere than what they open.")
    is_first = not path.exists()
    key_id = add_key(path)
    out.print(f"{path}: master key {key_id}", highlight=False, soft_wrap=True)
    warn("keep a copy of the file elsewhere: without it nobody can read the patients' files.")
    if not is_first:
        warn("`oarlock encryption rotate` wraps the keys of what is kept by it, too.")


@encryption.command("rotate")
def rotate(
    forget_old: Annotated[
        bool,
        typer.Option(
            "--forget-old",
            help="Remove older master keys from the file; backups of the database made until now "
            "then open nothing any more.",
        ),
    ] = False,
) -> None:
    """Wrap the keys of all studies by the newest master key; no file is written anew."""
    settings = Settings()
    path = _find_file(settings)
    with open_database() as engine:
        count = _build_keys(settings, engine).rotate()
        AuditStore(engine).note(AuditEntry(AuditEvent.MASTER_KEY_ROTATED))
        out.print(f"{count} keys of studies are wrapped anew.", highlight=False)
        if forget_old:
            _forget_old(path, engine)


@encryption.command("status")
def status(as_json: AsJson = False) -> None:
    """Count what is encrypted and what is not, and name the master keys that are needed."""
    settings = Settings()
    path = settings.encryption_key_file
    ring = [] if path is None else [*read_key_ring(path, settings.data).keys]
    with open_database() as engine, engine.connect() as connection:
        wrapping = count_by_master(connection)
    files = count_files(settings.data)
    missing = sorted(wrapping.keys() - set(ring))
    if as_json:
        told = {
            "is_on": path is not None,
            "encrypted_files": files.encrypted,
            "plain_files": files.plain,
            "studies_by_master_key": dict(wrapping),
            "master_keys": ring,
            "missing_master_keys": missing,
        }
        out.print_json(data=told)
    else:
        out.print(f"Encryption is {'on' if path is not None else 'off'}.", highlight=False)
        out.print(f"{files.encrypted} files are encrypted, {files.plain} plain.", highlight=False)
        for one in ring:
            used = " (in use)" if one == ring[-1] else ""
            line = f"Master key {one}{used}: {wrapping.get(one, 0)} studies."
            out.print(line, highlight=False)
    for one in missing:
        warn(f"the master key {one} is missing: {wrapping[one]} studies cannot be read.")
    if missing:
        raise typer.Exit(FAILURE)


def _forget_old(path: Path, engine: Engine) -> None:
    """Look again first: without its master key a study could never be read again."""
    current = read_key_ring(path).current
    with engine.connect() as connection:
        wrapping = count_by_master(connection)
    older = sorted(wrapping.keys() - {current})
    if older:
        count = sum(wrapping[one] for one in older)
        warn(
            f"{count} studies came meanwhile under the master key {', '.join(older)}: no key was "
            f"removed. Give {path} as it is now to every machine of this server, and run "
            "`oarlock encryption rotate --forget-old` again."
        )
        raise typer.Exit(FAILURE)
    for gone in forget_older_keys(path, current):
        out.print(f"{path}: the master key {gone} is gone.", highlight=False)


def _build_keys(settings: Settings, engine: Engine) -> StudyKeys:
    file = settings.encryption_key_file
    return StudyKeys(engine, file, settings.data, settings.orphan_seconds)


def _find_file(settings: Settings) -> Path:
    if settings.encryption_key_file is None:
        refuse("Name the file of keys: set OARLOCK_ENCRYPTION_KEY_FILE.")
    return settings.encryption_key_file
