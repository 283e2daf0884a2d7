"""DICOM servers of others that take our files and give them back: Orthanc and dcmtk's storescp."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.judges import find_program

START_SECONDS = 30
ORTHANC_DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER = "oarlock"
IMPLICIT, EXPLICIT = "--propose-implicit", "--propose-little"


@dataclass(frozen=True)
class Orthanc:
    """A running archive; `dicom_port`: of its DICOM node ORTHANC."""

    http: httpx.Client
    dicom_port: int
    process: subprocess.Popen[bytes]

    def store(self, file: Path) -> str:
        """Send a file by HTTP; the archive's own name of what it stored."""
        answer = self.http.post("/instances", content=file.read_bytes())
        answer.raise_for_status()
        return str(answer.json()["ID"])

    def fetch(self, name: str) -> bytes:
        """The file as the archive gives it back."""
        return self.http.get(f"/instances/{name}/file").raise_for_status().content

    def list_instances(self) -> list[str]:
        """SOP Instance UIDs of all that it has."""
        found = self.http.get("/instances", params={"expand": ""}).raise_for_status().json()
        return [str(one["MainDicomTags"]["SOPInstanceUID"]) for one in found]

    def read_tags(self, name: str) -> dict[str, object]:
        """The tags that the archive understood, by keyword."""
        answer = self.http.get(f"/instances/{name}/simplified-tags").raise_for_status()
        return dict(answer.json())


@dataclass(frozen=True)
class StoreScp:
    """A running receiver of C-STORE, as a planning system is one."""

    port: int
    folder: Path

    def send(self, file: Path, transfer_syntax: str) -> Path:
        """C-STORE a file in `IMPLICIT` or `EXPLICIT` VR little endian; the file that arrived."""
        for earlier in self.folder.iterdir():
            earlier.unlink()
        subprocess.run(
            [
                find_program("storescu"),
                *(transfer_syntax, "--call", "TPS", "127.0.0.1", str(self.port), file),
            ],
            capture_output=True,
            check=True,
        )
        # It answers before it has closed the file.
        deadline = time.monotonic() + START_SECONDS
        last_size = -1
        while time.monotonic() < deadline:
            time.sleep(0.1)
            for arrived in self.folder.iterdir():
                size = arrived.stat().st_size
                if size == last_size > 0:
                    return arrived
                last_size = size
        return pytest.fail(f"{file.name} was sent and taken, but is not in {self.folder}")


@contextmanager
def run_orthanc(
    folder: Path,
    http_port: int | None = None,
    dicom_port: int | None = None,
    password: str | None = None,
) -> Iterator[Orthanc]:
    """An archive with its files in `folder`, until the end of the block.

    With its DICOMweb plugin at /dicom-web, and its DICOM node, which takes from everybody; HTTP
    wants the `password` of the user `oarlock`, if there is one. Started again in the same folder
    and at the same ports, it is the same archive.
    """
    http_port, dicom_port = http_port or _free_port(), dicom_port or _free_port()
    settings = {
        "Name": "Oarlock's tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowEcho": True,
        "RemoteAccessAllowed": False,
        "Plugins": [str(ORTHANC_DICOMWEB)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "AuthenticationEnabled": password is not None,
        "RegisteredUsers": {} if password is None else {USER: password},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "orthanc.json").write_text(json.dumps(settings))
    command = [find_program("Orthanc", "/usr/sbin/Orthanc"), folder / "orthanc.json"]
    with (
        _running(command, folder / "orthanc.log") as process,
        httpx.Client(
            base_url=f"http://127.0.0.1:{http_port}",
            auth=None if password is None else (USER, password),
            trust_env=False,
            timeout=30,
        ) as http,
    ):
        _wait(lambda: _answers(http), process, folder / "orthanc.log")
        yield Orthanc(http, dicom_port, process)


@contextmanager
def run_storescp(folder: Path, *options: str | Path, port: int | None = None) -> Iterator[StoreScp]:
    """A receiver that writes what it is sent, bit by bit, into `folder`; with its options."""
    port = port or _free_port()
    received = folder / "received"
    received.mkdir(parents=True, exist_ok=True)
    command = [
        find_program("storescp"),
        *("--bit-preserving", "--accept-all", "--aetitle", "TPS"),
        *("--output-directory", received, *options, str(port)),
    ]
    with _running(command, folder / "storescp.log") as process:
        _wait(lambda: _listens(port), process, folder / "storescp.log")
        yield StoreScp(port, received)


@contextmanager
def _running(command: list[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TCP_NODELAY": "1"},  # without it DCMTK waits at every answer
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if is_ready():
            return
        time.sleep(0.1)
    pytest.fail(f"{log.stem} did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/system").is_success
    except httpx.TransportError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
