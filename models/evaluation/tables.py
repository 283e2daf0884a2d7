"""An evaluation as tables: on a terminal and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from io import StringIO
from itertools import chain, repeat

import numpy as np
from rich import box
from rich.table import Table

from models.evaluation.results import Coverage, Evaluation, Score
from models.evaluation.summaries import (
    MEASURES,
    Interval,
    MeanOfStructures,
    Summary,
    mean_of_structures,
    summarise,
)

SCORE_COLUMNS = tuple(field.name for field in fields(Score))
COVERAGE_COLUMNS = tuple(field.name for field in fields(Coverage))
SUMMARY_COLUMNS = (
    *(field.name for field in fields(Summary) if field.name != "interval"),
    "interval_low",
    "interval_high",
)
DECIMALS = {"": 3, "mm": 2}


def build_table(evaluation: Evaluation, mean_of: Sequence[str] = ()) -> Table:
    """Per structure a row for each measure; the last ones are means of `mean_of`, by default all.

    The intervals are of the means, at 95 %.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("structure", no_wrap=True)
    table.add_column("measure", no_wrap=True)
    for title in ("mean", "SD", "median", "95 % interval", "worst"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("case")
    summaries = summarise(evaluation)
    for structure in evaluation.structures:
        own = [one for one in summaries if one.structure == structure]
        for heading, one in zip(chain(_headings(own[0]), repeat("")), own, strict=False):
            table.add_row(heading, *_cells(one))
        table.add_section()
    for measure in MEASURES:
        mean = mean_of_structures(evaluation, measure, mean_of)
        heading = f"mean of {len(mean.structures)}" if measure == next(iter(MEASURES)) else ""
        table.add_row(heading, *_mean_cells(mean))
    return table


def describe(evaluation: Evaluation) -> list[str]:
    """What the table cannot hold: time, the localizer, and what was not found."""
    cases = evaluation.cases
    lines = [
        f"{len(cases)} cases; each took {_mean(c.cpu_seconds for c in cases):.1f} s of CPU and "
        f"{_mean(c.seconds for c in cases):.1f} s by the clock (mean, {evaluation.machine.jobs} at "
        "a time)."
    ]
    covered = [case.coverage for case in cases if case.coverage is not None]
    if covered:
        whole = sum(coverage.is_complete for coverage in covered)
        kept = [100 * coverage.kept_share for coverage in covered]
        lines.append(
            f"Localizer: all labelled voxels kept in {whole} of {len(covered)} cases "
            f"({_inside(covered):.3f} % of the voxels); it keeps {_mean(kept):.1f} % of a scan "
            f"(largest {max(kept):.1f} %)."
        )
    missed = [
        f"{structure} of {case.name}"
        for structure in evaluation.structures
        for case in cases
        if structure in case.scores and not case.scores[structure].is_found
    ]
    if missed:
        lines.append(
            "Not found, counted with Dice 0 and distances of the scan's diagonal: "
            f"{', '.join(missed)}. Means without these are in the summary, as mean_found."
        )
    return lines


def write_cases_csv(evaluation: Evaluation) -> str:
    """A row per case and structure."""
    rows = (
        {"case": case.name, "structure": structure, **asdict(case.scores[structure])}
        for case in evaluation.cases
        for structure in evaluation.structures
        if structure in case.scores
    )
    return _csv(("case", "structure", *SCORE_COLUMNS), rows)


def write_summary_csv(evaluation: Evaluation) -> str:
    """A row per structure and measure."""
    rows = []
    for one in summarise(evaluation):
        low, high = _ends(one.interval)
        row = asdict(one) | {"interval_low": low, "interval_high": high}
        rows.append({column: row[column] for column in SUMMARY_COLUMNS})
    return _csv(SUMMARY_COLUMNS, rows)


def write_scans_csv(evaluation: Evaluation) -> str:
    """A row per case: time, what the localizer kept, notes; then those that were left out."""
    columns = ("case", "seconds", "cpu_seconds", *COVERAGE_COLUMNS, "notes", "left_out")
    judged = (
        {"case": case.name, "seconds": case.seconds, "cpu_seconds": case.cpu_seconds}
        | (asdict(case.coverage) if case.coverage is not None else {})
        | {"notes": " ".join(case.notes)}
        for case in evaluation.cases
    )
    left_out = ({"case": one.name, "left_out": one.reason} for one in evaluation.left_out)
    return _csv(columns, chain[Mapping[str, object]](judged, left_out))


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _plain(value) for key, value in row.items()})
    return text.getvalue()


def _plain(value: object) -> object:
    return f"{value:.4f}" if isinstance(value, float) else value


def _headings(summary: Summary) -> tuple[str, str, str]:
    """The structure, and below it in how many cases it was drawn and found."""
    cases = f"{summary.cases} case{'s' if summary.cases > 1 else ''}"
    found = "" if summary.found == summary.cases else f"{summary.found} found"
    return summary.structure, cases, found


def _cells(one: Summary) -> tuple[str, ...]:
    values = (one.mean, one.standard_deviation, one.median)
    shown = [_show(value, one.measure) for value in values]
    between = _show_interval(one.interval, one.measure)
    heading = MEASURES[one.measure].heading
    return heading, *shown, between, _show(one.worst, one.measure), one.worst_case


def _mean_cells(mean: MeanOfStructures) -> tuple[str, ...]:
    between = _show_interval(mean.interval, mean.measure)
    return MEASURES[mean.measure].heading, _show(mean.mean, mean.measure), "", "", between


def _show(value: float | None, measure: str) -> str:
    return "" if value is None else f"{value:.{DECIMALS[MEASURES[measure].unit]}f}"


def _show_interval(interval: Interval | None, measure: str) -> str:
    if interval is None:
        return ""
    return f"{_show(interval.low, measure)}-{_show(interval.high, measure)}"


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _inside(covered: Sequence[Coverage]) -> float:
    """Percent of all labelled voxels of all cases."""
    labelled = sum(coverage.labelled_voxels for coverage in covered)
    outside = sum(coverage.labelled_voxels_outside for coverage in covered)
    return 100 * (labelled - outside) / labelled


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else 0.0
