"""The file of master keys is made, read, and refused by name where it is not sound."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from contouring.errors import EncryptionKeyError
from workers.encryption.key_ring import add_key, forget_older_keys, read_key_ring


def test_new_keys_are_added_and_the_newest_is_in_use(tmp_path: Path) -> None:
    """The older ones go on to open what they have wrapped."""
    path = tmp_path / "keys"

    ids = [add_key(path) for _ in range(3)]
    ring = read_key_ring(path)

    assert [*ring.keys] == ids
    assert ring.current == ids[-1]
    assert len(set(ring.keys.values())) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["keys"]


def test_older_keys_can_be_forgotten(tmp_path: Path) -> None:
    """Then they open nothing any more, in no backup either."""
    path = tmp_path / "keys"
    old, new, newest = (add_key(path) for _ in range(3))
    before = read_key_ring(path).keys

    gone = forget_older_keys(path, new)

    assert gone == [old]
    assert read_key_ring(path).keys == {new: before[new], newest: before[newest]}
    assert read_key_ring(path).current == newest
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "no key"),
        ("# a comment\n", "no key"),
        ("oarlock-master-1:AAAA\n", "no key of Oarlock's"),
        ("something else\n", "no key of Oarlock's"),
        ("oarlock-master-1:!!!!\n", "no key of Oarlock's"),
        ("oarlock-master-2:" + "A" * 43 + "=\n", "no key of Oarlock's"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(
    content: str, fault: str, tmp_path: Path
) -> None:
    """Whoever names the wrong file must learn that it is the wrong one."""
    path = tmp_path / "keys"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(EncryptionKeyError, match=fault):
        read_key_ring(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_file_that_others_may_read_or_write_is_refused(mode: int, tmp_path: Path) -> None:
    """A key that many have protects nothing."""
    path = tmp_path / "keys"
    add_key(path)
    path.chmod(mode)

    with pytest.raises(EncryptionKeyError, match="by others"):
        read_key_ring(path)


def test_a_file_that_is_missing_or_none_is_refused(tmp_path: Path) -> None:
    """A mistyped path must not make a server keep files plain."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(EncryptionKeyError, match=str(path)):
            read_key_ring(path)


def test_keys_are_not_kept_beside_what_they_open(tmp_path: Path) -> None:
    """Who takes the folder along would have both, also through a link."""
    data, outside = tmp_path / "data", tmp_path / "link"
    data.mkdir()
    add_key(data / "keys")
    outside.symlink_to(data / "keys")

    for path in (data / "keys", outside):
        with pytest.raises(EncryptionKeyError, match="in the data folder"):
            read_key_ring(path, data)
