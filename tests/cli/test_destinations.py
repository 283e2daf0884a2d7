"""`oarlock destinations` lists where results go, and tries whether it can be reached."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.shell import run
from tests.dicom_peers import Orthanc, run_orthanc
from tests.workers.destinations.http_servers import HttpServer, Reply, run_http_server
from tests.workers.processes import find_free_port


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An archive."""
    with run_orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(scope="module")
def hook() -> Iterator[HttpServer]:
    """A server that is told."""
    with run_http_server() as running:
        yield running


@pytest.fixture(scope="module")
def environment(
    tmp_path_factory: pytest.TempPathFactory, orthanc: Orthanc, hook: HttpServer
) -> dict[str, str]:
    """The settings of a site with one destination of each kind that works and two that do not."""
    folder = tmp_path_factory.mktemp("site")
    url = str(orthanc.http.base_url).rstrip("/")
    local = "host: 127.0.0.1, allow_local: true"
    file = folder / "destinations.yaml"
    file.write_text(
        "format: 1\n"
        "destinations:\n"
        f"  - {{name: web, kind: stow, url: '{url}/dicom-web', allow_local: true}}\n"
        f"  - {{name: node, kind: cstore, {local}, port: {orthanc.dicom_port}, called_ae: ORTHANC,"
        " template: eclipse}\n"
        f"  - {{name: away, kind: cstore, {local}, port: {find_free_port()}, called_ae: AWAY}}\n"
        f"  - {{name: guarded, kind: stow, url: '{url}/dicom-web'}}\n"
        f"  - {{name: out, kind: folder, path: '{folder}'}}\n"
        f"  - {{name: hook, kind: webhook, url: '{hook.url}', secret_env: OARLOCK_TEST_SECRET,"
        " events: [failed], allow_local: true}\n"
    )
    return {"OARLOCK_DESTINATIONS": str(file), "OARLOCK_TEST_SECRET": "secret"}


def test_they_are_listed_with_their_places(environment: dict[str, str], orthanc: Orthanc) -> None:
    """And with the template that each has of its own."""
    done = run("destinations", "list", COLUMNS="200", **environment)

    assert done.returncode == 0, done.stderr
    assert f"ORTHANC at 127.0.0.1:{orthanc.dicom_port}" in done.stdout
    assert "eclipse" in done.stdout


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("web", "web: it answers searches."),
        ("node", "node: it answered C-ECHO."),
        ("out", "out: a file can be written there."),
        ("hook", "hook: it took the event ping."),
    ],
)
def test_one_that_can_be_reached_is_told(
    environment: dict[str, str], name: str, found: str
) -> None:
    """Before the first patient."""
    done = run("destinations", "test", name, **environment)

    assert (done.returncode, done.stdout.strip()) == (0, found), done.stderr


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("away", 1, "cannot be reached (Connection refused)"),
        ("guarded", 1, "allow_local: true"),
        ("other", 2, "known destinations: away, guarded, hook, node, out, web"),
    ],
)
def test_one_that_cannot_be_reached_is_told_in_words(
    environment: dict[str, str], name: str, code: int, reason: str
) -> None:
    """With what to mend, and an exit code for scripts."""
    done = run("destinations", "test", name, **environment)

    assert done.returncode == code
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_a_webhook_that_refuses_is_told(environment: dict[str, str], hook: HttpServer) -> None:
    """Its status and what it may mean."""
    hook.answer(Reply(403))

    done = run("destinations", "test", "hook", **environment)

    assert (done.returncode, hook.asked[-1].method) == (1, "POST")
    assert "HTTP 403: it does not let us in" in done.stderr
