"""Objects are gathered by source and series, each once, and never two contents of one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from tests.workers.arriving import MR, PACS, receive
from workers.arrival_store import ArrivalStore
from workers.arrivals import Arrival, ArrivalState, Verdict
from workers.database import migrate, open_engine

ACCEPTED = Verdict(ArrivalState.ACCEPTED, evidence="as many as its sender has")


@pytest.fixture
def arrivals(engine: Engine) -> ArrivalStore:
    """Arrivals of an empty database."""
    return ArrivalStore(engine)


def find_only(arrivals: ArrivalStore) -> Arrival:
    """The one arrival that is still open."""
    (arrival,) = arrivals.find_receiving()
    return arrival


def claim(arrivals: ArrivalStore) -> Arrival:
    """The one arrival that is still open, being judged."""
    claimed = arrivals.claim(find_only(arrivals))
    assert claimed is not None
    return claimed


def test_objects_of_one_series_gather_in_one_arrival(arrivals: ArrivalStore) -> None:
    """Whatever number of requests they come in, and each counts once."""
    arrivals.note(PACS, receive(range(5)), 30)
    arrivals.note(PACS, receive(range(3, 8)), 30)

    arrival = find_only(arrivals)

    assert arrival.received == 8
    assert arrivals.find_contents(arrival.id) == {
        one.sop_instance_uid: one.sha256 for one in receive(range(8))
    }


def test_two_sources_gather_apart(arrivals: ArrivalStore) -> None:
    """What one lacks, the other must not fill: they may have changed it on the way."""
    arrivals.note(PACS, receive(range(2)), 30)
    arrivals.note(replace(PACS, name="scanner"), receive(range(2, 5)), 30)

    assert sorted(one.received for one in arrivals.find_receiving()) == [2, 3]


def test_an_arrival_is_quiet_once_nothing_came_for_a_while(arrivals: ArrivalStore) -> None:
    """The countdown begins anew with every object."""
    arrivals.note(PACS, receive([1]), 0)
    assert find_only(arrivals).quiet_seconds_left == 0

    arrivals.note(PACS, receive([2]), 100)

    left = find_only(arrivals).quiet_seconds_left
    assert left is not None
    assert 90 < left <= 100


def test_what_is_no_ct_is_counted_and_not_gathered(arrivals: ArrivalStore) -> None:
    """It shows as ignored, and sent again it counts no more."""
    for _ in range(2):
        arrivals.note(PACS, receive(range(4), sop_class=MR), 30)

    assert arrivals.find_receiving() == ()
    (ignored,) = arrivals.list_page(10)
    assert (ignored.state, ignored.received) == (ArrivalState.IGNORED, 4)


@pytest.mark.parametrize("in_one_request", [True, False])
def test_an_object_with_other_bytes_is_never_mixed_in(
    arrivals: ArrivalStore, in_one_request: bool
) -> None:
    """The arrival it belonged to is set aside, and another begins with it."""
    first, changed = receive(range(3)), receive([1, 2], version="corrected")
    for batch in [[*first, *changed]] if in_one_request else [first, changed]:
        arrivals.note(PACS, batch, 30)

    arrival = find_only(arrivals)

    assert arrivals.find_contents(arrival.id) == {
        one.sop_instance_uid: one.sha256 for one in changed
    }
    (aside,) = arrivals.find_earlier(arrival)
    assert aside.state is ArrivalState.SET_ASIDE
    assert arrivals.find_contents(aside.id) == {one.sop_instance_uid: one.sha256 for one in first}


def test_what_comes_while_an_arrival_is_judged_begins_another(arrivals: ArrivalStore) -> None:
    """And the judge's word is about what he saw."""
    arrivals.note(PACS, receive(range(3)), 0)
    judged = claim(arrivals)

    arrivals.note(PACS, receive([3]), 0)
    arrivals.close(judged, ACCEPTED)

    late = find_only(arrivals)
    (earlier,) = arrivals.find_earlier(late)
    assert (earlier.id, earlier.state, earlier.received) == (judged.id, ArrivalState.ACCEPTED, 3)


def test_only_one_judges(arrivals: ArrivalStore) -> None:
    """And nobody judges what has grown since it was looked at."""
    arrivals.note(PACS, receive([1]), 0)
    seen = find_only(arrivals)
    arrivals.note(PACS, receive([2]), 0)

    assert arrivals.claim(seen) is None
    assert arrivals.claim(find_only(arrivals)) is not None
    assert arrivals.claim(seen) is None


def test_an_arrival_that_is_not_whole_waits_on(arrivals: ArrivalStore) -> None:
    """With what its sender says it has."""
    arrivals.note(PACS, receive([1]), 0)

    arrivals.wait_again(claim(arrivals), 50, expected=4)

    waiting = find_only(arrivals)
    assert (waiting.state, waiting.expected) == (ArrivalState.RECEIVING, 4)


def test_an_arrival_that_is_not_whole_gives_way_to_one_begun_meanwhile(
    arrivals: ArrivalStore,
) -> None:
    """Two at once would each wait for the other's slices."""
    arrivals.note(PACS, receive([1]), 0)
    arrival = claim(arrivals)
    arrivals.note(PACS, receive([2]), 0)

    arrivals.wait_again(arrival, 50, expected=4)

    newer = find_only(arrivals)
    assert newer.id != arrival.id
    (earlier,) = arrivals.find_earlier(newer)
    assert (earlier.id, earlier.state) == (arrival.id, ArrivalState.INCOMPLETE)


def test_associations_side_by_side_fill_one_arrival(arrivals: ArrivalStore) -> None:
    """Nothing is lost to another that begins the same arrival at the same moment."""
    with ThreadPoolExecutor(8) as pool:
        noted = pool.map(lambda number: arrivals.note(PACS, receive([number]), 30), range(40))
        assert len(frozenset[str]().union(*noted)) == 1

    assert find_only(arrivals).received == 40


def test_of_two_that_are_judged_at_once_the_newer_goes_on(arrivals: ArrivalStore) -> None:
    """It is judged with all that came before; the older would never see the newer's objects."""
    arrivals.note(PACS, receive([1]), 0)
    older = claim(arrivals)
    arrivals.note(PACS, receive([2]), 0)
    newer = claim(arrivals)

    arrivals.wait_again(older, 50, None)
    arrivals.wait_again(newer, 50, None)

    assert find_only(arrivals).id == newer.id
    assert [one.id for one in arrivals.find_earlier(newer)] == [older.id]


def test_whoever_judged_for_too_long_has_no_say(arrivals: ArrivalStore) -> None:
    """Slices may have come that he never saw."""
    arrivals.note(PACS, receive([1]), 0)
    first = claim(arrivals)
    second = replace(first, lease_until=(first.lease_until or 0) + 1)

    arrivals.close(second, ACCEPTED)
    arrivals.wait_again(second, 50, None)
    undecided = arrivals.list_page(1)[0].state
    arrivals.close(first, ACCEPTED)

    assert undecided is ArrivalState.JUDGING
    assert arrivals.list_page(1)[0].state is ArrivalState.ACCEPTED


def test_an_end_counts_only_if_nobody_broke_off_meanwhile(arrivals: ArrivalStore) -> None:
    """Of two associations side by side, the one that is cut off leaves a hole nobody sees."""
    (arrival_id,) = arrivals.note(PACS, receive([1]), 30)
    seen = arrivals.find_cuts([arrival_id])
    arrivals.break_off([arrival_id])

    arrivals.end(seen)
    ended_beside = find_only(arrivals).has_ended
    arrivals.end(arrivals.find_cuts([arrival_id]))

    assert (ended_beside, find_only(arrivals).has_ended) == (False, True)


def test_arrivals_keep_their_order_whatever_the_clock_says(engine: Engine) -> None:
    """Somebody sets it back by two hours between a series and its late slice."""
    moments = iter([datetime(2026, 1, 1, 12, tzinfo=UTC)] * 20)
    noon = ArrivalStore(engine, lambda: next(moments))
    noon.note(PACS, receive([1]), 0)
    first = claim(noon)
    noon.close(first, ACCEPTED)
    earlier = ArrivalStore(engine, lambda: datetime(2026, 1, 1, 10, tzinfo=UTC))
    earlier.note(PACS, receive([2]), 0)

    late = find_only(earlier)

    assert [one.id for one in earlier.find_earlier(late)] == [first.id]


def test_a_study_s_series_are_counted_by_an_index(tmp_path: Path) -> None:
    """They are whenever a series comes, among all that ever came."""
    engine = open_engine(f"sqlite:///{tmp_path / 'oarlock.sqlite'}")
    migrate(engine)
    asked: list[tuple[str, object]] = []
    event.listen(engine, "before_cursor_execute", lambda *said: asked.append(said[2:4]))

    ArrivalStore(engine).count_series("1.2.3", ["1.2.3.4"], "p")

    ((statement, parameters),) = [one for one in asked if "count(" in one[0]]
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    engine.dispose()
    assert "USING INDEX arrivals_study" in str(plan)
