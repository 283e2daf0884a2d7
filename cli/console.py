"""What every command shares: the terminal, exit codes, files that are whole or not there."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

FAILURE, UNUSABLE_INPUT, PARTIAL = 1, 2, 3

Folder = Annotated[Path, typer.Argument(exists=True, file_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Model = Annotated[str | None, typer.Option(help="A name of `oarlock models`.")]
Templates = Annotated[
    list[str] | None,
    typer.Option("--template", help="A name of `oarlock templates`; may be repeated."),
]


class Position(StrEnum):
    """Patient positions of the phantom; a list of literals is more than Typer takes."""

    HFS = "HFS"
    HFP = "HFP"
    HFDR = "HFDR"
    HFDL = "HFDL"
    FFS = "FFS"
    FFP = "FFP"
    FFDR = "FFDR"
    FFDL = "FFDL"


out = Console()
err = Console(stderr=True)


def write_file(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def refuse(reason: str) -> NoReturn:
    """Leave because of what was asked for; nothing has been done yet."""
    err.print(reason, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(UNUSABLE_INPUT)


def warn(text: str) -> None:
    """One line on standard error."""
    err.print(f"Warning: {text}", markup=False, highlight=False, soft_wrap=True)
