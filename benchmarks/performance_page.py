"""The tables of docs/performance.md, from what the benchmarks kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.figures import Guard, Measured, Row, show_number
from benchmarks.networks import replace_tables

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def write_page(record: Mapping[str, Measured], page: Path = PAGE) -> None:
    """Put the tables between the page's markers; raises `ValueError` where it has none."""
    page.write_text(replace_tables(page.read_text("utf-8"), build_tables(record)), "utf-8")


def build_tables(record: Mapping[str, Measured]) -> str:
    """The Markdown of all benchmarks, in the order in which they were kept."""
    parts: list[str] = []
    told = ""
    for measured in record.values():
        circumstances = _tell_circumstances(measured)
        if circumstances != told:
            parts.append(circumstances)
        told = circumstances
        parts += _describe(measured)
    return "\n\n".join(parts)


def _tell_circumstances(measured: Measured) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in measured.versions.items())
    abilities = ", ".join(measured.abilities) or "none of the vector extensions that matter"
    return (
        f"Measured on {measured.day.isoformat()}: {measured.processor}, {measured.cores} cores, "
        f"{abilities}; {measured.system}; {versions}."
    )


def _describe(measured: Measured) -> list[str]:
    parts = []
    for group, rows in groupby(measured.rows, key=lambda row: row.group):
        parts.append("\n".join((f"### {group}", "", *_tabulate(tuple(rows)))))
    if measured.guard is not None:
        parts.append("\n".join(_tell_guard(measured.guard)))
    return parts


def _tabulate(rows: Sequence[Row]) -> list[str]:
    lines = ["| what | Oarlock | beside it | ratio | aim | met |", "|---|---|---|---|---|---|"]
    lines += [_line(row) for row in rows]
    notes = [f"- {row.what}: {row.note.removesuffix('.')}." for row in rows if row.note]
    return [*lines, "", *notes] if notes else lines


def _line(row: Row) -> str:
    beside = "-" if row.theirs is None else f"{row.peer}: {show_number(row.theirs)} {row.unit}"
    ratio = "-" if row.theirs is None else f"{row.ratio:.2f}"
    aim, met = "-", "-"
    if row.aim is not None:
        unit = "" if row.theirs is not None else f" {row.unit}"
        aim = f"{row.aim.side} {row.aim.limit:.3g}{unit}"
        met = "yes" if row.is_met else f"no, by {_tell_miss(row)}"
    return (
        f"| {row.what} | {show_number(row.ours)} {row.unit} | {beside} | {ratio} | {aim} | {met} |"
    )


def _tell_miss(row: Row) -> str:
    """How far from the aim, as a share of it."""
    assert row.aim is not None
    return f"{abs(row.ratio / row.aim.limit - 1):.0%}"


def _tell_guard(guard: Guard) -> list[str]:
    lines = [
        "### Accuracy guard",
        "",
        f"Mean Dice of `hn-oar` on {guard.cases} cases of {guard.data}, run plainly (ONNX Runtime, "
        "windows of one size that overlap by half, the localizer shown the whole field of view) "
        f"and as released. The mean falls by {guard.mean_fall:.4f} (allowed: less than 0.002).",
        "",
        "| structure | plainly | as released | falls by (allowed: 0.005) |",
        "|---|---|---|---|",
    ]
    for name, fall in guard.falls.items():
        lines.append(
            f"| {name} | {guard.plain[name]:.4f} | {guard.released[name]:.4f} | {fall:.4f} |"
        )
    return lines
