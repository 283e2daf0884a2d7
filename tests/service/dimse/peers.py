"""Oarlock's DICOM node in a process of its own, and senders of others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from sqlalchemy import select

from tests.judges import find_program
from tests.workers.processes import find_free_port, wait_until
from workers.arrival_store import ArrivalStore
from workers.arrivals import Arrival
from workers.database import open_engine
from workers.instance_files import InstanceFiles
from workers.settings import Settings
from workers.tables import instances

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"


@dataclass(frozen=True)
class RunningNode:
    """A node that listens at `port` of this machine."""

    port: int
    data: Path
    log: Path
    process: subprocess.Popen[bytes]

    def run(self, program: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
        """A sender of DCMTK's, to its end."""
        return subprocess.run(
            [
                find_program(program),
                *("--call", "OARLOCK", "127.0.0.1", str(self.port), *options),
            ],
            env={**os.environ, "TCP_NODELAY": "1"},  # without it DCMTK waits at every answer
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def store(self, *files: str | Path) -> None:
        """C-STORE files, all of which must be taken."""
        sent = self.run("storescu", "--no-halt", *files)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        assert "E:" not in sent.stderr, sent.stderr

    def associate(
        self, *classes: str, calling_ae: str = "TESTER", called_ae: str = "OARLOCK"
    ) -> Association:
        """An association of pynetdicom's, which may have been rejected."""
        return associate(self.port, *classes, calling_ae=calling_ae, called_ae=called_ae)

    def list_arrivals(self) -> tuple[Arrival, ...]:
        """What it recorded, newest first."""
        engine = open_engine(Settings(data=self.data).sql_url)
        try:
            return ArrivalStore(engine).list_page(100)
        finally:
            engine.dispose()

    def find_kept(self) -> dict[str, Path]:
        """The files of recorded objects, by SOP Instance UID; each is there."""
        files = InstanceFiles(self.data)
        engine = open_engine(Settings(data=self.data).sql_url)
        with engine.connect() as connection:
            rows = connection.execute(select(instances)).all()
        engine.dispose()
        kept = {row.sop_instance_uid: files.find(row.sha256) for row in rows}
        assert all(file.is_file() for file in kept.values())
        return kept

    def list_staged(self) -> list[Path]:
        """What is on its way to the disk, or was left there."""
        return list((self.data / "staging").iterdir())

    def wait_until_nothing_is_staged(self) -> None:
        """Return once nothing is on its way any more."""
        wait_until(lambda: not self.list_staged(), "staging to be empty")


def associate(
    port: int, *classes: str, calling_ae: str = "TESTER", called_ae: str = "OARLOCK"
) -> Association:
    """An association of pynetdicom's with a node at a port of this machine."""
    entity = AE(calling_ae)
    for sop_class in classes or (CT,):
        for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            entity.add_requested_context(sop_class, syntax)
    return entity.associate("127.0.0.1", port, ae_title=called_ae)


@contextmanager
def run_node(
    folder: Path, wrapper: Sequence[str] = (), **settings: object
) -> Iterator[RunningNode]:
    """`oarlock dimse` with its data in `folder`; `settings`: as in `Settings`.

    `wrapper`: a command that runs the node's.
    """
    own = {"data": folder / "data", "dimse_port": find_free_port(), "reserve_bytes": 0}
    values = {**own, **settings}
    environment = {f"OARLOCK_{name.upper()}": str(value) for name, value in values.items()}
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "node.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", "cli", "dimse"],
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: _is_ready(log, process), "the node")
        yield RunningNode(int(str(values["dimse_port"])), folder / "data", log, process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def read_object(file: Path, **changes: object) -> Dataset:
    """An object of a file, with other values of some attributes."""
    dataset = pydicom.dcmread(file)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    if "SOPInstanceUID" in changes:
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if "SOPClassUID" in changes:
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    return dataset


def _is_ready(log: Path, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, log.read_text()
    return b" is at " in log.read_bytes()


def find_node_process(server_id: int) -> int:
    """The node among the processes that a server has started."""
    found = []
    for thread in Path(f"/proc/{server_id}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile
            for child in (thread / "children").read_text().split():
                if b"dimse" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    found.append(int(child))
    (node,) = found
    return node
