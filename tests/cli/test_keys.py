"""`oarlock keys` and `oarlock users`, and the first key of all."""

from __future__ import annotations

import getpass
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx

from tests.cli.shell import run
from tests.workers.processes import find_free_port, run_server, wait_until
from workers.database import open_engine
from workers.key_store import KeyStore
from workers.settings import Settings

KEY = re.compile(r"oarlock_[A-Za-z0-9_-]{51}")


def oarlock(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command about the database in a folder."""
    return run(*words, OARLOCK_DATA=str(folder), OARLOCK_FIRST_KEY="", COLUMNS="200")


def test_a_key_is_shown_once_listed_rotated_and_revoked(tmp_path: Path) -> None:
    """Standard output is the key alone, so that a script can keep it."""
    made = oarlock(tmp_path, "keys", "create", "archive", "--role", "sender", "--role", "viewer")
    again = oarlock(tmp_path, "keys", "create", "archive", "--role", "sender")
    rotated = oarlock(tmp_path, "keys", "rotate", "archive")
    listed = oarlock(tmp_path, "keys", "list")
    revoked = oarlock(tmp_path, "keys", "revoke", "archive")
    nothing = oarlock(tmp_path, "keys", "revoke", "archive")

    assert made.returncode == 0, made.stderr
    assert KEY.fullmatch(made.stdout.strip())
    assert KEY.fullmatch(rotated.stdout.strip())
    assert made.stdout != rotated.stdout
    assert (again.returncode, "already" in again.stderr) == (2, True)
    assert listed.stdout.count("sender, viewer") == 2
    assert made.stdout.strip() not in listed.stdout
    assert (revoked.returncode, "no administrator" in revoked.stderr) == (0, True)
    assert nothing.returncode == 2


def test_who_made_a_key_or_gave_a_role_is_recorded(tmp_path: Path) -> None:
    """The machine's user; a search tells it."""
    oarlock(tmp_path, "keys", "create", "archive", "--role", "sender")
    oarlock(tmp_path, "users", "add", "jane", "--role", "reviewer")

    found = oarlock(tmp_path, "audit", "search", "--json", "--person", getpass.getuser())

    records = [json.loads(line) for line in found.stdout.splitlines()]
    assert [one["event"] for one in records] == ["key-made", "user-changed", "audit-used"]
    assert {one["process"].partition("@")[0] for one in records} == {"cli"}


def test_what_cannot_be_made_a_key_of(tmp_path: Path) -> None:
    """A role that there is not, none at all, and a name with a colon."""
    answers = [
        oarlock(tmp_path, "keys", "create", "a", "--role", "king"),
        oarlock(tmp_path, "keys", "create", "a"),
        oarlock(tmp_path, "keys", "create", "a:b", "--role", "sender"),
        oarlock(tmp_path, "keys", "rotate", "nobody"),
    ]

    assert [answer.returncode for answer in answers] == [2] * 4
    assert not KeyStore(open_engine(Settings(data=tmp_path).sql_url)).has_any()


def test_users_are_added_listed_and_removed(tmp_path: Path) -> None:
    """By the subject of their tokens."""
    added = oarlock(tmp_path, "users", "add", "4f1c-ada", "--role", "reviewer")
    listed = oarlock(tmp_path, "users", "list")
    removed = oarlock(tmp_path, "users", "remove", "4f1c-ada")
    nobody = oarlock(tmp_path, "users", "remove", "4f1c-ada")

    assert [one.returncode for one in (added, listed, removed, nobody)] == [0, 0, 0, 2]
    assert "4f1c-ada" in listed.stdout
    assert "reviewer" in listed.stdout


def test_the_first_key_is_shown_on_a_terminal_once(tmp_path: Path) -> None:
    """It lets its reader in, and the second start shows none."""
    first = _serve_on_a_terminal(tmp_path)
    second = _serve_on_a_terminal(tmp_path)

    assert len(KEY.findall(first)) == 1
    assert "administrator" in first
    assert KEY.findall(second) == []


def test_the_first_key_is_in_no_log(tmp_path: Path) -> None:
    """Where nobody reads a terminal none is made, and the log says how to make one."""
    log = tmp_path / "server.log"
    environment = _build_environment(tmp_path)
    with run_server(environment, log) as process:
        wait_until(lambda: _answers(environment, process), "the server")

    assert "oarlock keys create" in log.read_text()
    assert KEY.findall(log.read_text()) == []
    assert not KeyStore(open_engine(Settings(data=tmp_path / "data").sql_url)).has_any()


def _build_environment(folder: Path) -> dict[str, str]:
    return {
        "OARLOCK_DATA": str(folder / "data"),
        "OARLOCK_FIRST_KEY": "",
        "OARLOCK_PORT": str(find_free_port()),
        "OARLOCK_STOP_SECONDS": "1",
        "OARLOCK_THREADS": "1",
    }


def _answers(environment: dict[str, str], process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None
    url = f"http://127.0.0.1:{environment['OARLOCK_PORT']}/health/live"
    with suppress(httpx.TransportError):
        return httpx.get(url, trust_env=False).is_success
    return False


def _serve_on_a_terminal(folder: Path) -> str:
    """What `oarlock serve` shows somebody until it is up; an administrator is let in meanwhile."""
    environment = _build_environment(folder)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "serve"],
        env={**os.environ, **environment, "COLUMNS": "200", "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = ""
    try:
        while " is at http" not in shown:
            shown += os.read(ours, 4096).decode()
        wait_until(lambda: _answers(environment, process), "the server")
        url = f"http://127.0.0.1:{environment['OARLOCK_PORT']}"
        for key in KEY.findall(shown):
            answer = httpx.get(f"{url}/v1/rules", headers={"X-API-Key": key}, trust_env=False)
            assert answer.status_code == 200
    finally:
        process.terminate()
        process.wait(60)
        os.close(ours)
    return shown
