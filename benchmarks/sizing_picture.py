"""A picture of how long jobs wait, by number of GPUs, for several loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.sizing import BARELY_S, GOALS_S, MOST_WORKERS, Sizing

PANEL_INCHES = (3.9, 4.2)
LEGEND_INCHES = 0.6
LONGEST_S = 12 * 3600.0
TICKS_S = {1: "1 s", 10: "10 s", 60: "1 min", 300: "5 min", 3600: "1 h", 21600: "6 h"}
WORKER_TICKS = (1, 2, 4, 8, 16, 32, 64)
# The loads that are drawn; one hue, darker with more CTs. More lines would lie on each other.
COLOURS = {
    1000: "#9ecae1",
    5000: "#5fa6d1",
    10_000: "#2f7ebc",
    20_000: "#125a9e",
    50_000: "#08254d",
}
GREY = "#777777"


def draw_picture(sizings: Mapping[str, Sequence[Sizing]]) -> bytes:
    """The SVG: a panel for each title, a line for each load; same waits, same bytes."""
    width, height = PANEL_INCHES
    figure = Figure((width * len(sizings), height + LEGEND_INCHES), layout="constrained")
    panels = figure.subplots(1, len(sizings), sharey=True, squeeze=False)[0]
    for axes, (title, found) in zip(panels, sizings.items(), strict=True):
        _draw_panel(axes, title, [each for each in found if each.a_day in COLOURS])
    panels[0].set_ylabel("95 of 100 jobs wait no longer than")
    figure.legend(handles=_build_legend(), loc="outside lower center", ncols=4, frameon=False)
    content = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "sizing"}):
        FigureCanvasSVG(figure)
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _draw_panel(axes: Axes, title: str, sizings: Sequence[Sizing]) -> None:
    for goal_s in GOALS_S:
        axes.axhline(goal_s, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    for sizing in sizings:
        _draw_load(axes, sizing, COLOURS[int(sizing.a_day)])
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("GPUs")
    axes.set_xscale("log", base=2)
    axes.set_xlim(0.9, MOST_WORKERS * 1.1)
    axes.set_xticks(WORKER_TICKS, [str(tick) for tick in WORKER_TICKS])
    axes.set_yscale("log")
    axes.set_ylim(BARELY_S, LONGEST_S)
    axes.set_yticks(list(TICKS_S), list(TICKS_S.values()))
    axes.minorticks_off()
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_load(axes: Axes, sizing: Sizing, colour: str) -> None:
    """A dot for each number of GPUs; the knee of the looser goal open, of the stricter filled."""
    workers = [waits.workers for waits in sizing.waits]
    p95_s = [max(BARELY_S, waits.p95_s) for waits in sizing.waits]  # a logarithm has no 0
    axes.plot(workers, p95_s, color=colour, linewidth=1.6, marker=".", markersize=4, zorder=2)
    for goal_s, fill in zip(GOALS_S, ("white", colour), strict=True):
        knee = sizing.find_knee(goal_s)
        if knee is not None:
            at = max(BARELY_S, knee.p95_s)
            dot = _draw_dot(fill, colour)
            dot.set_data([knee.workers], [at])
            axes.add_line(dot)


def _build_legend() -> list[Line2D]:
    loads = [
        Line2D([], [], color=colour, label=f"{a_day:,} CTs a day")
        for a_day, colour in COLOURS.items()
    ]
    goals = Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), label="goals")
    looser, stricter = _draw_dot("white", GREY), _draw_dot(GREY, GREY)
    looser.set_label("fewest for 5 min")
    stricter.set_label("fewest for 1 min (for both, where alone)")
    return [*loads, goals, looser, stricter]


def _draw_dot(fill: str, edge: str) -> Line2D:
    """A large one, not yet anywhere; shown whole at the edge of a panel."""
    return Line2D(
        [],
        [],
        linestyle="",
        marker="o",
        markersize=9,
        markerfacecolor=fill,
        markeredgecolor=edge,
        markeredgewidth=1.8,
        clip_on=False,
        zorder=3,
    )
