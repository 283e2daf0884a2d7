"""When a server begins to keep no names, and what it refuses to begin with."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete

from contouring.errors import IdentitySettingsError, MixedIdentitiesError
from service.identities import sealed_identities
from service.identities.identity_key import make_key_file
from tests.contouring.ct_files import write_tiny_series
from tests.service.identities.sites import Site, open_site
from workers.content_hash import ContentHash
from workers.holdings import Holding
from workers.identity_store import IdentityStore
from workers.instances import identify
from workers.tables import arrivals, arrived_instances, audit_records, instances


def keep_something(folder: Path, **changes: object) -> Site:
    """A site with a series."""
    site = open_site(folder, **changes)
    site.keep(write_tiny_series(folder / "ct"))
    return site


def test_it_is_off_by_default(tmp_path: Path) -> None:
    """What is kept is what came."""
    site = open_site(tmp_path, deidentify="")

    (kept, *_) = site.keep(write_tiny_series(tmp_path / "ct"))

    assert kept.identity is None
    assert b"Phantom^Oarlock" in site.files.find(kept.sha256).read_bytes()


@pytest.mark.parametrize(
    ("first", "then"), [("", "basic"), ("basic", ""), ("basic", "basic,dates")]
)
def test_it_is_not_changed_while_a_series_is_kept(tmp_path: Path, first: str, then: str) -> None:
    """One half of a series would tell whose the other is."""
    keep_something(tmp_path, deidentify=first)

    with pytest.raises(MixedIdentitiesError, match="OARLOCK_DEIDENTIFY"):
        open_site(tmp_path, deidentify=then)
    open_site(tmp_path, deidentify=first)


def test_another_part_does_not_change_it_on_the_first_day(tmp_path: Path) -> None:
    """A node without the setting would keep names beside a service that keeps none."""
    site = open_site(tmp_path)
    make_key_file(tmp_path / "other.key")

    for profile in ("", "basic,dates"):
        with pytest.raises(MixedIdentitiesError, match="forget-mode"):
            open_site(tmp_path, deidentify=profile)
    with pytest.raises(IdentitySettingsError, match=r"other\.key is not the key"):
        open_site(tmp_path, identity_key_file=tmp_path / "other.key")
    assert open_site(tmp_path).identities.hide_uid("1.2") == site.identities.hide_uid("1.2")


def test_a_plain_part_keeps_nothing_after_another_one_chose(tmp_path: Path) -> None:
    """It started first, and had kept nothing that would have told the other."""
    plain = open_site(tmp_path, deidentify="")
    hiding = open_site(tmp_path)

    with pytest.raises(MixedIdentitiesError, match="OARLOCK_DEIDENTIFY=basic"):
        plain.keep(write_tiny_series(tmp_path / "ct"))

    assert list((tmp_path / "data" / "instances").glob("*")) == []
    hiding.keep(write_tiny_series(tmp_path / "ct"))


def test_a_part_that_chooses_after_the_first_plain_object_does_not_start(tmp_path: Path) -> None:
    """Not even where that object is on its way and no row names it."""
    plain = open_site(tmp_path, deidentify="")
    (file, *_) = write_tiny_series(tmp_path / "ct")

    plain.identities.hide(identify(file, ContentHash().hexdigest()))

    with pytest.raises(MixedIdentitiesError, match="kept without it"):
        open_site(tmp_path)


def test_it_is_chosen_anew_once_somebody_says_so(tmp_path: Path) -> None:
    """Whoever tries it out need not begin with another folder."""
    for profile in ("basic", "", "basic,dates", "basic"):
        site = open_site(tmp_path, deidentify=profile)
        assert IdentityStore(site.engine).forget_mode()


@pytest.mark.parametrize(("first", "then"), [("", "basic"), ("basic", "")])
def test_it_is_not_forgotten_while_a_series_is_kept(tmp_path: Path, first: str, then: str) -> None:
    """Nor by the command."""
    site = keep_something(tmp_path, deidentify=first)

    assert not IdentityStore(site.engine).forget_mode()

    with pytest.raises(MixedIdentitiesError):
        open_site(tmp_path, deidentify=then)


def test_a_plain_site_stays_plain_when_all_is_purged(tmp_path: Path) -> None:
    """Its other parts may be under way."""
    site = keep_something(tmp_path, deidentify="")
    open_site(tmp_path, deidentify="")
    with site.engine.execution_options(oarlock_writes=True).begin() as connection:
        for table in (arrived_instances, arrivals, instances, audit_records):
            connection.execute(delete(table))

    with pytest.raises(MixedIdentitiesError, match="forget-mode"):
        open_site(tmp_path)

    assert IdentityStore(site.engine).forget_mode()
    open_site(tmp_path)


def test_another_key_is_refused(tmp_path: Path) -> None:
    """It would open nothing that is here."""
    keep_something(tmp_path)
    other = tmp_path / "other.key"
    make_key_file(other)

    with pytest.raises(IdentitySettingsError, match=r"other\.key is not the key"):
        open_site(tmp_path, identity_key_file=other)


@pytest.mark.parametrize(
    "profile", ["Basic", "all", "basic,everything", "dates", "basic dates", ","]
)
def test_a_profile_that_is_not_known_is_refused(tmp_path: Path, profile: str) -> None:
    """A word that is taken for none would keep what was not meant to be."""
    with pytest.raises(IdentitySettingsError, match="OARLOCK_DEIDENTIFY"):
        open_site(tmp_path, deidentify=profile)


def test_nothing_of_the_service_lies_where_workers_read(tmp_path: Path) -> None:
    """Neither what comes in nor the key."""
    key = tmp_path / "data" / "identity.key"
    key.parent.mkdir()
    make_key_file(key)
    open_staging = tmp_path / "open"
    open_staging.mkdir()
    open_staging.chmod(0o755)

    for changes, name in (
        ({"staging": None}, "OARLOCK_STAGING"),
        ({"staging": tmp_path / "data" / "staging"}, "OARLOCK_STAGING"),
        ({"identity_key_file": key}, "OARLOCK_IDENTITY_KEY_FILE"),
        ({"staging": open_staging}, "chmod 700"),
        ({"staging": tmp_path}, "holds the data folder"),
    ):
        with pytest.raises(IdentitySettingsError, match=name):
            open_site(tmp_path, **changes)


def test_a_sweep_leaves_what_else_lies_in_the_service_s_folder(tmp_path: Path) -> None:
    """The key may lie beside what comes in, and is needed for ever."""
    key = tmp_path / "staging" / "identity.key"
    key.parent.mkdir(mode=0o700)
    make_key_file(key)
    site = open_site(tmp_path, identity_key_file=key)
    left = site.series.staging / "left"
    left.write_bytes(b"by a process that died")
    for file in (key, left):
        os.utime(file, (0, 0))

    site.series.sweep()

    assert (key.exists(), left.exists()) == (True, False)


def test_threads_may_begin_the_memory_of_uids_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one of them looked up is not another's to forget."""
    monkeypatch.setattr(sealed_identities, "REMEMBERED", 2)
    site = open_site(tmp_path)
    kept = [one.sha256 for one in site.keep(write_tiny_series(tmp_path / "ct"))]
    holdings = [
        [Holding(site.files.find(one), *[""] * 5, None) for one in kept[first : first + 4]]
        for first in range(4)
    ]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(site.identities.reveal_holdings, holdings * 200))
    finally:
        sys.setswitchinterval(interval)

    assert all(len(one) == 4 for one in told)


def test_a_site_s_files_are_not_encrypted_by_study_as_well(tmp_path: Path) -> None:
    """Workers would need that key, and nobody has tried the two together."""
    with pytest.raises(IdentitySettingsError, match="OARLOCK_ENCRYPTION_KEY_FILE do not work"):
        open_site(tmp_path, encryption_key_file=tmp_path / "keys")


def test_without_its_library_the_server_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only sites that ask for it install it."""
    monkeypatch.setitem(sys.modules, "dicomanonymizer.simpledicomanonymizer", None)

    with pytest.raises(IdentitySettingsError, match=r"pip install 'oarlock\[deidentify\]'"):
        open_site(tmp_path)
