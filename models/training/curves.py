"""How a run went, as CSV and, where TensorBoard is installed, for it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.training.runs import CURVE

COLUMNS = ("step", "loss", "learning_rate", "validation_dice", "seconds")


@dataclass(frozen=True)
class CurveRow:
    """A step, and at some of them what was found since the last such one.

    `loss`: the mean; `dice`: of the averaged weights on held-out cases, not a number without any;
    `seconds`: since the start, without the pauses of a run that was broken off.
    """

    step: int
    steps: int
    loss: float | None = None
    learning_rate: float = 0.0
    dice: float = float("nan")
    seconds: float = 0.0


class Curve:
    """The rows of a run; those after `steps_done`, of which no checkpoint was kept, are dropped."""

    def __init__(self, run: Path, steps_done: int) -> None:
        self._path = run / CURVE
        kept = [row for row in _read(self._path) if int(row[0]) <= steps_done]
        self.seconds = float(kept[-1][-1]) if kept else 0.0
        with self._path.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *kept])
        self._board: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(run), purge_step=steps_done + 1)

    def add(self, row: CurveRow) -> None:
        """Appended and kept at once."""
        values = (f"{row.loss:.5f}", f"{row.learning_rate:.3g}", f"{row.dice:.4f}")
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow([row.step, *values, f"{row.seconds:.1f}"])
        if self._board is not None:
            self._board.add_scalar("loss", row.loss, row.step)
            self._board.add_scalar("learning_rate", row.learning_rate, row.step)
            self._board.add_scalar("validation_dice", row.dice, row.step)

    def close(self) -> None:
        """Lets go of what TensorBoard holds."""
        if self._board is not None:
            self._board.close()


def _read(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]
