"""When a client is too slow, to the moment."""

from __future__ import annotations

import pytest

from service.client_patience import ClientPatience, PatienceLimits, Phase

LIMITS = PatienceLimits(
    head_seconds=10.0,
    idle_seconds=30.0,
    request_seconds=1800.0,
    least_bytes_per_second=10_000.0,
    rate_seconds=30.0,
)


def find_end(patience: ClientPatience, begin: float, end: float, **how: bool) -> float | None:
    """The first whole second after `begin` at which the client is found too slow."""
    ways = {"is_reading": True, "is_read": True, **how}
    for second in range(int(begin) + 1, int(end) + 1):
        if patience.look(float(second), **ways) is not None:
            return float(second)
    return None


def in_body(now: float = 0.0, limits: PatienceLimits = LIMITS) -> ClientPatience:
    """A client that has just sent its headers."""
    patience = ClientPatience(limits, now)
    patience.enter(Phase.BODY, now)
    return patience


def test_headers_have_their_time_and_no_more() -> None:
    """Whether nothing comes, or one byte now and then."""
    patience = ClientPatience(LIMITS, 0.0)
    for second in range(10):
        patience.hear(1, float(second))

    assert patience.look(10.0, is_reading=True, is_read=True) is None
    assert patience.look(10.1, is_reading=True, is_read=True) == (
        "its request's headers do not end"
    )


def test_the_time_of_a_second_request_begins_with_its_first_byte() -> None:
    """The silence between two requests is uvicorn's to judge."""
    patience = in_body()
    patience.enter(Phase.ANSWER, 1.0)
    patience.enter(Phase.HEAD, 2.0)
    patience.begin_request(6.0)

    assert find_end(patience, 6.0, 60.0) == 17.0


def test_a_body_that_stops_has_the_idle_time() -> None:
    """From its last byte on."""
    patience = in_body()
    patience.hear(1_000_000, 5.0)

    assert find_end(patience, 5.0, 100.0) == 36.0


@pytest.mark.parametrize(("bytes_per_second", "end"), [(9_999, 30.0), (10_000, None)])
def test_a_body_has_a_least_rate(bytes_per_second: int, end: float | None) -> None:
    """At its edge."""
    patience = in_body()

    found = None
    for second in range(1, 100):
        patience.hear(bytes_per_second, float(second))
        if patience.look(float(second), is_reading=True, is_read=True) is not None:
            found = float(second)
            break

    assert found == end


def test_a_quick_beginning_is_no_credit_for_later() -> None:
    """Else a gigabyte would buy hours of one byte each."""
    patience = in_body()
    patience.hear(1_000_000_000, 1.0)

    ends = []
    for second in range(2, 100):
        patience.hear(1, float(second))
        if patience.look(float(second), is_reading=True, is_read=True) is not None:
            ends.append(second)

    assert ends[0] == 60


def test_time_in_which_the_server_does_not_read_is_not_the_clients() -> None:
    """Its disk may be slower than the network."""
    patience = in_body()

    assert find_end(patience, 0.0, 500.0, is_reading=False) is None
    assert find_end(patience, 500.0, 600.0) == 530.0


def test_no_request_takes_longer_than_a_request_may() -> None:
    """However steadily it comes."""
    patience = in_body()

    found = None
    for second in range(1, 2000):
        patience.hear(20_000, float(second))
        if patience.look(float(second), is_reading=True, is_read=True) is not None:
            found = second
            break

    assert found == 1801


def test_files_may_take_any_time_at_the_least_rate() -> None:
    """A large series over a slow line would never arrive."""
    patience = in_body()

    for second in range(1, 2000):
        patience.hear(20_000, float(second))
        now = float(second)
        assert patience.look(now, is_reading=True, is_read=True, brings_files=True) is None
    assert find_end(patience, 2000.0, 2100.0, brings_files=True) is not None


def test_an_answer_may_take_any_time_but_must_be_read() -> None:
    """A job is followed for hours; a client that reads nothing holds its answer in memory."""
    patience = in_body()
    patience.enter(Phase.ANSWER, 1.0)

    assert find_end(patience, 1.0, 10_000.0) is None
    assert find_end(patience, 10_000.0, 10_100.0, is_read=False) == 10_032.0


def test_a_client_that_goes_on_reading_is_forgiven() -> None:
    """Slowly is not never."""
    patience = in_body()
    patience.enter(Phase.ANSWER, 1.0)

    for begin in range(0, 200, 20):
        assert find_end(patience, begin, begin + 19, is_read=False) is None
        assert patience.look(begin + 20.0, is_reading=True, is_read=True) is None
