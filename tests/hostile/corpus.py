"""All odd and hostile files that there are, and the three ways in that each is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.hostile.attacks import build_attacks
from tests.hostile.mutations import build_mutations
from tests.hostile.raw_sender import ABORTED, RawSender
from tests.service.conftest import Server
from tests.service.dicomweb.bodies import MULTIPART, join_parts
from tests.service.dicomweb.odd_files import read_odd_files
from tests.service.dimse.peers import find_node_process

MUTATIONS = 480
ANSWER_SECONDS = 5.0
TRIES = 4  # a machine that is busy with something else may be late
STATUSES = frozenset({0x0000, 0xA700, 0xA900, 0xC000, ABORTED})  # PS3.4 B.2.3
TROUBLES = frozenset({500, 502, 503, 504, 507})

Way = Callable[[str, bytes], int]


@dataclass(frozen=True)
class Target:
    """A running server with a DICOM node."""

    server: Server
    dicom_port: int

    def open_ways(self) -> dict[str, Way]:
        """What sends a file each way, and says the HTTP or DIMSE status."""
        http, sender = self.server.http, RawSender(self.dicom_port)
        return {
            "upload": lambda name, content: _upload(http, "/v1/jobs", name, content),
            "stow": lambda _name, content: _stow(http, content),
            "dimse": lambda _name, content: sender.store(content),
        }

    @property
    def processes(self) -> tuple[int, int]:
        """The service's and the node's."""
        return self.server.process_id, find_node_process(self.server.process_id)


def read_corpus() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file: others' odd ones, attacks, mutations."""
    yield from read_odd_files()
    yield from build_attacks().items()
    yield from build_mutations(MUTATIONS)


def send_corpus(way: str, send: Way, files: Iterator[tuple[str, bytes]]) -> tuple[int, list[str]]:
    """How many were sent, and what went wrong with which."""
    sent, wrong = 0, []
    for name, content in files:
        sent += 1
        for _ in range(TRIES):
            begun = time.monotonic()
            status = send(name, content)
            if time.monotonic() - begun < ANSWER_SECONDS:
                break
        else:
            wrong.append(f"{name}: no answer within {ANSWER_SECONDS:g} s")
        if not is_answer(way, status):
            wrong.append(f"{name}: {status}")
    return sent, wrong


def is_answer(way: str, status: int) -> bool:
    """Whether a status is one that a hostile file may be answered with."""
    return status in STATUSES if way == "dimse" else status // 100 in (2, 4)


def read_memory(process_id: int, what: str) -> int:
    """Bytes of `VmRSS`, or `VmHWM`, the most since it was reset."""
    status = Path(f"/proc/{process_id}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith(f"{what}:")]
    return int(line.split()[1]) * 1024


def reset_peak(process_id: int) -> None:
    """Begin to measure `VmHWM` anew (proc(5), clear_refs)."""
    Path(f"/proc/{process_id}/clear_refs").write_text("5")


def _upload(http: httpx.Client, path: str, name: str, content: bytes) -> int:
    files = [("files", (name, content))]
    return http.post(path, files=files, data={"model": "commissioning"}).status_code


def _stow(http: httpx.Client, content: bytes) -> int:
    body = join_parts(content)
    return http.post(
        "/dicom-web/studies", content=body, headers={"Content-Type": MULTIPART}
    ).status_code
