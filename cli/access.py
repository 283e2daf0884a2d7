"""What the commands about keys and users share: the database, and how roles are named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from sqlalchemy import Engine

from service.access.roles import Role
from workers.audit.actors import acting_at_prompt
from workers.database import migrate, open_engine
from workers.private_files import keep_files_private
from workers.settings import Settings
from workers.sources import PROJECT


def _check_project(name: str | None) -> str | None:
    if name is not None and not re.fullmatch(PROJECT, name):
        raise typer.BadParameter("it has up to 32 letters, digits and . _ -")
    return name


Roles = Annotated[list[Role], typer.Option("--role", help="What it may do; may be repeated.")]
Project = Annotated[
    str | None,
    typer.Option(
        callback=_check_project, help="The only project that it sees; by default, all of them."
    ),
]


@contextmanager
def open_database() -> Iterator[Engine]:
    """The server's database, whether the server runs or not."""
    keep_files_private()
    settings = Settings()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = open_engine(settings.sql_url)
    try:
        migrate(engine)
        with acting_at_prompt():
            yield engine
    finally:
        engine.dispose()
