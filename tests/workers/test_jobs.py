"""What a job is, and which way its states go."""

from __future__ import annotations

from workers.jobs import (
    CLAIMABLE,
    TERMINAL,
    TRANSITIONS,
    JobState,
    build_job_key,
    build_series_digest,
    find_sources,
)


def test_every_state_has_its_transitions_and_can_be_reached() -> None:
    """A state that the table forgets would be a job that nobody can move."""
    reachable = set().union(*TRANSITIONS.values())

    assert set(TRANSITIONS) == set(JobState)
    assert reachable == set(JobState)


def test_a_worker_never_claims_a_job_that_has_ended() -> None:
    """Running an ended job again is for a person to ask."""
    assert set(CLAIMABLE).isdisjoint(TERMINAL)
    assert set(find_sources(JobState.DONE)) == {JobState.RUNNING, JobState.PARTIAL}


def test_the_order_of_the_files_does_not_change_a_series() -> None:
    """A sender may send the same files in any order."""
    instances = [("1.2", "a" * 64), ("1.3", "b" * 64)]

    assert build_series_digest(instances) == build_series_digest(reversed(instances))


def test_other_bytes_under_the_same_uid_are_another_series() -> None:
    """A corrected slice must not be answered with the contours of the wrong one."""
    first, second = [("1.2", "a" * 64)], [("1.2", "b" * 64)]

    assert build_series_digest(first) != build_series_digest(second)


def test_model_and_parameters_make_another_job() -> None:
    """The same series contoured differently is another result."""
    keys = {
        build_job_key("series", "model", {}),
        build_job_key("series", "other model", {}),
        build_job_key("other series", "model", {}),
        build_job_key("series", "model", {"threshold": 0.5}),
    }

    assert len(keys) == 4


def test_the_order_of_parameters_does_not_change_a_job() -> None:
    """JSON objects have no order."""
    first = build_job_key("series", "model", {"a": 1, "b": 2})

    assert first == build_job_key("series", "model", {"b": 2, "a": 1})
