"""An encrypted data folder for the tests of what opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.phantoms import write_small_series
from workers.content_hash import ContentHash
from workers.database import migrate, open_engine
from workers.encryption.key_ring import add_key
from workers.encryption.vault import Vault, create_file, open_vault
from workers.instance_files import InstanceFiles
from workers.instances import ReceivedInstance, identify
from workers.job_store import JobStore
from workers.jobs import NewJob, build_series_digest
from workers.series_store import SeriesStore
from workers.settings import Settings


@dataclass(frozen=True)
class Safe:
    """A data folder with its vault; `new_job` makes jobs."""

    settings: Settings
    engine: Engine
    vault: Vault

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.settings.data

    def stage(self, content: bytes, name: str = "file") -> ReceivedInstance:
        """An object that came in, before it is kept."""
        path = SeriesStore(self.data).staging / name
        with create_file(path) as file:
            file.write(content)
        digest = ContentHash()
        digest.update(content)
        return identify(path, digest.hexdigest())

    def keep(self, *contents: bytes) -> list[Path]:
        """Objects that came in and are kept; their files."""
        files = InstanceFiles(self.data)
        staged = [self.stage(one, f"file-{number}") for number, one in enumerate(contents)]
        files.keep(staged)
        return [files.find(one.sha256) for one in staged]

    def reopen(self, **settings: object) -> Vault:
        """The folder as another process opens it, with these settings changed."""
        return open_vault(self.settings.model_copy(update=settings), self.engine)


@pytest.fixture
def safe(tmp_path: Path) -> Iterator[Safe]:
    """An empty one; what differs between databases is in the tests of keys."""
    add_key(tmp_path / "keys")
    settings = Settings(data=tmp_path / "data", encryption_key_file=tmp_path / "keys")
    settings.data.mkdir()
    engine = open_engine(settings.sql_url)
    migrate(engine)
    vault = open_vault(settings, engine)
    SeriesStore(settings.data)
    yield Safe(settings, engine, vault)
    vault.close()
    engine.dispose()


@pytest.fixture
def slices(tmp_path: Path) -> list[bytes]:
    """The files of a small CT series."""
    return [file.read_bytes() for file in write_small_series(tmp_path / "ct")]


@pytest.fixture
def keep_series(safe: Safe, new_job: Callable[..., NewJob]) -> Callable[[list[bytes]], str]:
    """Keeps a series' objects and their job's rows; gives the series' digest."""

    def keep(contents: list[bytes]) -> str:
        kept = safe.keep(*contents)
        instances = {str(number): path.stem for number, path in enumerate(kept)}
        digest = build_series_digest(instances.items())
        SeriesStore(safe.data).keep(digest, kept)
        job = new_job(digest)
        JobStore(safe.engine).add([replace(job, instances=instances)])
        return digest

    return keep
