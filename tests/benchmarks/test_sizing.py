"""How many workers a day needs, and the page and the picture that tell it."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.arrivals import DAY_S, HOUR_S, DayShape, Jobs, ServiceTime
from benchmarks.queueing import main
from benchmarks.sizing import BARELY_S, Sizing, Waits, measure_waits, size
from benchmarks.sizing_page import (
    BEGIN,
    PAGE,
    Scenario,
    build_assumptions,
    build_page,
    build_row,
    build_scenarios,
    show_seconds,
)

LOAD, SECONDS = 400, 20.0


@pytest.fixture(scope="module")
def sizing() -> Sizing:
    """A hospital group's day, in jobs of 20 s."""
    return size(LOAD, ServiceTime((SECONDS,)), DayShape())


def waits(workers: int, p95_s: float) -> Waits:
    """Of which only these two count."""
    return Waits(workers, 0.0, p95_s, p95_s, 0.0, 0.1, 0.5)


def test_waits_are_told_of_known_jobs() -> None:
    """Three jobs of ten minutes come at once on the second day; the first day does not count."""
    arrival_s = np.array([0.0, 0.0, DAY_S, DAY_S, DAY_S])
    jobs = Jobs(arrival_s, np.full(5, 600.0), np.array([False, False, False, False, True]))

    found = measure_waits(jobs, days=2, workers=1)

    assert found.p50_s == 600.0
    assert found.p95_s == pytest.approx(600.0 + 0.9 * 600.0)
    assert found.urgent_p95_s == 0.0
    assert found.utilisation == pytest.approx(5 * 600.0 / (2 * DAY_S))
    assert found.busiest_hour == pytest.approx(2.5 * 600.0 / HOUR_S)


def test_the_knee_is_the_fewest_workers_that_meet_the_goal() -> None:
    """And there is none where not even the most do."""
    sizing = Sizing(1.0, ServiceTime((1.0,), 0.0), (waits(2, 900.0), waits(3, 60.0), waits(4, 2.0)))

    knees = [sizing.find_knee(goal_s) for goal_s in (900.0, 60.0, 59.0, 1.0)]

    assert [knee and knee.workers for knee in knees] == [2, 3, 4, None]


def test_more_workers_are_looked_at_until_nobody_waits(sizing: Sizing) -> None:
    """Each with less to do than the one before; and 95 of 100 jobs never wait longer."""
    workers = [each.workers for each in sizing.waits]
    p95_s = [each.p95_s for each in sizing.waits]

    assert workers == list(range(1, len(workers) + 1))
    assert p95_s == sorted(p95_s, reverse=True)
    assert p95_s[-1] < BARELY_S <= p95_s[-2]
    for each in sizing.waits:
        assert each.utilisation == pytest.approx(LOAD * SECONDS / DAY_S / each.workers, rel=0.02)
        assert each.p50_s <= each.p95_s <= each.p99_s
        assert each.urgent_p95_s <= each.p95_s


def test_workers_that_do_not_keep_up_with_a_day_are_left_out() -> None:
    """Their line never ends, so that its length would say how long was simulated."""
    a_day = 2.5 * DAY_S / 1000.0  # work for two workers and a half

    sizing = size(a_day, ServiceTime((1000.0,), 0.0), DayShape(), most_workers=4)
    none = size(a_day, ServiceTime((1000.0,), 0.0), DayShape(), most_workers=2)

    assert [each.workers for each in sizing.waits] == [3, 4]
    assert none.waits == ()
    assert none.find_knee(300.0) is None


def test_a_day_without_cts_is_refused() -> None:
    """There is nothing to size for."""
    with pytest.raises(ValueError, match="give more than 0"):
        size(0.0, ServiceTime((3.0,), 0.0), DayShape())


def test_the_page_is_what_the_simulation_says(sizing: Sizing) -> None:
    """One row of it is made anew, and the assumptions: figures typed in by hand grow stale."""
    page = PAGE.read_text(encoding="utf-8")
    titles = [scenario.title for scenario in build_scenarios(None)]
    (title,) = (title for title in titles if f" {SECONDS:g} s" in title)

    block = page.partition(f"### {title}\n")[2].partition("###")[0]

    assert f"| {' | '.join(build_row(sizing))} |" in block.splitlines()
    assert build_assumptions(DayShape()) in page


def test_the_page_keeps_its_words_and_a_scenario_its_load_that_is_too_much() -> None:
    """Where no number of workers is enough, none is shown."""
    scenario = Scenario("GPU", "An assumption.", ServiceTime((60.0,), 0.0))
    sizing = Sizing(50_000, scenario.service, (waits(64, 4000.0),))

    page = build_page(f"Words.\n{BEGIN}\nold tables", {scenario: [sizing]}, None)

    assert page.startswith(f"Words.\n{BEGIN}\n\n### GPU\n\nAn assumption.\n")
    assert "| 50,000 | more than 64 | more than 64 | - |" in page
    assert "old tables" not in page
    with pytest.raises(ValueError, match="the page needs the line"):
        build_page("Words.", {scenario: [sizing]}, None)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.2, "0 s"),
        (45.0, "45 s"),
        (60.0, "1 min"),
        (300.0, "5 min"),
        (1800, "30 min"),
        (9e3, "2.5 h"),
    ],
)
def test_seconds_are_shown_as_a_person_says_them(seconds: float, shown: str) -> None:
    """Nobody reads 1,812 seconds."""
    assert show_seconds(seconds) == shown


def test_the_picture_is_the_same_for_the_same_waits() -> None:
    """So that it changes in the repository only when what it shows does."""
    pytest.importorskip("matplotlib", reason="needs the training extra")
    from benchmarks.sizing_picture import draw_picture

    service = ServiceTime((3.0,), 0.0)
    few = Sizing(1000, service, (waits(1, 200.0), waits(2, 5.0)))
    fewer = Sizing(1000, service, (waits(1, 200.0),))

    first, second, other = (draw_picture({"GPU": [each]}) for each in (few, few, fewer))

    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert first == second
    assert first != other


def test_a_site_gets_an_answer_for_its_own_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sizing: Sizing
) -> None:
    """The same that the page has for the same numbers."""
    asked = ["queueing", "--seconds", f"{SECONDS:g}", "--a-day", f"{LOAD}", "--goals", "300", "60"]
    monkeypatch.setattr(sys, "argv", asked)

    main()

    printed = capsys.readouterr().out
    looser, stricter = (sizing.find_knee(goal_s) for goal_s in (300.0, 60.0))
    assert looser is not None
    assert stricter is not None
    assert f"95 of 100 jobs start within 5 min: {looser.workers}" in printed
    assert f"95 of 100 jobs start within 1 min: {stricter.workers}" in printed


def test_a_slip_in_a_sites_own_numbers_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a sentence, not in a traceback."""
    monkeypatch.setattr(sys, "argv", ["queueing", "--seconds", "-3", "--a-day", "400"])

    with pytest.raises(SystemExit):
        main()

    assert "seconds are above 0" in capsys.readouterr().err
