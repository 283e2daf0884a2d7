"""What the commands that judge bundles on drawn scans share."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from cli.console import refuse
from models.bundles import CARD, RELEASED, Bundle, find_bundles, pick_bundle, read_bundle
from workers.settings import Settings

NEEDED = ("torch", "monai", "nibabel", "matplotlib")

JudgedBundle = Annotated[
    str, typer.Argument(help="A name of `oarlock models`, or a bundle's folder.")
]
Split = Annotated[str, typer.Option(help="train, val or all; of a folder in nnU-Net's layout.")]
Cases = Annotated[int | None, typer.Option(min=1, help="Judge the first so many only.")]
Jobs = Annotated[int, typer.Option(min=1, help="How many cases run at a time.")]


def need_training_extra() -> None:
    """Leave with what to install, where it is not."""
    if any(find_spec(package) is None for package in NEEDED):
        refuse("Evaluating needs MONAI and matplotlib: pip install oarlock[training]")


def pick_judged(name_or_folder: str, settings: Settings) -> Bundle:
    """A bundle's folder, or a released or configured bundle by its name."""
    if (Path(name_or_folder) / CARD).is_file():
        return read_bundle(Path(name_or_folder))
    return pick_bundle(
        find_bundles((RELEASED, *settings.model_folders), settings.model_keys), name_or_folder
    )
