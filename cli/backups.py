"""`oarlock backup` and `oarlock restore`: a whole server in a folder, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import inspect

from cli.console import PARTIAL, Folder, out, warn
from cli.progress_bars import Bars, show_bar
from workers.audit.actors import acting_at_prompt
from workers.audit.audit_store import AuditStore
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.backups.backup import make_backup
from workers.backups.restore import restore_backup, verify_backup
from workers.database import open_engine
from workers.encryption.key_ring import read_key_ring
from workers.private_files import keep_files_private
from workers.settings import Settings
from workers.tables import audit_head


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder, or an empty one.", file_okay=False)],
) -> None:
    """Copy database, series, results and settings files, also while the server runs.

    Leaves with 3, and names them, when rows name files that are lost or damaged in the data folder:
    the backup then holds everything else.
    """
    keep_files_private()
    with show_bar("backup") as show:
        settings = Settings()
        made = make_backup(settings, folder, version("oarlock"), datetime.now(UTC), show)
    _note(settings, AuditEvent.BACKUP_MADE)
    size = f"{made.byte_count / 2**20:.0f} MiB"
    out.print(f"{folder}: {len(made.sums)} files, {size}", highlight=False, soft_wrap=True)
    if made.master_keys:
        warn(
            f"its files are encrypted under {', '.join(made.master_keys)}: the file of these "
            "master keys is not in the backup, and is kept elsewhere."
        )
    for name in made.missing:
        warn(f"{name} is lost: the database names it, and the data folder does not have it.")
    for name in made.damaged:
        warn(f"{name} is damaged in the data folder, and in the backup as it is there.")
    if made.missing or made.damaged:
        raise typer.Exit(PARTIAL)


def restore(
    folder: Folder,
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of what is there, which is set aside.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the checksums, and put nothing back.")
    ] = False,
) -> None:
    """Put a backup back into OARLOCK_DATA and its database; the server must not run."""
    keep_files_private()
    with Bars(("verify",) if check else ("verify", "restore")) as bars:
        if check:
            about, sums = verify_backup(folder, bars.show)
            settings = Settings()
            told = f"{len(sums)} files, made {about.made_at:%Y-%m-%d %H:%M} UTC, are whole"
        else:
            settings, now = Settings(), datetime.now(UTC)
            restored = restore_backup(settings, folder, now, replace=replace, show=bars.show)
            _note(settings, AuditEvent.BACKUP_RESTORED)
            about = restored.about
            told = f"{restored.file_count} files and the database are back"
            if restored.set_aside is not None:
                told += f"; what was there is in {restored.set_aside}"
    out.print(f"{folder}: {told}", highlight=False, soft_wrap=True)
    missing = sorted(set(about.master_keys) - _list_master_keys(settings))
    if missing:
        warn(
            f"its files are encrypted under {', '.join(missing)}, which is not in "
            "OARLOCK_ENCRYPTION_KEY_FILE: without it nobody reads them, and no server starts."
        )


def _list_master_keys(settings: Settings) -> set[str]:
    if settings.encryption_key_file is None:
        return set()
    return set(read_key_ring(settings.encryption_key_file, settings.data).keys)


def _note(settings: Settings, event: AuditEvent) -> None:
    """Record it, unless the database is of a version that kept no records."""
    engine = open_engine(settings.sql_url, is_pooled=False)
    if inspect(engine).has_table(audit_head.name):
        with acting_at_prompt():
            AuditStore(engine).note(AuditEntry(event))
