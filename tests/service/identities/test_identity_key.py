"""The key of a site's identities: made once, read by one, and what is made with it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.errors import IdentitySettingsError, TamperedIdentityError
from service.identities.identity_key import IdentityKey, make_key_file, read_key_file

KEY, OTHER = IdentityKey(b"a" * 32), IdentityKey(b"b" * 32)
UIDS = st.lists(st.integers(0, 10**12), min_size=2, max_size=4).map(
    lambda parts: "1.2.3." + ".".join(map(str, parts))
)


def test_a_key_is_its_owners_alone_and_never_written_over(tmp_path: Path) -> None:
    """Whatever umask its maker has."""
    file = tmp_path / "identity.key"
    before = os.umask(0)
    try:
        make_key_file(file)
    finally:
        os.umask(before)

    mark = read_key_file(file).mark
    with pytest.raises(FileExistsError):
        make_key_file(file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_key_file(file).mark == mark


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """It may have been copied already."""
    file = tmp_path / "identity.key"
    make_key_file(file)
    file.chmod(mode)

    with pytest.raises(IdentitySettingsError, match="open to others"):
        read_key_file(file)


@pytest.mark.parametrize(
    "content", [b"", b"oarlock-identities-1:", b"secret", b"oarlock-identities-1:AAAA", b"\xff\xfe"]
)
def test_what_is_no_key_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    """Half a key would seal what nobody opens again."""
    file = tmp_path / "identity.key"
    file.write_bytes(content)
    file.chmod(0o600)

    with pytest.raises(IdentitySettingsError, match="make-key"):
        read_key_file(file)


def test_a_key_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    """Nor is one made in its place: what is kept would have two."""
    for path in (None, tmp_path / "none", tmp_path):
        with pytest.raises(IdentitySettingsError):
            read_key_file(path)


@given(UIDS, UIDS)
def test_a_uid_is_replaced_by_one_that_is_valid_and_its_own(one: str, another: str) -> None:
    """PS3.5 9.1 and B.2; nobody without the key can make it of the original."""
    hidden = KEY.hide_uid(one)

    assert hidden == KEY.hide_uid(f"{one}\0")
    assert hidden.startswith("2.25.")
    assert len(hidden) <= 64
    assert hidden != OTHER.hide_uid(one)
    assert (hidden == KEY.hide_uid(another)) == (one == another)


def test_uids_of_the_standard_stay() -> None:
    """Classes and transfer syntaxes are nobody's."""
    assert KEY.hide_uid("1.2.840.10008.5.1.4.1.1.2") == "1.2.840.10008.5.1.4.1.1.2"
    assert KEY.hide_uid("") == ""


def test_what_is_sealed_opens_in_its_own_place_with_its_own_key() -> None:
    """Moved, changed or made by another site, it opens nowhere."""
    sealed = KEY.seal(b"whose it is", "uids 1")

    assert KEY.unseal(sealed, "uids 1") == b"whose it is"
    assert sealed != KEY.seal(b"whose it is", "uids 1")
    broken = [sealed[:-1], sealed[:5], b"", bytes([sealed[0] ^ 1]) + sealed[1:]]
    for key, content, place in [
        (KEY, sealed, "uids 2"),
        (OTHER, sealed, "uids 1"),
        *((KEY, one, "uids 1") for one in broken),
    ]:
        with pytest.raises(TamperedIdentityError):
            key.unseal(content, place)
