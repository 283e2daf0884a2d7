"""A server that has something of everything, so that what is asked of it meets more than 404."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sqlalchemy import Engine

from service.access.roles import Role
from tests.phantoms import write_small_series
from tests.service.conftest import OWN_TEMPLATES, Server, run_ready_server
from tests.service.dicomweb.arrivals import read_uid
from tests.service.test_old_results import OLD_JOB
from workers.attempt_limits import AttemptLimits
from workers.database import open_engine
from workers.job_store import JobStore
from workers.jobs import TERMINAL, Failure, Job, OutputRecord
from workers.key_store import KeyStore
from workers.lease_store import LeaseStore, NewResult
from workers.result_store import ResultStore
from workers.settings import Settings

NOBODY, REVOKED = "nobody", "revoked"
WHO = (*(role.value for role in Role), NOBODY, REVOKED)
MODEL = "commissioning"
TURNS = 4 * len(WHO)
PREPARED = 3 * TURNS  # jobs of each state that a request ends
YEAR_SECONDS = 365 * 24 * 3600.0
FILES = {"generic.rtstruct.dcm": b"structures", "preview.png": b"picture"}
HELD = Failure("structures-failed", "Not all structures could be contoured: generic: Cord.")
LATER = Failure("prepared", "It waits for somebody who cancels it.")
OVER = Failure("prepared", "It waits for somebody who has it run again.")
RULES = f"""
format: 1
rules:
- name: phantoms
  match: {{attribute: Modality, equals: CT}}
  model: {MODEL}
  templates: [generic]
  destinations: [planning]
- name: trial
  match: {{attribute: Modality, equals: CT}}
  model: {MODEL}
  templates: [with-segmentation]
  mode: shadow
"""
DESTINATIONS = """
format: 1
destinations:
- {{name: planning, kind: folder, path: {folder}}}
"""
UNLIMITED = {
    "OARLOCK_REQUESTS_PER_MINUTE": "100000000",
    "OARLOCK_LOGIN_FAILURES_PER_MINUTE": "100000000",
    "OARLOCK_RESERVE_BYTES": "0",
}


@dataclass(frozen=True)
class Site:
    """Where the server is and what it has, as schemathesis' hooks read it.

    `done`: two jobs of one series, the second one's template with a segmentation; `waiting`,
    `partial` and `ended`: jobs that may once be cancelled, released and run again; `uids`: of the
    series, its study and a slice by their names in paths.
    """

    url: str
    folder: str
    keys: dict[str, str]
    done: list[str]
    waiting: list[str]
    partial: list[str]
    ended: list[str]
    arrivals: list[str]
    uids: dict[str, str]
    slices: list[str]
    rtstruct: str
    rules: str

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)))


def read_site(path: Path) -> Site:
    """What `Site.write` has written."""
    return Site(**json.loads(path.read_text()))


@contextmanager
def run_site(folder: Path) -> Iterator[Site]:
    """`oarlock serve` over all of it; its log is `server.log` in the folder."""
    environment = {**UNLIMITED, **_write_files(folder)}
    slices = write_small_series(folder / "ct")
    rtstruct = folder / "rtstruct.dcm"
    with run_ready_server(folder, environment) as server:
        done = _run_jobs(server, slices)
        rtstruct.write_bytes(server.http.get(f"/v1/jobs/{done[0]}/rtstruct").content)
    engine = open_engine(Settings(data=folder / "data").sql_url)
    waiting, partial, ended = _prepare_jobs(engine, folder / "data")
    keys = _make_keys(engine)
    engine.dispose()
    with run_ready_server(folder, environment) as server:
        listed = server.http.get("/v1/arrivals").json()["arrivals"]
        yield Site(
            url=server.url,
            folder=str(folder),
            keys=keys,
            done=done,
            waiting=waiting,
            partial=partial,
            ended=ended,
            arrivals=[one["id"] for one in listed],
            uids=_read_uids(slices[0].read_bytes()),
            slices=[str(path) for path in slices],
            rtstruct=str(rtstruct),
            rules=environment["OARLOCK_RULES"],
        )


def _write_files(folder: Path) -> dict[str, str]:
    """What an administrator writes, and the settings that name it."""
    (folder / "templates").mkdir()
    (folder / "planning").mkdir()
    for name in ("margins", "with-segmentation"):
        (folder / "templates" / f"{name}.yaml").write_text(OWN_TEMPLATES[name])
    (folder / "rules.yaml").write_text(RULES)
    (folder / "destinations.yaml").write_text(DESTINATIONS.format(folder=folder / "planning"))
    return {
        "OARLOCK_TEMPLATES": str(folder / "templates"),
        "OARLOCK_RULES": str(folder / "rules.yaml"),
        "OARLOCK_DESTINATIONS": str(folder / "destinations.yaml"),
    }


def _run_jobs(server: Server, slices: list[Path]) -> list[str]:
    """The live job of the rules and the shadow's, done."""
    files = [("files", (path.name, path.read_bytes())) for path in slices]
    answer = server.http.post("/v1/jobs", files=files)
    jobs = {job["rule"]: job["id"] for job in answer.json()["jobs"]}
    states = [server.wait_for(job_id, *TERMINAL)["state"] for job_id in jobs.values()]
    assert states == ["done", "done"], states
    return [jobs["phantoms"], jobs["trial"]]


def _prepare_jobs(engine: Engine, data: Path) -> tuple[list[str], list[str], list[str]]:
    """Jobs as a worker leaves them; none of them has a series."""
    store, results = JobStore(engine), ResultStore(data)
    patient = AttemptLimits(first_pause_seconds=YEAR_SECONDS, longest_pause_seconds=YEAR_SECONDS)
    leases = LeaseStore(engine, lease_seconds=600, limits=patient)

    def claim(kind: str, number: int) -> Job:
        digest = f"{kind}-{number}"
        store.add([replace(OLD_JOB, series_digest=digest, series_instance_uid=f"1.2.{number}")])
        job = leases.claim("preparer")
        assert job is not None
        return job

    waiting = [claim("waiting", number) for number in range(PREPARED)]
    for job in waiting:
        leases.postpone(job, LATER)
    partial = [claim("partial", number) for number in range(PREPARED)]
    for job in partial:
        stored = results.keep(job.id, job.fence, FILES)
        outputs = (OutputRecord("generic", "generic.rtstruct.dcm"),)
        leases.finish(job, NewResult(stored.folder, stored.files, outputs, (), (), {}, HELD))
    ended = [claim("ended", number) for number in range(PREPARED)]
    for job in ended:
        leases.fail(job, OVER)
    return [one.id for one in waiting], [one.id for one in partial], [one.id for one in ended]


def _make_keys(engine: Engine) -> dict[str, str]:
    """One for each role, and one that was an administrator's."""
    store = KeyStore(engine)
    keys = {role.value: store.create(role.value, [role]) for role in Role}
    keys[REVOKED] = store.create(REVOKED, [Role.ADMINISTRATOR])
    store.revoke(REVOKED)
    return {who: key for who, key in keys.items() if key is not None}


def _read_uids(content: bytes) -> dict[str, str]:
    keywords = {"study": "Study", "series": "Series", "instance": "SOP"}
    return {
        level: read_uid(content, f"{keyword}InstanceUID") for level, keyword in keywords.items()
    }
