"""Progress on a terminal; on anything else nothing, so that logs stay readable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from cli.console import err
from contouring.pipeline import STAGES
from workers.jobs import JobState


class Bars:
    """One bar per step of something that takes its steps in order."""

    def __init__(self, steps: Sequence[str] = STAGES) -> None:
        self._steps = tuple(steps)
        self._progress = _build_progress()
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        self._tasks = {step: self._progress.add_task(step, total=1.0) for step in self._steps}
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, step: str, fraction: float) -> None:
        """Fill the step's bar so far, and those of the steps before it."""
        for earlier in self._steps[: self._steps.index(step)]:
            self._progress.update(self._tasks[earlier], completed=1.0)
        self._progress.update(self._tasks[step], completed=fraction)

    def show_job(self, job: dict[str, Any]) -> None:
        """The same for the stages of a job as the server shows it."""
        if job["state"] == JobState.DONE:
            self.show(self._steps[-1], 1.0)
        elif job["stage"] in self._steps:  # a newer server may have other stages
            self.show(job["stage"], job["progress"])


@contextmanager
def show_bar(title: str) -> Iterator[Callable[[float], None]]:
    """One bar that is gone at the end; yields what takes the fraction that is done."""
    with _build_progress(transient=True) as progress:
        task = progress.add_task(title, total=1.0)
        yield lambda fraction: progress.update(task, completed=fraction)


def _build_progress(transient: bool = False) -> Progress:
    columns = (TextColumn("{task.description:>9}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, console=err, disable=not err.is_terminal, transient=transient)
