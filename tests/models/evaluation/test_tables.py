"""What is printed and written as CSV."""

from __future__ import annotations

import csv
from io import StringIO

from rich.console import Console

from models.evaluation.results import Coverage, Evaluation
from models.evaluation.tables import (
    build_table,
    describe,
    write_cases_csv,
    write_scans_csv,
    write_summary_csv,
)
from tests.models.evaluation.made_evaluations import made_evaluation


def rows(text: str) -> list[dict[str, str]]:
    """Of a CSV."""
    return list(csv.DictReader(StringIO(text)))


def printed(evaluation: Evaluation, *mean_of: str) -> str:
    """The table on a terminal of the usual width."""
    console = Console(width=80, file=StringIO())
    console.print(build_table(evaluation, mean_of))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_fits_a_terminal_with_every_figure_whole() -> None:
    """A figure cut in the middle is no figure."""
    evaluation = made_evaluation([{"Bone": 0.9, "Fat": None}, {"Bone": 0.7, "Fat": 0.5}])

    table = printed(evaluation)

    assert "…" not in table
    assert all(
        figure in table
        for figure in ("0.800", "0.141", "0.700-0.900", "c1", "600.00", "1 found", "mean of 2")
    )


def test_the_last_rows_are_the_mean_of_what_was_asked_for() -> None:
    """A paper's five organs, of the seven that a model knows."""
    evaluation = made_evaluation([{"Bone": 0.9, "Fat": 0.1}, {"Bone": 0.7, "Fat": 0.1}])

    of_one = printed(evaluation, "Fat").split("mean of 1")[1]

    assert "0.100" in of_one
    assert "0.450" not in of_one


def test_what_was_not_found_is_named_with_how_it_counts() -> None:
    """Whoever quotes a mean must know what is in it."""
    evaluation = made_evaluation([{"Bone": 0.9}, {"Bone": None}])

    text = " ".join(describe(evaluation))

    assert "Bone of c1" in text
    assert "Dice 0" in text
    assert "diagonal" in text


def test_the_localizer_is_judged_by_what_it_loses_and_what_it_keeps() -> None:
    """One that keeps the whole scan loses nothing, and saves nothing."""
    evaluation = made_evaluation([{"Bone": 0.9}, {"Bone": 0.8}], coverage=Coverage(1000, 10, 0.25))

    text = " ".join(describe(evaluation))

    assert "kept in 0 of 2 cases (99.000 % of the voxels)" in text
    assert "25.0 %" in text


def test_a_model_without_a_localizer_says_nothing_of_one() -> None:
    """There is nothing to say."""
    assert "Localizer" not in " ".join(describe(made_evaluation([{"Bone": 0.9}])))


def test_every_score_has_a_row() -> None:
    """Statistics other than ours are computed from these."""
    evaluation = made_evaluation([{"Bone": 0.9, "Fat": None}, {"Bone": 0.7}])

    found = rows(write_cases_csv(evaluation))

    keys = [(row["case"], row["structure"], row["is_found"]) for row in found]
    assert keys == [("c0", "Bone", "True"), ("c0", "Fat", "False"), ("c1", "Bone", "True")]
    assert found[0]["dice"] == "0.9000"
    assert found[1]["hausdorff_mm"] == "600.0000"


def test_the_summary_has_a_row_per_structure_and_measure() -> None:
    """With the worst case's name and the ends of the interval."""
    found = rows(write_summary_csv(made_evaluation([{"Bone": 0.9}, {"Bone": 0.7}])))

    assert len(found) == 6
    assert found[0]["structure"] == "Bone"
    assert (found[0]["measure"], found[0]["worst_case"]) == ("dice", "c1")
    assert (found[0]["interval_low"], found[0]["interval_high"]) == ("0.7000", "0.9000")


def test_scans_tell_what_was_left_out_and_why() -> None:
    """Cases that vanish silently make any mean better."""
    judged, left_out = rows(
        write_scans_csv(made_evaluation([{"Bone": 0.9}], coverage=Coverage(9, 0, 0.5)))
    )

    assert (judged["case"], judged["cpu_seconds"], judged["kept_share"]) == (
        "c0",
        "6.0000",
        "0.5000",
    )
    assert (left_out["case"], left_out["left_out"]) == ("broken", "it has no labels.")
