"""A whole server whose files are encrypted: nobody notices, but for who looks at its disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import httpx
import pydicom
import pytest

from contouring.errors import SealedFileError
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import SeriesHeader, write_phantom
from tests.cli.shell import run
from tests.service.canaries import UID_ROOT, make_canary
from tests.service.conftest import run_ready_server
from tests.service.dicomweb.bodies import store
from tests.service.dimse.peers import CT, associate
from tests.service.encrypted_sites import (
    KEPT,
    Site,
    find_plain,
    find_worker,
    join_form,
    send,
    wait_for_study,
    write,
)
from tests.workers.processes import find_free_port, run_postgresql, wait_until
from workers.encryption.key_ring import add_key
from workers.jobs import TERMINAL

DESTINATIONS = """
format: 1
destinations:
  - {name: near, kind: folder, path: PATH}
"""
RULES = """
format: 1
rules: []
default: {model: commissioning, destinations: [near]}
"""
SOURCES = """
format: 1
unknown: accept
sources:
  - {name: web, kind: stow, quiet_seconds: 1}
  - {name: scanner, kind: dimse, quiet_seconds: 1}
"""
QUICK = {"OARLOCK_LEASE_SECONDS": "6", "OARLOCK_HEARTBEAT_SECONDS": "0.5"}
LONG_SCAN = Scan(slice_offsets_mm=even_offsets(40, 2.5))  # long enough to be killed in its middle


@pytest.fixture
def alone(tmp_path: Path) -> Site:
    """A place for a server on SQLite, with a master key."""
    (tmp_path / "near").mkdir()
    (tmp_path / "data").mkdir()
    near = DESTINATIONS.replace("PATH", str(tmp_path / "near"))
    (tmp_path / "destinations.yaml").write_text(near)
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "sources.yaml").write_text(SOURCES)
    add_key(tmp_path / "keys")
    return Site(tmp_path, f"sqlite:///{tmp_path}/data/oarlock.sqlite")


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, alone: Site) -> Iterator[Site]:
    """The same on either kind of database."""
    if request.param == "sqlite":
        yield alone
        return
    with run_postgresql() as url:
        yield replace(alone, database_url=url)


def purge(site: Site) -> None:
    """All that is delivered, at once."""
    soon = {"OARLOCK_KEEP_DELIVERED_HOURS": "0", "OARLOCK_ORPHAN_SECONDS": "1"}
    with run_ready_server(site.folder, site.environment | soon) as server:

        def is_gone() -> bool:
            jobs = server.http.get("/v1/jobs").json()["jobs"]
            is_purged = all(job["state"] == "purged" for job in jobs)
            return is_purged and not site.list_keys() and not site.read_files(*KEPT)

        wait_until(is_gone, "the purge")


@dataclass(frozen=True)
class Run:
    """What a server that has done all of its work has left, and what it was answered."""

    states: list[str]
    files: dict[str, bytes]
    rtstructs: list[bytes]
    answers: dict[str, httpx.Response]


def run_all(site: Site, series: dict[int, list[Path]]) -> Run:
    """By each way in, to each way out."""
    port = find_free_port()
    with run_ready_server(site.folder, site.environment | {"OARLOCK_DIMSE_PORT": str(port)}) as on:
        http = on.http
        job_ids = [send(http, series[1])]
        assert store(http, *(file.read_bytes() for file in series[2])).status_code == 200
        send_by_dimse(port, series[3])
        job_ids += [wait_for_study(on, number) for number in (2, 3)]
        states = [on.wait_for(job_id, *TERMINAL)["state"] for job_id in job_ids]
        wait_until(lambda: len(site.list_delivered()) == 3, "the deliveries")
        first, study = f"/v1/jobs/{job_ids[0]}", f"/dicom-web/studies/{UID_ROOT}.2"
        addresses = {
            "preview": f"{first}/preview.png",
            "report": f"{first}/report",
            "comparison": f"{first}/comparison?with={job_ids[0]}",
            "study": study,
            "metadata": f"{study}/metadata",
        }
        accept = {"Accept": "*/*"}
        answers = {name: http.get(one, headers=accept) for name, one in addresses.items()}
        rtstructs = [http.get(f"/v1/jobs/{job_id}/rtstruct").content for job_id in job_ids]
    return Run(states, site.read_files("."), rtstructs, answers)


def send_by_dimse(port: int, files: list[Path]) -> None:
    """C-STORE, once the node listens."""

    def listens() -> bool:
        association = associate(port)
        is_established = bool(association.is_established)
        association.release()
        return is_established

    wait_until(listens, "the node")
    association = associate(port, CT)
    for file in files:
        assert association.send_c_store(pydicom.dcmread(file)).Status == 0
    association.release()


def check_answers(done: Run, site: Site, series: dict[int, list[Path]]) -> None:
    """They are those of any other server."""
    assert done.states == ["done"] * 3, (site.folder / "server.log").read_text()[-3000:]
    assert set(site.list_delivered()) == set(done.rtstructs)
    modalities = {pydicom.dcmread(BytesIO(one)).Modality for one in done.rtstructs}
    assert modalities == {"RTSTRUCT"}
    assert {name: one.status_code for name, one in done.answers.items()} == dict.fromkeys(
        done.answers, 200
    )
    assert done.answers["preview"].content.startswith(b"\x89PNG")
    sent = [file.read_bytes()[132:] for file in series[2]]
    assert all(one in done.answers["study"].content for one in sent)
    assert len(done.answers["metadata"].json()) == 21  # with its structure set


def check_disk(files: dict[str, bytes], series: dict[int, list[Path]]) -> None:
    """Of the database only what is no image: it has its own protection."""
    pixels = pydicom.dcmread(series[1][10]).PixelData[1000:1400]
    kept = {name: one for name, one in files.items() if name.partition("/")[0] in KEPT}
    assert find_plain(kept, pixels) == {}
    assert [name for name, one in files.items() if pixels in one] == []
    assert [name for name, one in files.items() if one[128:132] == b"DICM"] == []
    assert len([name for name in kept if name.startswith("instances/")]) == 60
    assert len([name for name in kept if name.startswith("results/")]) == 9


def test_a_full_run_leaves_nothing_readable_on_the_disk_and_a_purge_ends_every_copy(
    site: Site, tmp_path: Path
) -> None:
    """Nobody notices but for who looks at the disk; and a purge reaches copies that it cannot."""
    series = {number: write(tmp_path, number) for number in (1, 2, 3)}
    done = run_all(site, series)
    copied = tmp_path / "copy"
    shutil.copytree(site.data, copied)
    kept = sorted((copied / "instances").iterdir()) + sorted((copied / "results").rglob("*.*"))
    before = site.open_vault(copied)

    check_answers(done, site, series)
    check_disk(done.files, series)
    assert sorted(site.list_keys()) == [f"{UID_ROOT}.{number}" for number in (1, 2, 3)]
    for path in kept:
        with before.open(path) as file:
            assert file.read()

    purge(site)

    after = site.open_vault(copied)
    for path in kept:
        with pytest.raises(SealedFileError, match="destroyed"):
            after.open(path)


def test_whoever_is_killed_leaves_nothing_readable_and_the_job_is_done(
    alone: Site, tmp_path: Path
) -> None:
    """The worker in the middle of its job, then the server in the middle of an upload."""
    header = SeriesHeader(seed="encrypted-killed")
    large = make_canary(write_phantom(tmp_path / "ct", scan=LONG_SCAN, header=header), 5)
    pixels = pydicom.dcmread(large[20]).PixelData[100_000:100_400]
    with run_ready_server(alone.folder, alone.environment | QUICK) as server:
        job_id = send(server.http, large)
        server.wait_for(job_id, "running")
        killed = find_worker(server.process_id)
        for process in killed:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        during = alone.read_files(*KEPT)
        done = server.wait_for(job_id, "done", "failed", "poisoned")
        whole = join_form(large)
        with socket.create_connection(("127.0.0.1", server.http.base_url.port or 0)) as half:
            half.sendall(whole[: len(whole) * 3 // 4])
            wait_until(lambda: len(alone.read_files("staging")) > 20, "half an upload")
            os.killpg(server.process_id, signal.SIGKILL)
            left = alone.read_files(*KEPT)
    with run_ready_server(alone.folder, alone.environment | QUICK) as server:
        again = server.http.get(f"/v1/jobs/{job_id}/rtstruct")
        after = alone.read_files(*KEPT)

    assert len(killed) >= 2  # with the child that ran the job
    assert (done["state"], done["attempt"]) == ("done", 2), done
    assert again.status_code == 200
    for files in (during, left, after):
        assert find_plain(files, pixels) == {}
    assert any(name.startswith("staging/") for name in left)


def test_a_server_without_its_key_says_so_and_loses_no_job(alone: Site, tmp_path: Path) -> None:
    """A share that is not mounted, or a setting that was forgotten; then all goes on."""
    series = write(tmp_path, 1)
    with run_ready_server(alone.folder, alone.environment) as server:
        job_id = send(server.http, series)
        server.wait_for(job_id, "done")
    without = {**alone.environment, "OARLOCK_PORT": str(find_free_port())}
    without.pop("OARLOCK_ENCRYPTION_KEY_FILE")

    refused = run("serve", **without)
    alone.keys.chmod(0o644)
    readable = run("serve", **alone.environment)
    alone.keys.chmod(0o600)

    assert refused.returncode == readable.returncode == 1
    assert "1 studies are encrypted under the master key" in refused.stderr
    assert "can be read or changed by others" in readable.stderr
    with run_ready_server(alone.folder, alone.environment) as server:
        fetched = server.http.get(f"/v1/jobs/{job_id}/rtstruct").status_code
        health = [server.http.get("/health/ready").json()]
        alone.keys.rename(alone.folder / "away")
        health.append(server.http.get("/health/ready").json())
        (alone.folder / "away").rename(alone.keys)
        health.append(server.http.get("/health/ready").json())
    assert fetched == 200
    assert [one["status"] for one in health] == ["ok", "degraded", "ok"]
    assert "master key is missing" in health[1]["parts"]["encryption"]


def test_encryption_is_turned_on_and_its_key_rotated_while_studies_are_kept(
    alone: Site, tmp_path: Path
) -> None:
    """What came before stays plain and readable; what comes from then on is encrypted."""
    off = {**alone.environment}
    off.pop("OARLOCK_ENCRYPTION_KEY_FILE")
    with run_ready_server(alone.folder, off) as server:
        old = send(server.http, write(tmp_path, 1))
        server.wait_for(old, "done")
        before = server.http.get(f"/v1/jobs/{old}/rtstruct").content

    with run_ready_server(alone.folder, alone.environment) as server:
        new = send(server.http, write(tmp_path, 2))
        server.wait_for(new, "done")
        add_key(alone.keys)
        rotated = run("encryption", "rotate", "--forget-old", **alone.environment)
        third = send(server.http, write(tmp_path, 3))
        states = [server.wait_for(one, *TERMINAL)["state"] for one in (old, new, third)]
        again = server.http.get(f"/v1/jobs/{old}/rtstruct").content
        fetched = [server.http.get(f"/v1/jobs/{one}/rtstruct") for one in (new, third)]
        told = json.loads(run("encryption", "status", "--json", **alone.environment).stdout)

    assert rotated.returncode == 0, rotated.stderr
    assert "1 keys of studies are wrapped anew" in rotated.stdout
    assert states == ["done"] * 3
    assert again == before
    assert [one.status_code for one in fetched] == [200, 200]
    assert (told["encrypted_files"], told["plain_files"]) == (46, 23)
    assert told["missing_master_keys"] == []
    assert [*told["studies_by_master_key"].values()] == [2]
