"""`oarlock serve` with a DICOM node: sent in by C-STORE, judged by the service."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from tests.service.dimse.peers import RunningNode, find_node_process
from tests.workers.processes import find_free_port, run_server, wait_until
from workers.arrivals import ArrivalState

SOURCES = """
format: 1
sources: [{name: scanner, kind: dimse, calling_ae: STORESCU, sends_whole_series: true}]
"""


def test_a_series_that_is_sent_becomes_a_job(tmp_path: Path, series: list[Path]) -> None:
    """The node is a process of its own, which is started again when it dies and ends with all."""
    (tmp_path / "sources.yaml").write_text(SOURCES)
    port = find_free_port()
    environment = {
        "OARLOCK_DATA": str(tmp_path / "data"),
        "OARLOCK_PORT": str(find_free_port()),
        "OARLOCK_DIMSE_PORT": str(port),
        "OARLOCK_SOURCES": str(tmp_path / "sources.yaml"),
        "OARLOCK_STOP_SECONDS": "1",
        "OARLOCK_RESERVE_BYTES": "0",
    }
    log = tmp_path / "server.log"
    with run_server(environment, log) as process:
        node = RunningNode(port, tmp_path / "data", log, process)
        wait_until(lambda: _listens(port), "the node")
        os.kill(find_node_process(process.pid), signal.SIGKILL)
        wait_until(lambda: not _listens(port), "its end")
        wait_until(lambda: _listens(port), "the next node")

        node.store(*series)

        wait_until(lambda: node.list_arrivals()[0].state is ArrivalState.ACCEPTED, "a verdict")
        (arrival,) = node.list_arrivals()
        assert arrival.source.name == "scanner"
        assert arrival.evidence.startswith("Its sender sends whole series")
        assert len(arrival.job_ids) == 1
    assert not _listens(port)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
