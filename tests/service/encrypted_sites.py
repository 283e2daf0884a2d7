"""A server whose files are encrypted: where they lie, what comes in, and what its disk shows."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import create_engine, select

from contouring.phantom_series import SeriesHeader
from tests.keys import SHOWN
from tests.phantoms import write_small_series
from tests.service.canaries import NAME, NUMBER, UID_ROOT, WORD, make_canary
from tests.service.conftest import Server
from tests.workers.processes import wait_until
from workers.database import open_engine
from workers.encryption.study_keys import StudyKeys
from workers.encryption.vault import Vault
from workers.jobs import TERMINAL
from workers.settings import Settings
from workers.tables import study_keys

WORDS = [text.encode() for text in (NAME, NUMBER, WORD)]
KEPT = ("instances", "series", "results", "staging")


@dataclass(frozen=True)
class Site:
    """Where a server's files are, and what it is started with."""

    folder: Path
    database_url: str

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    @property
    def keys(self) -> Path:
        """Its file of master keys."""
        return self.folder / "keys"

    @property
    def environment(self) -> dict[str, str]:
        """Settings of all its processes."""
        return {
            "OARLOCK_ENCRYPTION_KEY_FILE": str(self.keys),
            "OARLOCK_DATABASE_URL": self.database_url,
            "OARLOCK_DATA": str(self.data),
            "OARLOCK_DESTINATIONS": str(self.folder / "destinations.yaml"),
            "OARLOCK_RULES": str(self.folder / "rules.yaml"),
            "OARLOCK_SOURCES": str(self.folder / "sources.yaml"),
            "OARLOCK_COURIER_SECONDS": "0.2",
            "OARLOCK_RECONCILE_SECONDS": "1",
            "OARLOCK_RESERVE_BYTES": "0",
        }

    def read_files(self, *tops: str) -> dict[str, bytes]:
        """Every file below these folders, by its path; a server that runs may remove some."""
        found = {}
        for top in tops:
            for folder, _, names in os.walk(self.data / top):
                for path in (Path(folder, name) for name in names):
                    with suppress(OSError):
                        found[str(path.relative_to(self.data))] = path.read_bytes()
        return found

    def list_delivered(self) -> list[bytes]:
        """What was put into the folder of the destination."""
        return [path.read_bytes() for path in (self.folder / "near").glob("*.dcm")]

    def list_keys(self) -> list[str]:
        """Studies that have a key."""
        engine = create_engine(Settings(database_url=self.database_url).sql_url)
        with engine.connect() as connection:
            found = list(connection.scalars(select(study_keys.c.study_instance_uid)))
        engine.dispose()
        return found

    def open_vault(self, data: Path) -> Vault:
        """A data folder, with this site's keys and database."""
        engine = open_engine(Settings(database_url=self.database_url).sql_url, is_pooled=False)
        return Vault(engine, data, StudyKeys(engine, self.keys, data, 600.0))


def write(folder: Path, number: int) -> list[Path]:
    """A series of the canary's."""
    header = SeriesHeader(seed=f"encrypted-{number}")
    return make_canary(write_small_series(folder / f"ct-{number}", header=header), number)


def send(http: httpx.Client, files: list[Path]) -> str:
    """By POST /v1/jobs; the job's id."""
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    answer = http.post("/v1/jobs", files=parts)
    assert answer.is_success, answer.text
    return str(answer.json()["jobs"][0]["id"])


def wait_for_study(server: Server, number: int) -> str:
    """The job of a study that came object by object, once it has ended; its id."""
    found: list[str] = []

    def has_ended() -> bool:
        mine = {"series_instance_uid": f"{UID_ROOT}.{number}.1"}
        jobs = server.http.get("/v1/jobs", params=mine).json()["jobs"]
        found[:] = [job["id"] for job in jobs if job["state"] in TERMINAL]
        return bool(found)

    wait_until(has_ended, f"the job of study {number}")
    return found[0]


def join_form(files: list[Path]) -> bytes:
    """A whole request of POST /v1/jobs, as bytes."""
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    request = httpx.Request("POST", "http://127.0.0.1/v1/jobs", files=parts, headers=SHOWN)
    head = [f"{name}: {value}\r\n" for name, value in request.headers.items()]
    return f"POST /v1/jobs HTTP/1.1\r\n{''.join(head)}\r\n".encode() + request.read()


def find_worker(process_id: int) -> list[int]:
    """A server's worker, its pool and what these have started: all but Redis."""
    found: list[int] = []
    with suppress(OSError):  # some end by themselves meanwhile
        # Whichever thread has started it.
        for task in Path(f"/proc/{process_id}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                if Path(f"/proc/{child}/comm").read_text().strip() != "redis-server":
                    found += [child, *find_worker(child)]
    return found


def find_plain(files: dict[str, bytes], pixels: bytes) -> dict[str, str]:
    """Files that show what they hold, and by what."""
    told = {}
    for name, content in files.items():
        if content[128:132] == b"DICM":
            told[name] = "DICM"
        elif pixels in content:
            told[name] = "pixels"
        elif any(word in content for word in WORDS):
            told[name] = "the patient"
    return told
