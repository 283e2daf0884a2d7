"""A server's data folder and database, for the tests of what is backed up."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Engine, create_engine, delete, insert, select, text

from workers.backups.backup import Backup, Show, make_backup
from workers.backups.restore import Restored, restore_backup
from workers.database import writing
from workers.job_store import JobStore
from workers.jobs import NewJob
from workers.series_store import SeriesStore
from workers.settings import Settings
from workers.tables import instances, jobs, metadata, results

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass
class Site:
    """A server's data folder and database, with what a few jobs leave."""

    settings: Settings
    engine: Engine
    new_job: Callable[..., NewJob]

    def add_job(self, name: str, slices: int = 3) -> str:
        """A series that was received, its job, and a result."""
        data = self.settings.data
        files = []
        for number in range(slices):
            content = f"{name}, slice {number}".encode() * 100
            digest = sha256(content).hexdigest()
            path = data / "instances" / f"{digest}.dcm"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            files.append(path)
            self._insert(instances, build_instance(digest, len(content)))
        SeriesStore(data).keep(name, files)
        (job,) = JobStore(self.engine).add([self.new_job(name)])
        folder = data / "results" / job.id / "1"
        folder.mkdir(parents=True)
        report = f"of {name}".encode()
        (folder / "report.json").write_bytes(report)
        self._insert(results, build_result(job.id, {"report.json": sha256(report).hexdigest()}))
        return str(job.id)

    def purge(self, job_id: str, name: str) -> None:
        """Rows first, then files, as the server does it."""
        data = self.settings.data
        with writing(self.engine).begin() as connection:
            connection.execute(delete(results).where(results.c.job_id == job_id))
            connection.execute(delete(jobs).where(jobs.c.id == job_id))
            for file in (data / "series" / name).iterdir():
                digest = sha256(file.read_bytes()).hexdigest()
                connection.execute(delete(instances).where(instances.c.sha256 == digest))
                (data / "instances" / f"{digest}.dcm").unlink()
        shutil.rmtree(data / "series" / name)
        shutil.rmtree(data / "results" / job_id)

    def back_up(self, folder: Path, show: Show = lambda _: None) -> Backup:
        """A backup of it."""
        return make_backup(self.settings, folder, "0.1.0", NOW, show)

    def restore(self, folder: Path, *, replace: bool = False) -> Restored:
        """Into the same place."""
        self.engine.dispose()
        return restore_backup(self.settings, folder, NOW, replace=replace)

    def read_rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything in the database."""
        with self.engine.connect() as connection:
            return {
                name: sorted(map(tuple, connection.execute(select(table))), key=repr)
                for name, table in metadata.tables.items()
            }

    def read_files(self) -> dict[str, bytes]:
        """Everything in the data folder but the database's own files."""
        return {
            str(path.relative_to(self.settings.data)): path.read_bytes()
            for top in ("instances", "series", "results")
            for path in sorted((self.settings.data / top).rglob("*"))
            if path.is_file()
        }

    def lose_everything(self) -> None:
        """A new disk, and a new database server."""
        self.engine.dispose()
        shutil.rmtree(self.settings.data)
        if self.engine.dialect.name == "sqlite":
            for path in self.settings.data.parent.glob("jobs.sqlite*"):
                path.unlink()
        else:
            admin = create_engine(self.settings.sql_url, isolation_level="AUTOCOMMIT")
            with admin.connect() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
            admin.dispose()

    def _insert(self, table: object, values: dict[str, object]) -> None:
        with writing(self.engine).begin() as connection:
            connection.execute(insert(table).values(values))


def build_instance(digest: str, size: int) -> dict[str, object]:
    """The row of a received object."""
    return {
        "sha256": digest,
        "sop_instance_uid": f"1.2.{int(digest[:8], 16)}",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "series_instance_uid": "1.2.3",
        "study_instance_uid": "1.2",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "size": size,
        "received_at": NOW,
    }


def build_result(job_id: str, files: dict[str, str]) -> dict[str, object]:
    """The row of a job's result."""
    return {
        "job_id": job_id,
        "fence": 1,
        "folder": f"{job_id}/1",
        "files": files,
        "outputs": [],
        "structures": [],
        "stage_seconds": {},
        "created_at": NOW,
    }
