"""Keys in the database: made, found, rotated, ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from workers.api_keys import PREFIX, is_key_name, make_key, read_key_id
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.key_store import FIRST, KeyStore
from workers.user_store import User, UserStore

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OWN = "oarlock_hospital0123456789abcdefghijklmnopqrstuvwxyz"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def find(store: KeyStore, key: str, clock: Clock) -> bool:
    """Whether a key lets somebody in."""
    found = store.find(read_key_id(key) or "")
    return found is not None and found.matches(key) and not found.is_over(clock())


def test_the_database_has_no_key_that_could_be_shown(engine: Engine) -> None:
    """Whoever reads a backup must not be able to log in with it."""
    key = KeyStore(engine).create("archive", ["sender"])

    assert key is not None
    with engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM api_keys"))
    kept = " ".join(str(value) for value in row)
    assert key not in kept
    assert key.removeprefix(PREFIX)[8:] not in kept


def test_keys_differ_and_have_the_bits_they_promise() -> None:
    """256 random bits are 43 characters of base64, after an id of eight."""
    keys = {make_key() for _ in range(1000)}

    assert len(keys) == 1000
    assert {len(key) for key in keys} == {len(PREFIX) + 8 + 43}
    assert len({read_key_id(key) for key in keys}) == 1000


@pytest.mark.parametrize("spoil", [str.upper, lambda key: key[:-1], lambda key: key + "A"])
def test_a_key_that_is_nearly_right_is_wrong(engine: Engine, spoil: object) -> None:
    """No prefix of it counts, and no other spelling."""
    store, clock = KeyStore(engine), Clock()
    key = store.create("archive", ["sender"])
    assert key is not None
    assert callable(spoil)

    assert find(store, key, clock)
    assert not find(store, spoil(key), clock)


def test_one_name_has_one_key_until_it_is_over(engine: Engine) -> None:
    """A log that names a key must mean one."""
    store = KeyStore(engine)
    first = store.create("archive", ["sender"])

    second = store.create("archive", ["administrator"])
    revoked = store.revoke("archive")
    third = store.create("archive", ["viewer"])

    assert (first is None, second, revoked, third is None) == (False, None, 1, False)
    assert [key.roles for key in store.list_all()] == [("sender",), ("viewer",)]


def test_a_rotated_key_ends_at_once_or_after_an_overlap(engine: Engine) -> None:
    """The new one has the roles of the old one, which may go on while it is being replaced."""
    clock = Clock()
    store = KeyStore(engine, clock)
    old = store.create("archive", ["sender"], "trial")
    assert old is not None

    middle = store.rotate("archive", timedelta(minutes=60))
    assert middle is not None
    clock.now += timedelta(minutes=59)
    during = [find(store, key, clock) for key in (old, middle)]
    clock.now += timedelta(minutes=2)
    after = [find(store, key, clock) for key in (old, middle)]
    new = store.rotate("archive")

    assert new is not None
    assert during == [True, True]
    assert after == [False, True]
    assert [find(store, key, clock) for key in (old, middle, new)] == [False, False, True]
    assert {(key.roles, key.project) for key in store.list_all()} == {(("sender",), "trial")}
    assert store.rotate("nobody") is None


def test_a_key_expires_and_can_be_revoked_by_its_id(engine: Engine) -> None:
    """A name may have been used before; an id means one key."""
    clock = Clock()
    store = KeyStore(engine, clock)
    short = store.create("short", ["viewer"], valid_for=timedelta(days=1))
    other = store.create("other", ["viewer"])
    assert short is not None
    assert other is not None

    clock.now += timedelta(days=1)
    counts = [store.revoke(read_key_id(other) or ""), store.revoke("nobody")]

    assert not find(store, short, clock)
    assert not find(store, other, clock)
    assert counts == [1, 0]
    assert not store.has_live()
    assert store.has_any()


def test_the_first_key_is_the_sites_and_stays_revoked(engine: Engine) -> None:
    """A restart must not bring back what somebody has taken away; another value is another key."""
    clock = Clock()
    store = KeyStore(engine, clock)

    for _ in range(2):
        store.ensure_first(OWN, ["administrator"])
    known = find(store, OWN, clock)
    store.revoke(FIRST)
    store.ensure_first(OWN, ["administrator"])
    revoked = find(store, OWN, clock)
    store.ensure_first(OWN[:-4] + "0000", ["administrator"])

    assert (known, revoked) == (True, False)
    assert not find(store, OWN, clock)
    assert find(store, OWN[:-4] + "0000", clock)


def test_only_an_empty_database_gets_a_first_key_by_itself(engine: Engine) -> None:
    """Where all keys were revoked, somebody wanted it so."""
    store = KeyStore(engine)

    first = store.make_first(["administrator"])
    store.revoke(FIRST)

    assert first is not None
    assert store.make_first(["administrator"]) is None


def test_its_last_use_is_noted_to_the_minute(engine: Engine) -> None:
    """A key that nobody uses can be revoked; a write for each slice would cost too much."""
    clock = Clock()
    store = KeyStore(engine, clock)
    store.create("archive", ["sender"])

    noted = []
    for seconds in (0, 30, 90):
        clock.now = NOON + timedelta(seconds=seconds)
        (key,) = store.list_all()
        store.note_use(key)
        noted.append(store.list_all()[0].last_used_at)

    assert noted == [NOON, NOON, NOON + timedelta(seconds=90)]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("archive", True), ("ct-1.b_c@site", True), ("a:b", False), ("", False), ("a" * 65, False)],
)
def test_what_a_key_may_be_called(name: str, is_one: bool) -> None:
    """It is the user's name of HTTP Basic, which ends at a colon."""
    assert is_key_name(name) is is_one


def test_users_are_put_listed_and_removed(engine: Engine) -> None:
    """What is put again takes the place of what was there."""
    store = UserStore(engine)

    store.put(User("b", ("viewer",), None))
    store.put(User("a", ("viewer",), None))
    store.put(User("a", ("sender", "reviewer"), "trial"))

    assert store.list_all() == (
        User("a", ("reviewer", "sender"), "trial"),
        User("b", ("viewer",), None),
    )
    assert store.find("a") == User("a", ("reviewer", "sender"), "trial")
    assert [store.remove("a"), store.remove("a"), store.find("a")] == [True, False, None]


def test_each_change_of_a_key_or_user_is_recorded(engine: Engine) -> None:
    """With the change, by the id that may be shown; what changes nothing leaves none."""
    keys, users = KeyStore(engine), UserStore(engine)
    first = keys.create("archive", ["viewer", "sender"], "trial-7")
    second = keys.rotate("archive")
    keys.create("archive", ["sender"])  # there is one
    keys.revoke("archive")
    keys.revoke("archive")
    keys.ensure_first(OWN, ["administrator"])
    keys.ensure_first(OWN, ["administrator"])
    users.put(User("jane", ("reviewer",), None))
    users.remove("jane")
    users.remove("jane")

    records = list(AuditStore(engine).search(AuditFilter()))

    assert first is not None
    assert second is not None
    told = [(one.event.value, one.details.get("key", "")) for one in records]
    assert told == [
        ("key-made", read_key_id(first)),
        ("key-rotated", read_key_id(first)),
        ("key-made", read_key_id(second)),
        ("key-revoked", read_key_id(second)),
        ("key-made", read_key_id(OWN)),
        ("user-changed", ""),
        ("user-removed", ""),
    ]
    made = {"name": "archive", "roles": "sender,viewer", "project": "trial-7"}
    assert records[2].details == {"key": read_key_id(second), **made}
    assert records[5].details == {"name": "jane", "roles": "reviewer", "project": ""}
    assert not any(key in str(records) for key in (first, second, OWN))
