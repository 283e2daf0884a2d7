"""`oarlock identities`, and the audit records of a site whose workers stand elsewhere."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.cli.shell import run
from tests.contouring.ct_files import write_tiny_series
from tests.service.identities.sites import open_site
from tests.workers.processes import find_free_port


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """A second one in its place would lock everything away."""
    file = tmp_path / "identity.key"

    made = run("identities", "make-key", str(file))
    again = run("identities", "make-key", str(file))

    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert again.returncode != 0
    assert "No key is made" in again.stderr


def test_no_server_begins_without_its_key(tmp_path: Path) -> None:
    """It says in one line what to do, and keeps nothing meanwhile."""
    environment = {
        "OARLOCK_DATA": str(tmp_path / "data"),
        "OARLOCK_REDIS_URL": "redis://127.0.0.1:1",
        "OARLOCK_PORT": str(find_free_port()),
        "OARLOCK_DIMSE_PORT": str(find_free_port()),
        "OARLOCK_DEIDENTIFY": "basic",
        "OARLOCK_STAGING": str(tmp_path / "staging"),
        "COLUMNS": "200",
    }

    for command in ("service", "serve", "dimse"):
        refused = run(command, **environment)

        assert refused.returncode == 2, refused.stderr
        assert "oarlock identities make-key" in refused.stderr, command


def test_a_mode_is_forgotten_while_nothing_is_kept(tmp_path: Path) -> None:
    """A key that was lost on the first day; later it must not be."""
    site = open_site(tmp_path)
    environment = {"OARLOCK_DATA": str(tmp_path / "data"), "COLUMNS": "200"}

    forgotten = run("identities", "forget-mode", **environment)
    open_site(tmp_path, deidentify="basic,dates").keep(write_tiny_series(tmp_path / "ct"))
    refused = run("identities", "forget-mode", **environment)

    assert site.settings.deidentify == "basic"
    assert forgotten.returncode == 0, forgotten.stderr
    assert refused.returncode != 0
    assert "begin with another data folder" in refused.stderr


def test_a_uid_of_the_records_leads_to_the_study_and_back(tmp_path: Path) -> None:
    """Records and workers name the one, the hospital's archive the other."""
    site = open_site(tmp_path)
    (kept, *_) = site.keep(write_tiny_series(tmp_path / "ct"))
    study = kept.as_sent.study_instance_uid
    environment = {
        "OARLOCK_DATA": str(tmp_path / "data"),
        "OARLOCK_DEIDENTIFY": "basic",
        "OARLOCK_STAGING": str(tmp_path / "staging"),
        "OARLOCK_IDENTITY_KEY_FILE": str(tmp_path / "identity.key"),
        "COLUMNS": "200",
    }

    shown = run("identities", "show", kept.study_instance_uid, **environment)
    back = run("identities", "show", study, **environment)
    found = run("audit", "search", "--patient", "OARLOCK-PHANTOM", **environment)
    without = run(
        *("audit", "search", "--patient", "OARLOCK-PHANTOM"),
        **{**environment, "OARLOCK_DEIDENTIFY": ""},
    )

    assert shown.stdout == back.stdout == f"came as  {study}\nkept as  {kept.study_instance_uid}\n"
    assert "series-imported" in found.stdout
    assert study not in found.stdout
    assert "series-imported" not in without.stdout
