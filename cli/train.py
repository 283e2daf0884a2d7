"""`oarlock train`: one network by its recipe."""

from __future__ import annotations

import math
from contextlib import contextmanager
from enum import StrEnum
from importlib.util import find_spec
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cli.console import err, out, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from models.training.curves import CurveRow
    from models.training.train import Report

MOST_WORKERS = 8  # that read and prepare cases: more only wait for the disk


class Split(StrEnum):
    """The cases that are learned from."""

    TRAIN = "train"
    ALL = "all"


class Precision(StrEnum):
    """Of the network's arithmetic; weights and losses stay in float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


def train(  # noqa: PLR0913 - the options of a command, each given by its name
    recipe: Annotated[str, typer.Argument(help="A shipped recipe, or a recipe's file (YAML).")],
    data: Annotated[Path, typer.Option(help="A data set in nnU-Net's raw layout.")],
    run: Annotated[Path, typer.Option(help="The run's folder; one broken off goes on.")],
    split: Annotated[Split, typer.Option(help="The cases to learn from.")] = Split.TRAIN,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or cuda:N.")] = "cpu",
    precision: Annotated[
        Precision | None, typer.Option(help="Instead of the recipe's; bfloat16 is quick on a GPU.")
    ] = None,
    initial: Annotated[
        list[Path] | None,
        typer.Option(help="A run, checkpoint or bundle to start from; of several, the mean."),
    ] = None,
    coarse: Annotated[
        Path | None, typer.Option(help="The coarse network's run, where a recipe asks for it.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder for prepared cases, for data larger than the memory."),
    ] = None,
    pseudo_label_rounds: Annotated[
        int, typer.Option(min=0, help="Rounds of self-training before the last training.")
    ] = 0,
) -> None:
    """Train one network by RECIPE: a localizer, or a segmenter. Broken off, it can be called again.

    Writes the recipe, checkpoint.pt, curve.csv and run.json into the run's folder.
    """
    if any(find_spec(package) is None for package in ("torch", "monai", "nibabel")):
        refuse("Training needs PyTorch and MONAI: pip install oarlock[training]")
    from models.training.dataset import DatasetError, read_dataset
    from models.training.recipe_file import RecipeError, overridden, read_recipe

    try:
        changed = {"steps": steps, "seed": seed, "precision": precision and str(precision)}
        chosen = overridden(read_recipe(recipe), **changed)
        read_dataset(data)  # what is wrong there is told before PyTorch and MONAI are loaded
        from models.training.pseudo_labels import self_train
        from models.training.train import Sources

        workers = min(MOST_WORKERS, cpu_count() or 1)
        sources = Sources(data, str(split), tuple(initial or ()), coarse, cache, workers)
        with _bars() as announce:
            facts = self_train(chosen, sources, run, device, pseudo_label_rounds, announce)
    except (DatasetError, RecipeError) as error:
        refuse(str(error))
    out.print(
        f"{facts.steps} steps on {facts.cases} cases in {facts.seconds:.0f} s: see {run}.",
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def _bars() -> Iterator[Callable[[str], Report]]:
    """A bar per training on a terminal; elsewhere a line whenever there is something to tell."""
    from models.training.prepared_cases import Preparation

    columns = (
        TextColumn("{task.description:>9}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} {task.fields[found]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:

        def announce(title: str) -> Report:
            task = progress.add_task(title, total=None, found="")

            def say(found: str, line: str) -> None:
                progress.update(task, found=found)
                if not err.is_terminal:
                    err.print(f"{title}: {line}", highlight=False, soft_wrap=True)

            def report(told: Preparation | CurveRow) -> None:
                if isinstance(told, Preparation):
                    progress.update(task, completed=told.done, total=told.cases)
                    if told.done == 0:
                        say("cases prepared", f"preparing {told.cases} cases")
                    return
                progress.update(task, completed=told.step, total=told.steps)
                if told.loss is not None:
                    found = f"loss {told.loss:.4f}"
                    if not math.isnan(told.dice):
                        found += f", Dice {told.dice:.4f}"
                    say(found, f"step {told.step} of {told.steps}, {found}")

            return report

        yield announce
