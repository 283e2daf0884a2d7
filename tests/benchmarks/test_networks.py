"""The tables of docs/networks.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("monai", reason="needs the training extra")

from benchmarks.entrants import Entrant, read_known
from benchmarks.networks import PAGE, build_tables, replace_tables
from benchmarks.published_rows import FIVE, PUBLISHED
from models.evaluation.results import Coverage, encode_evaluation
from models.training.run_facts import RunFacts
from tests.models.evaluation.made_evaluations import made_evaluation

HN_OAR = Entrant("ours", "hn-oar-segmenter", "hn-oar-localizer")


def write_run(folder: Path, recipe: str, case_names: tuple[str, ...]) -> None:
    """What a run of the shipped recipe leaves, without its weights."""
    (folder / recipe).mkdir(parents=True)
    facts = RunFacts(
        recipe=recipe,
        steps=500,
        patches=1000,
        batch=2,
        seconds=5400.0,
        precision="float32",
        device="a processor",
        machine="a machine",
        threads=2,
        versions={},
        cases=len(case_names),
        case_names=case_names,
        started_at="2026-01-01T00:00:00+00:00",
    )
    (folder / recipe / "run.json").write_text(json.dumps(asdict(facts)))


def rows(tables: str, title: str) -> list[list[str]]:
    """A network's row of every table."""
    cells = ([cell.strip() for cell in line.split("|")[1:-1]] for line in tables.splitlines())
    return [row for row in cells if row and row[0] == title]


def test_the_page_is_what_recipes_runs_and_evaluations_say() -> None:
    """Figures that were typed in by hand are out of date a week later."""
    page = PAGE.read_text(encoding="utf-8")

    assert replace_tables(page, build_tables(read_known())) == page


def test_a_network_without_a_run_says_so(tmp_path: Path) -> None:
    """Its size is known, and nothing else is claimed."""
    tables = build_tables(read_known(tmp_path, [HN_OAR]))

    accuracy, cost, localizer = rows(tables, "ours")
    assert accuracy[1:] == ["not trained", *["-"] * 9]
    assert "not trained" in cost
    assert "not trained" in localizer
    assert cost[1].endswith(" M")


def test_a_trained_network_stands_with_its_figures(tmp_path: Path) -> None:
    """Means over the cases that have all five organs: others are left out, as in the paper."""
    write_run(tmp_path, "hn-oar-segmenter", ("t1", "t2"))
    complete, partial = dict.fromkeys(FIVE, 0.8), {"Brainstem": 0.1}
    evaluation = made_evaluation(
        [complete, complete | {"Mandible": None}, partial], FIVE, Coverage(10, 0, 0.125)
    )
    (tmp_path / "hn-oar-segmenter" / "evaluation.json").write_bytes(encode_evaluation(evaluation))

    accuracy, cost, localizer = rows(build_tables(read_known(tmp_path, [HN_OAR])), "ours")

    assert accuracy[1] == "2"
    assert accuracy[2].startswith("0.7200 (")
    assert accuracy[3:8] == ["0.8000"] * 4 + ["0.4000"]
    assert accuracy[-1] == "1"
    assert cost[4:] == ["6.0", "a processor", "1000", "1.50 h, float32", "a processor"]
    assert localizer[4:6] == ["2 of 2", "12.5 %"]


def test_a_score_on_cases_that_were_learned_from_is_marked(tmp_path: Path) -> None:
    """A release may use all cases; its row is then no test."""
    write_run(tmp_path, "hn-oar-segmenter", ("c0", "t1"))
    evaluation = made_evaluation([dict.fromkeys(FIVE, 0.8)] * 2, FIVE)
    (tmp_path / "hn-oar-segmenter" / "evaluation.json").write_bytes(encode_evaluation(evaluation))

    accuracy, *_ = rows(build_tables(read_known(tmp_path, [HN_OAR])), "ours")

    assert accuracy[1] == "2 (1 learned from)"


def test_the_published_rows_agree_with_themselves() -> None:
    """Each mean is that of its five organs, so that a slip of the pen shows."""
    for row in PUBLISHED:
        assert row.mean_dice == pytest.approx(sum(row.dice) / len(FIVE), abs=0.0006)


def test_a_page_without_its_markers_is_refused() -> None:
    """Otherwise the tables would be written nowhere."""
    with pytest.raises(ValueError, match="tables: start"):
        replace_tables("# A page\n", "| a |")
