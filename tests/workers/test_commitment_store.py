"""A commitment that was asked for is tried by one at a time, again and again, until it is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from tests.workers.arriving import CT, PACS
from workers.commitment_store import CommitmentStore
from workers.deliveries import Pauses

OBJECTS = [(CT, "1.2.3"), (CT, "1.2.4")]
AT_ONCE = Pauses(first_seconds=0.001, longest_seconds=0.001, total_hours=0.0)


@pytest.fixture
def commitments(engine: Engine) -> CommitmentStore:
    """Commitments of an empty database."""
    return CommitmentStore(engine)


def test_a_request_is_remembered_as_it_was_asked(commitments: CommitmentStore) -> None:
    """Whoever claims it need not be the process that heard it."""
    added = commitments.add("9.9", PACS, OBJECTS, wait_seconds=0)

    claimed = commitments.claim_due()

    assert claimed is not None
    assert (claimed.id, claimed.transaction_uid, claimed.source) == (added.id, "9.9", PACS)
    assert (claimed.objects, claimed.tries) == (tuple(OBJECTS), 1)


def test_a_request_is_not_due_before_its_sender_had_time_to_wait(
    commitments: CommitmentStore,
) -> None:
    """It is told on its association first; once that is over, at once."""
    added = commitments.add("9.9", PACS, OBJECTS, wait_seconds=100)
    before = commitments.claim_due()

    commitments.hasten(added)

    assert before is None
    assert commitments.claim_due() is not None


def test_two_nodes_do_not_tell_the_same_sender_at_once(commitments: CommitmentStore) -> None:
    """A claim puts the next try off."""
    commitments.add("9.9", PACS, OBJECTS, wait_seconds=0)

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: commitments.claim_due(), range(8)))

    assert len([claim for claim in claims if claim is not None]) == 1


def test_tries_come_to_an_end(engine: Engine) -> None:
    """A sender that is gone for good is not asked for ever."""
    commitments = CommitmentStore(engine, AT_ONCE)
    commitments.add("9.9", PACS, OBJECTS, wait_seconds=0)
    claimed = commitments.claim_due()
    assert claimed is not None
    assert commitments.is_last_try(claimed)

    commitments.remove(claimed)

    assert commitments.claim_due() is None
