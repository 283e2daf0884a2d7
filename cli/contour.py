"""`oarlock contour`: one series, in this process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import Folder, Model, Templates, refuse
from models.bundles import RELEASED, Bundle, find_bundles, pick_bundle
from workers.settings import Settings

if TYPE_CHECKING:
    from contouring.recipe import Cascade

EXAMPLE = "rtstruct.dcm"

Opening = Future[tuple["Cascade", float]]  # and the seconds that it took


def contour(
    ct_folder: Folder,
    output: Annotated[
        Path, typer.Option(help="The RTSTRUCT to write; with several templates, their folder.")
    ],
    model: Model = None,
    template: Templates = None,
    report: Annotated[
        Path | None, typer.Option(help="Write structures, flags, checks and times (JSON).")
    ] = None,
    preview: Annotated[Path | None, typer.Option(help="Write a picture (PNG).")] = None,
    profile: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Write into this folder where the time went."),
    ] = None,
) -> None:
    """Contour one CT series in this process, without a server.

    Leaves with 3 when structures failed that a template asks for: the others are written.
    """
    settings = Settings()
    bundles = find_bundles((RELEASED, *settings.model_folders), settings.model_keys)
    bundle = pick_bundle(bundles, model or settings.default_model)
    names = tuple(dict.fromkeys(template or settings.default_template_names))
    _check_places(output, (report, preview), len(names))
    with _open_meanwhile(bundle, settings) as opening:
        # What reads and contours a series takes a second to load: the model opens beside it.
        from cli.one_series import Wanted, contour_one

        contour_one(ct_folder, names, Wanted(output, report, preview, profile), settings, opening)


@contextmanager
def _open_meanwhile(bundle: Bundle, settings: Settings) -> Iterator[Opening]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(_open, bundle, settings)


def _open(bundle: Bundle, settings: Settings) -> tuple[Cascade, float]:
    # Loads the runtime, which no other command needs.
    from models.cascades import open_cascade

    started = time.perf_counter()
    cascade = open_cascade(
        bundle, settings.threads, runtime=settings.runtime, engines=settings.engine_folder
    )
    return cascade, time.perf_counter() - started


def _check_places(output: Path, files: Iterable[Path | None], template_count: int) -> None:
    """Before minutes of work, not after."""
    if template_count == 1 and output.is_dir():
        refuse(f"{output} is a folder: give --output the file to write, such as {output / EXAMPLE}")
    if template_count > 1 and output.exists() and not output.is_dir():
        refuse(f"{output} is a file: with several templates --output is the folder of their files.")
    for file in files:
        if file is not None and file.is_dir():
            refuse(f"{file} is a folder: give the file to write.")
