"""An evaluation as a picture: per measure a box for every structure, and every case a dot."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.evaluation.results import Evaluation, Score
from models.evaluation.summaries import MEASURES

PANELS = ("dice", "surface_dice_2mm", "hausdorff_95_mm", "mean_surface_distance_mm")
PANEL_INCHES = (5.6, 0.55)  # width, and height of a structure's row
MARGIN_INCHES = 1.0  # above and below the rows of a panel
DOTS_PER_INCH = 150
SPREAD = 0.2  # of a row: how far dots stray to be told apart
FEWEST_BOXED = 5  # quartiles of fewer cases say nothing; their dots do
# Millimetres: even below the first, in steps of equal ratio above it, so that one case that went
# far astray, or a structure that was not found, does not squeeze all others together.
LINEAR_UP_TO_MM, LINEAR_DECADES = 1.0, 0.4
TICKS_MM = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
BOX, EDGE, FOUND, MISSED = "#dbe7f3", "#2f5d8a", "#2f5d8a", "#c0392b"


def draw_box_plot(evaluation: Evaluation) -> bytes:
    """The PNG; cases in which a structure was not found are crosses, where they count."""
    names = evaluation.structures
    height = len(names) * PANEL_INCHES[1] + MARGIN_INCHES
    figure = Figure((2 * PANEL_INCHES[0], 2 * height + 0.6), DOTS_PER_INCH, layout="constrained")
    figure.suptitle(_title(evaluation), fontsize=12)
    for axes, measure in zip(figure.subplots(2, 2, sharey=True).flat, PANELS, strict=True):
        _draw_panel(axes, measure, [_scores(evaluation, name) for name in names])
        axes.set_yticks(range(len(names)), names)
    figure.supxlabel(_legend(evaluation), fontsize=9)
    content = BytesIO()
    FigureCanvasAgg(figure).print_png(content)
    return content.getvalue()


def _draw_panel(axes: Axes, measure: str, rows: Sequence[Sequence[Score]]) -> None:
    values = [[getattr(score, measure) for score in row] for row in rows]
    boxed = [position for position, row in enumerate(values) if len(row) >= FEWEST_BOXED]
    if boxed:
        axes.boxplot(
            [values[position] for position in boxed],
            orientation="horizontal",
            positions=boxed,
            widths=0.62,
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": BOX, "edgecolor": EDGE},
            whiskerprops={"color": EDGE},
            capprops={"color": EDGE},
            medianprops={"color": "black", "linewidth": 1.6},
        )
    for position, row in enumerate(rows):
        _draw_dots(axes, position, row, values[position])
    if MEASURES[measure].higher_is_better:
        axes.set_xlim(-0.02, 1.02)
    else:
        _scale_mm(axes, max(value for row in values for value in row))
    axes.set_ylim(len(rows) - 0.5, -0.5)  # the card's first structure on top
    axes.set_xlabel(MEASURES[measure].in_words)
    axes.grid(axis="x", color="#cccccc", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_dots(axes: Axes, position: int, scores: Sequence[Score], values: list[float]) -> None:
    """Spread across the row in the order of the cases, the same every time."""
    offsets = np.resize([0.0, -SPREAD, SPREAD, -SPREAD / 2, SPREAD / 2], len(values))
    found = np.array([score.is_found for score in scores])
    y, x = position + offsets, np.array(values)
    axes.scatter(x[found], y[found], s=12, color=FOUND, alpha=0.7, linewidths=0, zorder=3)
    axes.scatter(x[~found], y[~found], s=34, color=MISSED, marker="x", zorder=4)


def _scale_mm(axes: Axes, largest_mm: float) -> None:
    axes.set_xscale("symlog", linthresh=LINEAR_UP_TO_MM, linscale=LINEAR_DECADES)
    ticks = [tick for tick in TICKS_MM if tick <= largest_mm]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(-0.05, max(1.25 * largest_mm, LINEAR_UP_TO_MM))


def _scores(evaluation: Evaluation, structure: str) -> list[Score]:
    return [case.scores[structure] for case in evaluation.cases if structure in case.scores]


def _title(evaluation: Evaluation) -> str:
    model, data = evaluation.model, evaluation.data
    return (
        f"{model.name} {model.version} on {data.name} ({data.split}, "
        f"{len(evaluation.cases)} cases), structure sets against drawn contours"
    )


def _legend(evaluation: Evaluation) -> str:
    text = (
        "Box: quartiles, of five cases or more; line: median; whiskers: furthest within 1.5 box "
        "lengths; dot: a case."
    )
    if all(score.is_found for case in evaluation.cases for score in case.scores.values()):
        return text
    return f"{text} Cross: not found; its distances are the scan's diagonal."
