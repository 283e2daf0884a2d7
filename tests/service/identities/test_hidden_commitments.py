"""Requests for commitment whose UIDs are sealed: one that does not open is one alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from contouring.errors import IdentityError
from service.dimse.reporter import Reporter
from service.identities.sealed_words import SEALED
from tests.service.identities.sites import Site, open_site
from tests.workers.arriving import CT, PACS
from tests.workers.processes import wait_until
from workers.commitment_store import HIDDEN, TRIES, Commitment, CommitmentStore
from workers.deliveries import Pauses
from workers.source_book import read_source_book
from workers.tables import commitments

AT_ONCE = Pauses(first_seconds=0.001, longest_seconds=0.001, total_hours=0.0)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site that keeps no names."""
    return open_site(tmp_path)


def ask_twice(
    site: Site, pauses: Pauses = TRIES, damaged: str = f"{SEALED}AAAA"
) -> tuple[CommitmentStore, Commitment, Commitment]:
    """A store with two requests, the first of which was damaged."""
    store = CommitmentStore(site.engine, pauses, identities=site.identities)
    first = store.add("9.9", PACS, [(CT, "1.2.3")], wait_seconds=-1)
    second = store.add("9.8", PACS, [(CT, "1.2.4")], wait_seconds=0)
    with site.engine.execution_options(oarlock_writes=True).begin() as connection:
        mine = update(commitments).where(commitments.c.id == first.id)
        connection.execute(mine.values(objects=[[HIDDEN, damaged]]))
    return store, first, second


@pytest.mark.parametrize("damaged", [f"{SEALED}AAAA", f"{SEALED}!", "never sealed", ""])
def test_a_request_that_does_not_open_is_not_in_the_way_of_another(
    site: Site, damaged: str
) -> None:
    """It waits for its next try as one does whose sender is away."""
    store, _, second = ask_twice(site, damaged=damaged)
    with pytest.raises(IdentityError):
        store.claim_due()

    claimed = store.claim_due()

    assert claimed is not None
    assert (claimed.id, claimed.objects) == (second.id, second.objects)
    assert store.claim_due() is None


def test_a_request_that_never_opens_comes_to_an_end(site: Site) -> None:
    """Nobody can be told what it was about."""
    store, first, _ = ask_twice(site, AT_ONCE)

    with pytest.raises(IdentityError):
        store.claim_due()

    with site.engine.connect() as connection:
        left = select(func.count()).where(commitments.c.id == first.id)
        assert connection.scalar(left) == 0


def test_the_reporter_goes_on_to_others(site: Site) -> None:
    """A sender without an address is done with at once, which shows that its turn came."""
    store, first, _ = ask_twice(site)
    reporter = Reporter(store, read_source_book(None), lambda _: pytest.fail("nobody to tell"))

    def list_ids() -> list[str]:
        with site.engine.connect() as connection:
            return list(connection.scalars(select(commitments.c.id)))

    reporter.start()
    try:
        wait_until(lambda: list_ids() == [first.id], "the second one to be done with")
    finally:
        reporter.stop()
