"""How long a delivery is tried."""

from __future__ import annotations

import pytest

from workers.deliveries import Pauses

HOUR = 3600.0


def test_pauses_double_up_to_an_hour() -> None:
    """A receiver that restarts is found again soon; one that is away for days is not pestered."""
    pauses = Pauses()

    assert [pauses.find_seconds(tries) for tries in range(1, 10)] == [
        *(30, 60, 120, 240, 480, 960, 1920),
        *(3600, 3600),
    ]


@pytest.mark.parametrize(
    "pauses",
    [
        Pauses(),
        Pauses(first_seconds=7.0, longest_seconds=7.0, total_hours=1.0),
        Pauses(first_seconds=600.0, longest_seconds=900.0, total_hours=0.1),
        Pauses(first_seconds=60.0, longest_seconds=10.0, total_hours=2.0),
    ],
)
def test_the_pauses_between_all_tries_add_up_to_the_whole_time_and_to_no_more(
    pauses: Pauses,
) -> None:
    """Counted, so that a clock that jumps ends no delivery."""
    waited = [pauses.find_seconds(tries) for tries in range(1, pauses.tries_limit)]

    assert sum(waited) >= HOUR * pauses.total_hours > sum(waited[:-1])


def test_a_delivery_that_may_take_no_time_is_tried_once() -> None:
    """Nought is a number of hours, too."""
    assert Pauses(total_hours=0.0).tries_limit == 1
