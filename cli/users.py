"""`oarlock users`: what people may do whom an OpenID Connect issuer knows."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from cli.access import Project, Roles, open_database
from cli.console import out, refuse
from workers.user_store import User, UserStore

users = typer.Typer(
    help="Give roles to the users of the OpenID Connect issuer.", no_args_is_help=True
)

LONGEST_SUBJECT = 255

Subject = Annotated[str, typer.Argument(help="The subject (`sub`) of their tokens.")]


@users.command("add")
def add_user(subject: Subject, role: Roles, project: Project = None) -> None:
    """Give a user roles, in the place of those that were there before."""
    if not 0 < len(subject) <= LONGEST_SUBJECT:
        refuse(f"A subject has 1 to {LONGEST_SUBJECT} characters.")
    with open_database() as engine:
        UserStore(engine).put(User(subject, tuple(role), project))
    out.print(f"{subject}: {', '.join(role)}", highlight=False, markup=False)


@users.command("list")
def list_users() -> None:
    """List the users with their roles; roles that their tokens name come on top."""
    table = Table("subject", "roles", "project")
    with open_database() as engine:
        for user in UserStore(engine).list_all():
            table.add_row(user.subject, ", ".join(user.roles), user.project or "all")
    out.print(table)


@users.command("remove")
def remove_user(subject: Subject) -> None:
    """Take a user's roles away, at once; those that their tokens name stay."""
    with open_database() as engine:
        if not UserStore(engine).remove(subject):
            refuse(f"There is no user {subject}: see `oarlock users list`.")
    out.print(f"Removed {subject}.", highlight=False, markup=False)
