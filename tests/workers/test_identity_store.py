"""By what a database keeps identities: settled once, by whichever part asks first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sqlalchemy import Engine

from workers.identity_store import IdentityStore

PARTS = 6


def test_parts_that_start_together_agree(engine: Engine) -> None:
    """A service and a DICOM node come up in one moment, as containers do."""
    together = Barrier(PARTS)

    def start(part: int) -> tuple[str, str] | None:
        store = IdentityStore(engine)
        together.wait()
        return store.agree("basic", f"key {part % 2}")

    with ThreadPoolExecutor(PARTS) as pool:
        agreed = set(pool.map(start, range(PARTS)))

    assert len(agreed) == 1
    assert agreed <= {("basic", "key 0"), ("basic", "key 1")}


def test_what_was_agreed_is_forgotten_on_request_alone(engine: Engine) -> None:
    """Another part may be under way that keeps by it."""
    store = IdentityStore(engine)
    store.agree("basic", "key")

    assert store.agree(None, "") == ("basic", "key")
    assert store.forget_mode()
    assert store.agree(None, "") is None
    assert store.agree("basic,dates", "other") == ("basic,dates", "other")
