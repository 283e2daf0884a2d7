"""The curve of accuracy against cost as files: a table, a picture, and a piece of a model card."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from io import BytesIO, StringIO

import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from models.card import MEAN_DICE_FALL_LIMIT, STRUCTURE_DICE_FALL_LIMIT
from models.evaluation.overlaps import OverlapPoint

CSV, PICTURE, CARD_PIECE = "overlaps.csv", "overlaps.png", "overlap_curve.yaml"
ALLOWED, REFUSED = "#2f5d8a", "#c0392b"


def encode_curve(points: Sequence[OverlapPoint], chosen: OverlapPoint) -> dict[str, bytes]:
    """The files' contents by their names."""
    return {
        CSV: _write_csv(points).encode(),
        PICTURE: _draw(points),
        CARD_PIECE: _write_card_piece(points, chosen).encode(),
    }


def build_curve_table(points: Sequence[OverlapPoint]) -> Table:
    """A row for each overlap, with what it lost most."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("overlap", "CPU s a case", "mean Dice", "mean falls by", "most falls", "good"):
        table.add_column(heading, justify="right")
    for one in points:
        table.add_row(
            f"{one.overlap:g}",
            f"{one.cpu_seconds:.2f}",
            f"{one.mean_dice:.4f}",
            f"{one.mean_fall:.4f}",
            f"{one.fallen} {one.largest_fall:.4f}",
            "yes" if one.is_allowed else "no",
        )
    return table


def _write_csv(points: Sequence[OverlapPoint]) -> str:
    text = StringIO()
    columns = [*(field.name for field in fields(OverlapPoint)), "is_allowed"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) | {"is_allowed": point.is_allowed} for point in points)
    return text.getvalue()


def _write_card_piece(points: Sequence[OverlapPoint], chosen: OverlapPoint) -> str:
    curve = [
        {
            "overlap": one.overlap,
            "mean_dice": round(one.mean_dice, 4),
            "largest_fall": round(one.largest_fall, 4),
            "cpu_seconds": round(one.cpu_seconds, 2),
        }
        for one in points
    ]
    piece = {"overlap": chosen.overlap, "overlap_curve": curve}
    return yaml.safe_dump(piece, sort_keys=False, default_flow_style=None)


def _draw(points: Sequence[OverlapPoint]) -> bytes:
    figure = Figure((6.4, 4.2), 150, layout="constrained")
    axes = figure.subplots()
    seconds = [one.cpu_seconds for one in points]
    axes.plot(seconds, [one.mean_dice for one in points], color="#999999", linewidth=1, zorder=1)
    for one in points:
        colour = ALLOWED if one.is_allowed else REFUSED
        axes.scatter(one.cpu_seconds, one.mean_dice, color=colour, zorder=2)
        axes.annotate(
            f"{one.overlap:g}", (one.cpu_seconds, one.mean_dice), (4, 6), textcoords="offset points"
        )
    axes.axhline(
        points[0].mean_dice - MEAN_DICE_FALL_LIMIT,
        color=REFUSED,
        linestyle=":",
        label="the mean may fall to",
    )
    axes.set_xlabel("CPU seconds of a case (median)")
    axes.set_ylabel("mean Dice of all structures")
    axes.set_title(
        "Overlap of windows; red: falls too far in the mean\n"
        f"or by more than {STRUCTURE_DICE_FALL_LIMIT} in a structure",
        fontsize=10,
    )
    axes.margins(0.15)
    axes.legend(fontsize=8)
    content = BytesIO()
    FigureCanvasAgg(figure).print_png(content)
    return content.getvalue()
