"""`oarlock phantom`: a CT series with known contours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import Position, out
from contouring.phantom_series import write_phantom


def phantom(
    out_folder: Path,
    position: Annotated[Position, typer.Option(help="Patient position.")] = Position.HFS,
) -> None:
    """Write a CT series of the phantom whose contours are known."""
    files = write_phantom(out_folder, position.value)
    out.print(f"{len(files)} slices are in {out_folder}.", highlight=False)
