"""The page says what was found, and what was not."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.findings import count_all, count_none, find_percentile, time_within
from tests.chaos.page import BEGIN, Record, build_page
from tests.chaos.trials import Trial

TRIAL = Trial("killed", "Something is killed", lambda *_: [])


def test_a_trial_is_a_table_of_what_was_measured_beside_its_goal() -> None:
    """What does not hold stands out, and nothing of an earlier page stays."""
    findings = (
        count_all("jobs done", 49, 50),
        count_none("jobs lost", []),
        count_none("jobs doubled", ["a", "b"]),
        time_within("until it runs again", [1.0, 2.0, 61.0], 95, 60.0),
    )
    record = Record(findings, seed=7, seconds=90.0, machine="two cores")

    trials = [TRIAL, replace(TRIAL, name="frozen")]

    page = build_page(f"# Words\n{BEGIN}\nold tables", trials, {"killed": record})

    assert page.startswith(f"# Words\n{BEGIN}\n\n## Something is killed\n")
    assert "| jobs done | 49 of 50 | 50 | **no** |" in page
    assert "| jobs doubled | 2 (a; b) | 0 | **no** |" in page
    assert "| until it runs again | p95 61.0 s (3 times) | p95 at most 60.0 s | **no** |" in page
    assert "Looked for and not found: jobs lost." in page
    assert "`killed`, 1.5 minutes, seed 7; two cores." in page
    assert page.endswith("\n\nNot run at full length so far: frozen.\n")
    assert "old tables" not in page


def test_percentiles_are_of_the_nearest_rank() -> None:
    """Twenty times: the 95th percentile is the nineteenth, the hundredth the last."""
    values = [float(n) for n in range(1, 21)]

    assert [find_percentile(values, percent) for percent in (50, 95, 100)] == [10.0, 19.0, 20.0]
    assert time_within("x", values, 95, 19.0).holds
    assert not time_within("x", values, 95, 18.9).holds
