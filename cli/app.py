"""The commands under their names, in the order in which `oarlock --help` shows them.

Each is imported when it is asked for: what all of them need together takes seconds to load.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperGroup

# The module below `cli`; what it holds is called as the command.
COMMANDS = MappingProxyType(
    {
        "serve": "server",
        "service": "server",
        "worker": "server",
        "dimse": "dimse",
        "keys": "keys",
        "users": "users",
        "submit": "submit",
        "contour": "contour",
        "check": "check",
        "lint": "lint",
        "models": "models",
        "templates": "templates",
        "doctor": "doctor",
        "engines": "engines",
        "phantom": "phantom",
        "commission": "commission",
        "train": "train",
        "evaluate": "evaluate",
        "overlaps": "overlaps",
        "export": "export",
        "gate": "gate",
        "rules": "rules",
        "destinations": "destinations",
        "backup": "backups",
        "restore": "backups",
        "encryption": "encryption",
        "audit": "audit",
        "identities": "identities",
    }
)


class _Commands(TyperGroup):
    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        del ctx
        return [*COMMANDS]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        del ctx
        return load_command(cmd_name) if cmd_name in COMMANDS else None


def load_command(name: str) -> Any:
    """One of `COMMANDS`, as click has them."""
    found = getattr(import_module(f"cli.{COMMANDS[name]}"), name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
        alone.command(name)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name  # a group of its own has none
    return command


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _oarlock() -> None:
    """Auto-contouring for radiotherapy."""
