"""`oarlock phantom`: a CT series with known contours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import Position, out, refuse
from contouring.phantom_series import holds_other_than_phantom, write_phantom


def phantom(
    out_folder: Path,
    position: Annotated[Position, typer.Option(help="Patient position.")] = Position.HFS,
    force: Annotated[
        bool, typer.Option("--force", help="Also into a folder that holds other files.")
    ] = False,
) -> None:
    """Write a CT series of the phantom whose contours are known.

    A phantom that is already in OUT_FOLDER is overwritten; other files are not, without --force.
    """
    if not force and holds_other_than_phantom(out_folder):
        refuse(
            f"{out_folder} holds other files than a phantom: give a new folder, or --force to "
            "write among them."
        )
    files = write_phantom(out_folder, position.value)
    out.print(f"{len(files)} slices are in {out_folder}.", highlight=False)
