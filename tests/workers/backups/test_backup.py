"""A backup is a state that the server had, whole; put back, it is that state again."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import func, select

from contouring.errors import BackupError
from tests.workers.backups.sites import NOW, Site
from workers.backups.backup import make_backup
from workers.backups.backup_list import ABOUT, SUMS
from workers.backups.restore import restore_backup, verify_backup
from workers.database import migrate, open_engine
from workers.jobs import NewJob
from workers.redis_server import RedisServer
from workers.settings import Settings
from workers.tables import jobs


@pytest.fixture
def site(database_url: str, tmp_path: Path, new_job: Callable[..., NewJob]) -> Iterator[Site]:
    """A server with two jobs."""
    data = tmp_path / "data"
    data.mkdir()
    engine = open_engine(database_url)
    migrate(engine)
    site = Site(Settings(data=data, database_url=database_url), engine, new_job)
    site.add_job("first")
    site.add_job("second")
    yield site
    engine.dispose()


def test_what_is_put_back_on_an_empty_machine_is_what_was_there(site: Site, tmp_path: Path) -> None:
    """Every row and every byte, on either database."""
    rows, files = site.read_rows(), site.read_files()
    made = site.back_up(tmp_path / "backup")
    site.lose_everything()

    restored = site.restore(tmp_path / "backup")

    assert (made.missing, made.damaged) == ([], [])
    assert restored.set_aside is None
    assert len(rows["jobs"]) == 2
    assert len(files) == 14
    assert site.read_rows() == rows
    assert site.read_files() == files
    migrate(site.engine)


def test_a_slice_takes_its_place_once_there_and_back(site: Site, tmp_path: Path) -> None:
    """Received object and series are two names of one file; a scan has hundreds of megabytes."""
    site.back_up(tmp_path / "backup")
    site.lose_everything()
    site.restore(tmp_path / "backup")

    for folder in (tmp_path / "backup", site.settings.data):
        slices = list((folder / "series").rglob("*.dcm"))
        assert len(slices) == 6
        assert all(path.stat().st_nlink == 2 for path in slices)


def test_the_list_is_one_that_sha256sum_checks(site: Site, tmp_path: Path) -> None:
    """Where backups are kept there may be no Oarlock."""
    site.back_up(tmp_path / "backup")

    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", SUMS],
        cwd=tmp_path / "backup",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout) == (0, "")


def test_what_is_purged_while_the_backup_runs_is_not_in_it(site: Site, tmp_path: Path) -> None:
    """Not its rows, for their files are gone; not its files, for they were to be forgotten."""
    job_id = site.add_job("third")
    purged = False

    def purge_once(_fraction: float) -> None:
        nonlocal purged
        if not purged:
            purged = True
            site.purge(job_id, "third")

    made = site.back_up(tmp_path / "backup", purge_once)

    names = " ".join(made.sums)
    assert purged
    assert made.missing == []
    assert "series/first" in names
    assert "series/third" not in names
    assert job_id not in names
    assert not (tmp_path / "backup" / "series" / "third" / "slice-0001.dcm").exists()
    site.lose_everything()
    site.restore(tmp_path / "backup")
    with site.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(jobs)) == 2


def test_what_comes_in_while_the_backup_runs_breaks_nothing(site: Site, tmp_path: Path) -> None:
    """A server is not stopped for it: the new job is in the next backup."""
    added: list[str] = []

    def add_once(_fraction: float) -> None:
        if not added:
            added.append(site.add_job("third"))

    made = site.back_up(tmp_path / "backup", add_once)

    assert len(added) == 1
    assert made.missing == []
    verify_backup(tmp_path / "backup")
    site.lose_everything()
    site.restore(tmp_path / "backup")
    with site.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(jobs)) == 2


def test_files_that_were_lost_or_damaged_before_are_named(site: Site, tmp_path: Path) -> None:
    """The rest is backed up: it is all that there is."""
    (damaged, lost) = sorted((site.settings.data / "instances").iterdir())[:2]
    lost.unlink()
    damaged.write_bytes(b"rotten")

    made = site.back_up(tmp_path / "backup")

    assert made.missing == [f"instances/{lost.name}"]
    assert made.damaged == [f"instances/{damaged.name}"]
    about, _ = verify_backup(tmp_path / "backup")
    assert about.missing == tuple(made.missing)


def find_backup_files(folder: Path) -> list[str]:
    """One of each kind."""
    database = next(folder.glob("oarlock.*"))
    kinds = [next((folder / top).rglob("*.dcm")) for top in ("instances", "series")]
    report = next((folder / "results").rglob("*.json"))
    return [str(path.relative_to(folder)) for path in (database, *kinds, report)] + [ABOUT, SUMS]


def test_a_backup_with_one_byte_changed_anywhere_is_refused(site: Site, tmp_path: Path) -> None:
    """Before anything is touched."""
    folder = tmp_path / "backup"
    site.back_up(folder)
    before = site.read_rows(), site.read_files()
    names = find_backup_files(folder)

    for name in names:
        content = (folder / name).read_bytes()
        for place in (0, len(content) // 2):
            changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
            (folder / name).write_bytes(changed)
            with pytest.raises(BackupError, match="damaged"):
                site.restore(folder, replace=True)
        (folder / name).write_bytes(content)

    assert len(names) == 6
    assert (site.read_rows(), site.read_files()) == before
    verify_backup(folder)


def test_a_backup_with_a_file_less_is_refused(site: Site, tmp_path: Path) -> None:
    """A copy that broke off."""
    folder = tmp_path / "backup"
    site.back_up(folder)

    for name in find_backup_files(folder):
        (folder / name).rename(tmp_path / "away")
        with pytest.raises(BackupError, match=r"damaged|never finished"):
            site.restore(folder, replace=True)
        (tmp_path / "away").rename(folder / name)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "series/../../x", "a//b", "./a"])
def test_a_list_cannot_lead_out_of_the_data_folder(site: Site, tmp_path: Path, name: str) -> None:
    """A backup may come from anywhere."""
    folder = tmp_path / "backup"
    site.back_up(folder)
    with (folder / SUMS).open("a") as file:
        file.write(f"{sha256(b'').hexdigest()}  {name}\n")

    with pytest.raises(BackupError, match="damaged"):
        site.restore(folder, replace=True)


def test_a_link_in_a_backup_is_not_followed(site: Site, tmp_path: Path) -> None:
    """The same."""
    folder = tmp_path / "backup"
    site.back_up(folder)
    report = next((folder / "results").rglob("*.json"))
    report.rename(tmp_path / "elsewhere")
    report.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BackupError, match="damaged"):
        site.restore(folder, replace=True)


def test_a_server_with_data_is_overwritten_only_if_somebody_says_so(
    site: Site, tmp_path: Path
) -> None:
    """What was there is set aside, not thrown away."""
    rows, files = site.read_rows(), site.read_files()
    site.back_up(tmp_path / "backup")
    site.add_job("later")
    later = site.read_files()

    with pytest.raises(BackupError, match="is not empty"):
        site.restore(tmp_path / "backup")
    restored = site.restore(tmp_path / "backup", replace=True)

    assert site.read_rows() == rows
    assert site.read_files() == files
    assert restored.set_aside is not None
    aside = [path for path in restored.set_aside.rglob("*.dcm") if path.is_file()]
    assert len(aside) == sum(name.endswith(".dcm") for name in later)


def test_nothing_is_put_back_under_a_server_that_runs(site: Site, tmp_path: Path) -> None:
    """Its workers would write to what is being replaced."""
    site.back_up(tmp_path / "backup")
    if site.engine.dialect.name == "sqlite":
        server = RedisServer(site.settings.data / "redis")
        server.start()
        try:
            with pytest.raises(BackupError, match="is running"):
                site.restore(tmp_path / "backup", replace=True)
        finally:
            server.stop()
    else:
        with site.engine.connect(), pytest.raises(BackupError, match="is running"):
            restore_backup(site.settings, tmp_path / "backup", NOW, replace=True)


def test_a_folder_that_holds_something_takes_no_backup(site: Site, tmp_path: Path) -> None:
    """Two backups in one folder would be none."""
    site.back_up(tmp_path / "backup")

    with pytest.raises(BackupError, match="is not empty"):
        site.back_up(tmp_path / "backup")


def test_a_backup_that_broke_off_is_none(site: Site, tmp_path: Path) -> None:
    """Its list comes last."""

    def break_off(_fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.back_up(tmp_path / "backup", break_off)

    with pytest.raises(BackupError, match="never finished"):
        verify_backup(tmp_path / "backup")


def test_a_backup_of_a_newer_version_is_left_alone(site: Site, tmp_path: Path) -> None:
    """Its schema may mean something else."""
    folder = tmp_path / "backup"
    site.back_up(folder)
    about = json.loads((folder / ABOUT).read_text())
    changed = json.dumps({**about, "revision": "9999"}).encode()
    old = sha256((folder / ABOUT).read_bytes()).hexdigest()
    sums = (folder / SUMS).read_text().replace(old, sha256(changed).hexdigest())
    (folder / ABOUT).write_bytes(changed)
    (folder / SUMS).write_text(sums)

    with pytest.raises(BackupError, match="newer version"):
        site.restore(folder, replace=True)


def test_settings_files_are_copied_and_passwords_are_not(site: Site, tmp_path: Path) -> None:
    """Whoever restores needs to know what was set; a backup goes to many places."""
    (tmp_path / "rules.yaml").write_text("format: 1\nrules: []\n")
    settings = site.settings.model_copy(update={"rules": tmp_path / "rules.yaml"})

    make_backup(settings, tmp_path / "backup", "0.1.0", NOW)

    about, sums = verify_backup(tmp_path / "backup")
    assert "settings/rules.yaml" in sums
    assert about.settings["OARLOCK_RULES"] == str(tmp_path / "rules.yaml")
    assert about.settings["OARLOCK_DATABASE_URL"] == "set"


def test_a_backup_of_a_server_that_never_ran_is_refused(tmp_path: Path) -> None:
    """A wrong OARLOCK_DATA would give an empty backup, and nobody would notice."""
    settings = Settings(data=tmp_path / "nowhere")

    with pytest.raises(BackupError, match="no database"):
        make_backup(settings, tmp_path / "backup", "0.1.0", NOW)

    assert not (tmp_path / "nowhere").exists()


def test_a_backup_is_its_maker_s_alone(site: Site, tmp_path: Path) -> None:
    """It holds every patient."""
    before = os.umask(0o077)
    try:
        site.back_up(tmp_path / "backup")
    finally:
        os.umask(before)

    shown = [path for path in (tmp_path / "backup").rglob("*") if path.stat().st_mode & 0o077]
    assert shown == []
