"""The two servers that slices are sent to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import httpx

START_SECONDS = 60.0
KEY = f"oarlock_bench{token_hex(24)}"
"""Of the Oarlock that is timed."""

ORTHANC = ("/usr/sbin/Orthanc", "/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    http_port: int
    stow_path: str
    dicom_port: int
    ae_title: str


@contextmanager
def run_oarlock(folder: Path, name: str = "Oarlock", **settings: str) -> Iterator[Server]:
    """Oarlock as `oarlock serve` runs it; what it receives is never quiet enough to be judged."""
    folder.mkdir()
    sources = folder / "sources.yaml"
    sources.write_text("format: 1\nsources: [{name: benchmark, quiet_seconds: 86400}]\n")
    http_port, dicom_port = find_free_port(), find_free_port()
    environment = {
        "OARLOCK_DATA": str(folder / "data"),
        "OARLOCK_PORT": str(http_port),
        "OARLOCK_SOURCES": str(sources),
        "OARLOCK_DIMSE_PORT": str(dicom_port),
        "OARLOCK_RESERVE_BYTES": "0",
        "OARLOCK_FIRST_KEY": KEY,
        **settings,
    }
    command = [sys.executable, "-m", "cli", "serve"]
    with run_process(command, folder / "log", environment):
        wait_for(f"http://127.0.0.1:{http_port}/health/ready", folder / "log")
        _wait(lambda: _listens(dicom_port), folder / "log")
        yield Server(name, http_port, "/dicom-web/studies", dicom_port, "OARLOCK")


@contextmanager
def run_orthanc(folder: Path) -> Iterator[Server]:
    """Orthanc with its DICOMweb plugin and the settings it comes with."""
    folder.mkdir()
    http_port, dicom_port = find_free_port(), find_free_port()
    program, plugin = ORTHANC
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [plugin],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    # Its DICOM server is DCMTK's, and crawls on the loopback without it.
    with run_process([program, str(folder / "orthanc.json")], folder / "log", {"TCP_NODELAY": "1"}):
        wait_for(f"http://127.0.0.1:{http_port}/system", folder / "log")
        yield Server("Orthanc", http_port, "/dicom-web/studies", dicom_port, "ORTHANC")


def find_free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_process(
    command: list[str], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own; ended on the way out."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(url: str, log: Path) -> None:
    """Return once something answers there."""
    _wait(lambda: _answers(url), log)


def _wait(is_up: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if is_up():
            return
        time.sleep(0.2)
    raise RuntimeError(f"it did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
