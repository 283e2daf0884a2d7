"""Every odd and hostile file is answered, each way in, by one server that lives on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contouring.dicom_files import PREAMBLE
from tests.conftest import REPOSITORY
from tests.hostile.attacks import build_attacks, find_bombs
from tests.hostile.corpus import (
    Target,
    is_answer,
    read_corpus,
    read_memory,
    reset_peak,
    send_corpus,
)
from tests.service.conftest import run_ready_server
from tests.service.dimse.peers import associate
from tests.workers.processes import find_free_port, wait_until

LEAST_FILES = 800
LEAST_ATTACKS = 40
WAYS = ("upload", "stow", "dimse")
MOST_GROWTH = 64 * 2**20  # for a bomb that is refused
TRIES = 3  # something else that the process does may grow it, though not each time


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One server for all of it."""
    port = find_free_port()
    environment = {"OARLOCK_RESERVE_BYTES": "0", "OARLOCK_DIMSE_PORT": str(port)}
    with run_ready_server(tmp_path_factory.mktemp("target"), environment) as server:
        target = Target(server, port)
        wait_until(lambda: _answers(port), "the node")
        yield target


def _answers(port: int) -> bool:
    association = associate(port)
    if association.is_established:
        association.release()
        return True
    return False


def _list_around(target: Target) -> list[Path]:
    """What lies beside the data folder, and what attacks aim at wherever the server runs."""
    aimed_at = [*REPOSITORY.glob("*escape*"), *Path("/tmp").glob("*escape*")]
    return sorted([*target.server.data.parent.iterdir(), *aimed_at])


def _find_unforeseen(log: str) -> list[str]:
    """Errors that nobody raised on purpose; a job of a real scan may end with one that was."""
    tracebacks = re.findall(r"^Traceback .*\n(?:[ \n].*\n?)*(.*)$", log, re.MULTILINE)
    return [error for error in tracebacks if not error.startswith("contouring.errors.")]


@pytest.mark.parametrize("way", WAYS)
def test_every_file_is_answered_and_nothing_leaves_the_data_folder(
    target: Target, way: str
) -> None:
    """With 2xx or 4xx, a status or an abort, in time; afterwards the server serves."""
    before = _list_around(target)
    processes = target.processes

    sent, wrong = send_corpus(way, target.open_ways()[way], read_corpus())

    assert sent >= LEAST_FILES
    assert wrong == []
    assert _list_around(target) == before
    assert target.processes == processes
    assert target.server.http.get("/health/ready").status_code == 200
    assert _answers(target.dicom_port)
    assert _find_unforeseen((target.server.data.parent / "server.log").read_text()) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_bomb_is_refused_in_little_memory(target: Target, way: str) -> None:
    """Neither the service nor the node grows by what it declares."""
    send = target.open_ways()[way]
    process_id = target.processes[way == "dimse"]
    attacks = build_attacks()
    send("first", attacks["nested-33"])
    accepted, grown = [], {}

    for name in sorted(find_bombs()):
        for _ in range(TRIES):
            reset_peak(process_id)
            before = read_memory(process_id, "VmRSS")
            status = send(name, attacks[name])
            grown[name] = read_memory(process_id, "VmHWM") - before
            if grown[name] < MOST_GROWTH:
                break
        if status in (0, 200, 202) or not is_answer(way, status):
            accepted.append((name, status))

    assert accepted == []
    assert {name: bytes_ for name, bytes_ in grown.items() if bytes_ >= MOST_GROWTH} == {}


def test_there_are_attacks_enough() -> None:
    """Each of its own kind."""
    attacks = build_attacks()

    assert len(set(attacks.values())) == len(attacks) >= LEAST_ATTACKS
    assert len(find_bombs()) >= 20


def test_no_beginning_of_a_program_is_kept(target: Target) -> None:
    """Not a byte of any preamble."""
    stow = target.open_ways()["stow"]
    sent = [
        stow(name, content)
        for name, content in build_attacks().items()
        if name.startswith("preamble")
    ]

    kept = list((target.server.data / "instances").iterdir())

    assert set(sent) == {200}
    assert len(kept) >= len(sent)
    assert [path for path in kept if path.read_bytes()[: len(PREAMBLE)] != PREAMBLE] == []
