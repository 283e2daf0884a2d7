"""`oarlock keys`: who is let in by a key, straight from the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from cli.access import Project, Roles, open_database
from cli.console import out, refuse, warn
from service.access.roles import Role
from workers.api_keys import is_key_name
from workers.key_store import KeyStore

keys = typer.Typer(help="Make, list, rotate and revoke keys.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Who has the key: a system, or a person.")]


@keys.command("create")
def create_key(
    name: Name,
    role: Roles,
    project: Project = None,
    days: Annotated[int | None, typer.Option(min=1, help="It expires after so many.")] = None,
) -> None:
    """Make a key, and show it this one time: only its hash is kept."""
    if not is_key_name(name):
        refuse("A key's name has up to 64 letters, digits and . _ @ - and begins with a letter.")
    with open_database() as engine:
        valid_for = None if days is None else timedelta(days=days)
        key = KeyStore(engine).create(name, role, project, valid_for)
    if key is None:
        refuse(f"There is a key {name} already: rotate it, revoke it, or take another name.")
    show_key(key)


@keys.command("list")
def list_keys() -> None:
    """List all keys, also those that are over; no key can be shown again."""
    table = Table("name", "id", "roles", "project", "created", "expires", "last used", "revoked")
    with open_database() as engine:
        for key in KeyStore(engine).list_all():
            dates = (key.created_at, key.expires_at, key.last_used_at, key.revoked_at)
            shown = (_show(date) for date in dates)
            table.add_row(key.name, key.id, ", ".join(key.roles), key.project or "all", *shown)
    out.print(table)


@keys.command("rotate")
def rotate_key(
    name: Name,
    overlap_minutes: Annotated[
        int, typer.Option(min=0, help="Time for which the old key goes on beside the new one.")
    ] = 0,
) -> None:
    """Make a new key of the same name and roles in the place of the old one."""
    with open_database() as engine:
        key = KeyStore(engine).rotate(name, timedelta(minutes=overlap_minutes))
    if key is None:
        refuse(f"There is no key {name} that could be rotated: see `oarlock keys list`.")
    show_key(key)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Its name, or its id of `oarlock keys list`.")],
) -> None:
    """End a key: every process refuses it within a minute."""
    with open_database() as engine:
        store = KeyStore(engine)
        count = store.revoke(key)
        is_locked = not any(
            Role.ADMINISTRATOR in one.roles for one in store.list_all() if one.revoked_at is None
        )
    if count == 0:
        refuse(f"There is no key {key} that could be revoked: see `oarlock keys list`.")
    out.print(f"Revoked {count}.", highlight=False)
    if is_locked:
        warn("no administrator's key is left; `oarlock keys create` makes one.")


def show_key(key: str) -> None:
    """The only time that it can be read."""
    warn("keep this key now: it cannot be shown again.")
    typer.echo(key)


def _show(date: datetime | None) -> str:
    return "" if date is None else f"{date:%Y-%m-%d %H:%M}"
