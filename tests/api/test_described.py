"""Everybody is answered as openapi.yaml says, whatever is sent: a little of `make fuzz-api`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.answers import count_answers, find_faults, list_operations, tabulate
from tests.api.site import WHO, Site, run_site
from tests.api.trial import NO_ANSWER, PHASES, Plan, Trial, run_trial

SOME = ("examples", "fuzzing")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all."""
    with run_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.mark.parametrize("who", WHO)
def test_everybody_is_answered_as_described(site: Site, tmp_path: Path, who: str) -> None:
    """No 5xx, nothing that is not described, and every operation is reached by whoever may."""
    turn = WHO.index(who)
    phases = PHASES if who == "administrator" else SOME

    trial = run_trial(site, who, Plan(turn, 2, phases), tmp_path / "trial")

    assert trial.has_passed, trial.told
    assert find_faults(count_answers([trial]), [who]) == []
    assert trial.answers.total() >= 2 * len(list_operations())


def test_what_was_not_reached_is_found() -> None:
    """A check that finds nothing in no answer at all would find nothing ever."""
    reached = {("GET /v1/jobs", "viewer"): Counter({200: 1}), ("GET /v1/jobs", "sender"): Counter()}

    faults = find_faults(reached, ["viewer", "sender"])

    assert "GET /v1/jobs as sender was never answered with 403" in faults
    assert not [fault for fault in faults if fault.startswith("GET /v1/jobs as viewer")]
    assert len(faults) == 2 * len(list_operations()) - 1


def test_no_answer_and_a_server_error_are_faults() -> None:
    """Beside answers as they should be."""
    trial = Trial(
        "viewer",
        Counter(
            {
                ("GET /v1/jobs", "fuzzing", 200): 3,
                ("GET /v1/jobs", "fuzzing", 500): 1,
                ("GET /v1/jobs", "coverage", NO_ANSWER): 1,
            }
        ),
        0.1,
        True,
        "",
    )

    answers = count_answers([trial])

    assert {"GET /v1/jobs as viewer: 500", "GET /v1/jobs as viewer: no answer"} < set(
        find_faults(answers, ["viewer"])
    )
    assert "| `GET /v1/jobs` | none:1 200:3 500:1 |" in tabulate(answers, ["viewer"])
