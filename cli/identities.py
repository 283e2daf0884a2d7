"""`oarlock identities`: the key of what is taken off series, and whose a hidden UID is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.access import open_database
from cli.console import out, refuse
from contouring.errors import IdentityError, IdentitySettingsError
from service.identities.border import open_key
from service.identities.identity_key import make_key_file
from service.identities.revealed_uids import reveal_uid
from workers.identity_store import IdentityStore
from workers.settings import Settings

identities = typer.Typer(
    help="Keep patients from workers that stand elsewhere.", no_args_is_help=True
)


@identities.command("make-key")
def make_key(
    file: Annotated[Path, typer.Argument(help="Where the service alone can read it.")],
) -> None:
    """Make the key of OARLOCK_IDENTITY_KEY_FILE; a file that is there is never written over."""
    try:
        make_key_file(file)
    except OSError as error:
        refuse(f"No key is made: {file}: {error.strerror}.")
    out.print(f"Made {file}: without it nobody can say whose series are. Back it up, apart from")
    out.print("the data folder and the database.", highlight=False)


@identities.command("show")
def show_uid(
    uid: Annotated[str, typer.Argument(help="Of a study or series, as kept or as it came.")],
) -> None:
    """Show under which UID a study or series is kept, or of which one a kept UID is."""
    try:
        key = open_key(Settings())
        with open_database() as engine:
            original = reveal_uid(engine, key, uid)
    except (IdentityError, IdentitySettingsError) as error:
        refuse(str(error))
    came, kept = (uid, key.hide_uid(uid)) if original is None else (original, uid)
    typer.echo(f"came as  {came}\nkept as  {kept}")


@identities.command("forget-mode")
def forget_mode() -> None:
    """Let the next service that starts choose OARLOCK_DEIDENTIFY and the key anew.

    Stop every service and DICOM node before; refused while anything is kept.
    """
    with open_database() as engine:
        is_forgotten = IdentityStore(engine).forget_mode()
    if not is_forgotten:
        refuse("Something is kept here, or records name it: begin with another data folder.")
    out.print("Forgotten: the next service that starts chooses OARLOCK_DEIDENTIFY.")
