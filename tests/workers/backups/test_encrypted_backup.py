"""A backup of an encrypted server: its files as they are, and never what opens them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from contouring.errors import EncryptionKeyError
from contouring.opened_files import read_file
from tests.phantoms import write_small_series
from tests.workers.arriving import PACS
from tests.workers.backups.sites import build_result
from workers.arrival_store import ArrivalStore
from workers.arrivals import ArrivalState, Verdict
from workers.backups.backup import Backup, make_backup
from workers.backups.restore import restore_backup, verify_backup
from workers.content_hash import ContentHash
from workers.database import migrate, open_engine, writing
from workers.encryption.key_ring import add_key, read_key_ring
from workers.encryption.vault import create_file, open_vault
from workers.instance_files import InstanceFiles
from workers.instances import identify
from workers.job_store import JobStore
from workers.jobs import NewJob
from workers.result_store import ResultStore
from workers.series_store import SeriesStore
from workers.settings import Settings
from workers.tables import results

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
REPORT = b"a report of the patient"


@pytest.fixture
def settings(tmp_path: Path, database_url: str, new_job: Callable[..., NewJob]) -> Settings:
    """Of a server that holds a series, a job and a result, all encrypted."""
    add_key(tmp_path / "keys")
    settings = Settings(
        data=tmp_path / "data", database_url=database_url, encryption_key_file=tmp_path / "keys"
    )
    engine = open_engine(settings.sql_url)
    migrate(engine)
    vault = open_vault(settings, engine)
    files, store = InstanceFiles(settings.data), SeriesStore(settings.data)
    received = []
    for number, sent in enumerate(write_small_series(tmp_path / "ct")):
        staged = store.staging / f"file-{number}"
        with create_file(staged) as file:
            file.write(sent.read_bytes())
        received.append(identify(staged, hash_content(sent.read_bytes())))
    files.keep(received)
    ArrivalStore(engine).note_whole(PACS, received, Verdict(ArrivalState.ACCEPTED))
    store.keep("first", [files.find(one.sha256) for one in received])
    instances = {one.sop_instance_uid: one.sha256 for one in received}
    study = received[0].study_instance_uid
    job = replace(new_job("first"), instances=instances, study_instance_uid=study)
    (made,) = JobStore(engine).add([job])
    kept = ResultStore(settings.data).keep(made.id, 1, {"report.json": REPORT}, study)
    with writing(engine).begin() as connection:
        connection.execute(insert(results).values(build_result(made.id, dict(kept.files))))
    vault.close()
    engine.dispose()
    return settings


def hash_content(content: bytes) -> str:
    """The checksum that the object is known by."""
    digest = ContentHash()
    digest.update(content)
    return digest.hexdigest()


def back_up(settings: Settings, folder: Path) -> Backup:
    """A backup of it."""
    return make_backup(settings, folder, "0.1.0", NOW)


def test_a_backup_holds_encrypted_files_and_no_master_key(
    settings: Settings, tmp_path: Path
) -> None:
    """Whoever finds the tape has noise."""
    assert settings.encryption_key_file is not None
    ring = read_key_ring(settings.encryption_key_file)
    (key,) = ring.keys.values()

    made = back_up(settings, tmp_path / "backup")

    about, _ = verify_backup(tmp_path / "backup")
    contents = [path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file()]
    line = settings.encryption_key_file.read_bytes().splitlines()[-1].partition(b":")[2]
    assert (made.missing, made.damaged) == ([], [])
    assert made.master_keys == about.master_keys == (ring.current,)
    assert len(contents) > 40
    assert not any(secret in one for secret in (key, line, REPORT) for one in contents)
    assert not any(one[128:132] == b"DICM" for one in contents)


def test_a_restored_server_reads_them_with_its_key_alone(
    settings: Settings, tmp_path: Path
) -> None:
    """On a new machine, from the backup and the file of keys that was kept elsewhere."""
    back_up(settings, tmp_path / "backup")
    shutil.rmtree(settings.data)

    restore_backup(settings, tmp_path / "backup", NOW, replace=True)

    engine = open_engine(settings.sql_url)
    without = settings.model_copy(update={"encryption_key_file": None})
    with pytest.raises(EncryptionKeyError, match="1 studies are encrypted"):
        open_vault(without, engine)
    vault = open_vault(settings, engine)
    sent = {path.read_bytes() for path in (tmp_path / "ct").iterdir()}
    slices = sorted((settings.data / "series" / "first").iterdir())
    (report,) = (settings.data / "results").rglob("report.json")
    assert {read_file(path) for path in slices} == sent
    assert all(path.stat().st_nlink == 2 for path in slices)
    assert read_file(report) == REPORT
    vault.close()
    engine.dispose()


def test_what_is_damaged_is_named_where_the_key_is_there(
    settings: Settings, tmp_path: Path
) -> None:
    """Without it a backup is made all the same: of files as they are."""
    damaged = min((settings.data / "instances").iterdir())
    content = bytearray(damaged.read_bytes())
    content[-50] ^= 1
    damaged.write_bytes(content)
    without = settings.model_copy(update={"encryption_key_file": tmp_path / "none"})

    named = back_up(settings, tmp_path / "backup")
    unnamed = back_up(without, tmp_path / "without")

    assert named.damaged == [f"instances/{damaged.name}"]
    assert unnamed.damaged == []
    assert len(unnamed.sums) == len(named.sums)
