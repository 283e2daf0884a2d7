"""The tables of docs/networks.md, from the recipes, the committed runs and their evaluations.

    python -m benchmarks.networks [--check]

Everything between the page's markers is written; with --check nothing is, and the command fails
where the page is not what would be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.entrants import Known, Stage, read_known
from benchmarks.published_rows import FIVE, PUBLISHED
from models.evaluation.results import CaseResult
from models.evaluation.summaries import MeanOfStructures, mean_of_structures

PAGE = Path(__file__).parent.parent / "docs" / "networks.md"
START, END = "<!-- tables: start -->", "<!-- tables: end -->"
NOTHING, NOT_TRAINED = "-", "not trained"
ORGANS = ("brainstem", "spinal cord", "right parotid", "left parotid", "mandible")  # `FIVE`
MILLION, BILLION = 1e6, 1e9
HOUR_S = 3600.0


def build_tables(known: Sequence[Known]) -> str:
    """The Markdown between the markers."""
    return "\n".join([*_accuracy(known), "", *_cost(known), "", *_localizers(known)])


def replace_tables(page: str, tables: str) -> str:
    """The page with other tables between its markers; raises `ValueError` without these."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the page needs {START} and {END}")
    return f"{before}{START}\n\n{tables}\n\n{END}{after}"


def _accuracy(known: Sequence[Known]) -> list[str]:
    head = ["network", "cases", "mean Dice (95 % interval)", *ORGANS, "HD", "MSD", "not found"]
    ours = [_accuracy_row(one) for one in known]
    theirs = [
        [
            f"*{row.network}, published*",
            NOTHING,
            f"*{row.mean_dice:.4f}*",
            *(f"*{dice:.4f}*" for dice in row.dice),
            f"*{row.hausdorff:.2f}*",
            f"*{row.mean_surface_distance:.3f}*",
            NOTHING,
        ]
        for row in PUBLISHED
    ]
    return _table(head, [*ours, *theirs])


def _accuracy_row(one: Known) -> list[str]:
    if one.evaluation is None:
        return [one.entrant.title, NOT_TRAINED, *[NOTHING] * 9]
    evaluation = one.evaluation
    means = {
        measure: mean_of_structures(evaluation, measure, FIVE)
        for measure in ("dice", "hausdorff_mm", "mean_surface_distance_mm")
    }
    organs = [mean_of_structures(evaluation, "dice", (organ,)).mean for organ in FIVE]
    seen = f" ({len(one.learned_from)} learned from)" if one.learned_from else ""
    return [
        one.entrant.title,
        f"{len(evaluation.cases)}{seen}",
        _with_interval(means["dice"]),
        *(f"{dice:.4f}" for dice in organs),
        f"{means['hausdorff_mm'].mean:.2f} mm",
        f"{means['mean_surface_distance_mm'].mean:.2f} mm",
        str(_count_missed(evaluation.cases)),
    ]


def _cost(known: Sequence[Known]) -> list[str]:
    head = [
        *("network", "parameters", "multiply-adds", "window (z, y, x)", "CPU seconds per case"),
        *("judged on", "patches", "training", "trained on"),
    ]
    return _table(head, [_cost_row(one) for one in known])


def _cost_row(one: Known) -> list[str]:
    seconds, judged_on = NOTHING, NOTHING
    if one.evaluation is not None:
        cases = one.evaluation.cases
        seconds = f"{sum(case.cpu_seconds for case in cases) / len(cases):.1f}"
        judged_on = one.evaluation.machine.processor
    title = one.entrant.title
    return [title, *_size(one.segmenter), seconds, judged_on, *_training(one.segmenter)]


def _localizers(known: Sequence[Known]) -> list[str]:
    head = [
        *("localizer of", "parameters", "multiply-adds", "window (z, y, x)"),
        *("cases kept whole", "share of the scan kept", "patches", "training", "trained on"),
    ]
    rows = []
    for one in known:
        if one.localizer is not None:
            covered, kept = _coverage(() if one.evaluation is None else one.evaluation.cases)
            size, training = _size(one.localizer), _training(one.localizer)
            rows.append([one.entrant.title, *size, covered, kept, *training])
    return _table(head, rows)


def _size(stage: Stage) -> tuple[str, str, str]:
    window = " x ".join(map(str, stage.recipe.sliding_window))
    parameters = f"{stage.cost.parameters / MILLION:.2f} M"
    return parameters, f"{stage.cost.multiply_adds / BILLION:.2f} G", window


def _training(stage: Stage) -> tuple[str, str, str]:
    run = stage.run
    if run is None:
        return NOT_TRAINED, NOTHING, NOTHING
    return str(run.patches), f"{run.seconds / HOUR_S:.2f} h, {run.precision}", run.device


def _coverage(cases: Sequence[CaseResult]) -> tuple[str, str]:
    found = [case.coverage for case in cases if case.coverage is not None]
    if not found:
        return NOTHING, NOTHING
    whole = sum(coverage.is_complete for coverage in found)
    kept = sum(coverage.kept_share for coverage in found) / len(found)
    return f"{whole} of {len(found)}", f"{100 * kept:.1f} %"


def _count_missed(cases: Sequence[CaseResult]) -> int:
    return sum(not case.scores[organ].is_found for case in cases for organ in FIVE)


def _with_interval(mean: MeanOfStructures) -> str:
    if mean.interval is None:
        return f"{mean.mean:.4f}"
    return f"{mean.mean:.4f} ({mean.interval.low:.3f}-{mean.interval.high:.3f})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description="The tables of docs/networks.md.")
    parser.add_argument("--check", action="store_true", help="fail if the page is out of date")
    is_check = parser.parse_args().check
    page = PAGE.read_text(encoding="utf-8")
    built = replace_tables(page, build_tables(read_known()))
    if not is_check:
        PAGE.write_text(built, encoding="utf-8")
    elif built != page:
        sys.exit(f"{PAGE} is out of date: run python -m benchmarks.networks")


if __name__ == "__main__":
    main()
