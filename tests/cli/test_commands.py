"""The `oarlock` command as a shell sees it."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path

import httpx
import pydicom
import pytest

from contouring.phantom_series import SeriesHeader
from tests.cli.shell import run
from tests.phantoms import write_small_series
from tests.workers.processes import find_free_port, run_server, wait_until
from workers.redis_server import RedisServer


def test_contour_writes_all_that_was_asked_for(tmp_path: Path) -> None:
    """Others script it, so each file must be there and exit code 0 mean done."""
    write_small_series(tmp_path / "ct")
    output, report, preview = (tmp_path / "out" / name for name in ("rt.dcm", "r.json", "p.png"))

    done = run(
        *("contour", tmp_path / "ct", "--model", "commissioning", "--output", output),
        *("--report", report, "--preview", preview),
    )

    assert (done.returncode, done.stdout) == (0, "")
    assert pydicom.dcmread(output).Modality == "RTSTRUCT"
    assert preview.read_bytes().startswith(b"\x89PNG")
    told = json.loads(report.read_text())
    assert told["model"]["name"] == "commissioning"
    (generic,) = told["outputs"]
    drawn = [row["name"] for row in generic["structures"] if row["status"] == "contoured"]
    assert drawn == ["Sphere30"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "p.png",
        "r.json",
        "rt.dcm",
    ]


def test_contour_writes_a_file_for_each_template(tmp_path: Path) -> None:
    """One run for a department with two planning systems; the output is then a folder."""
    write_small_series(tmp_path / "ct")

    done = run(
        *("contour", tmp_path / "ct", "--model", "commissioning", "--output", tmp_path / "out"),
        *("--template", "eclipse", "--template", "monaco"),
    )

    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in (tmp_path / "out").glob("*.rtstruct.dcm"))
    assert written == ["eclipse.rtstruct.dcm", "monaco.rtstruct.dcm"]


def test_contour_names_the_templates_there_are(tmp_path: Path) -> None:
    """Before minutes of work, not after."""
    write_small_series(tmp_path / "ct")

    refused = run(
        *("contour", tmp_path / "ct", "--template", "none", "--output", tmp_path / "rt.dcm")
    )

    assert refused.returncode == 2
    assert "generic" in refused.stderr


def test_contour_refuses_unusable_input_with_the_reason(tmp_path: Path) -> None:
    """Exit code 2, the reason on stderr, and no output."""
    files = write_small_series(tmp_path / "ct")
    files[9].unlink()

    refused = run(
        *("contour", tmp_path / "ct", "--model", "commissioning"),
        *("--output", tmp_path / "rt.dcm"),
    )

    assert refused.returncode == 2
    assert refused.stderr.startswith("missing-slice: A slice is missing")
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "rt.dcm").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--output", "folder"), "folder is a folder"),
        (("--output", "file", "--template", "eclipse", "--template", "monaco"), "file is a file"),
        (("--output", "rt.dcm", "--preview", "folder"), "folder is a folder"),
    ],
)
def test_contour_looks_at_the_place_of_its_output_before_it_works(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    """A series takes minutes; the empty CT folder shows that it was not even looked for."""
    for folder in ("ct", "folder"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").touch()
    known = {"folder", "file", "rt.dcm"}
    placed = [str(tmp_path / word) if word in known else word for word in arguments]

    refused = run("contour", tmp_path / "ct", "--model", "commissioning", *placed)

    assert refused.returncode == 2
    assert reason in refused.stderr


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("format: 1\nname: own\nstructures: 7\n", "own.yaml cannot be used"),
        (
            "format: 1\nname: own\nderived: [{name: Cord_PRV, colour: [4, 5, 6], "
            "expand: {of: NoSuchCord, margin_mm: 5}}]\n",
            "Cord_PRV cannot be made",
        ),
    ],
)
def test_a_template_of_ones_own_that_is_wrong_leaves_with_2(
    tmp_path: Path, content: str, reason: str
) -> None:
    """Whoever wrote it can mend it: nothing of Oarlock has failed."""
    write_small_series(tmp_path / "ct")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.yaml").write_text(content)

    refused = run(
        *("contour", tmp_path / "ct", "--model", "commissioning", "--template", "own"),
        *("--output", tmp_path / "rt.dcm"),
        OARLOCK_TEMPLATES=str(tmp_path / "templates"),
    )

    assert refused.returncode == 2, refused.stderr
    assert reason in refused.stderr
    assert not (tmp_path / "rt.dcm").exists()


def test_contour_names_the_models_there_are(tmp_path: Path) -> None:
    """A misspelt name is the caller's to mend."""
    write_small_series(tmp_path / "ct")

    refused = run("contour", tmp_path / "ct", "--model", "none", "--output", tmp_path / "rt.dcm")

    assert refused.returncode == 2
    assert "commissioning" in refused.stderr


def test_a_broken_model_is_a_failure_not_the_callers_fault(tmp_path: Path) -> None:
    """Exit code 1, and the folder named."""
    (tmp_path / "models" / "broken").mkdir(parents=True)
    (tmp_path / "models" / "broken" / "card.yaml").write_text("name: broken")

    failed = run("models", OARLOCK_MODELS=str(tmp_path / "models"))

    assert failed.returncode == 1
    assert "broken" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_models_lists_the_released_ones() -> None:
    """With their checksums, which jobs record."""
    listed = run("models", COLUMNS="200")

    assert listed.returncode == 0
    assert "commissioning" in listed.stdout


def test_templates_lists_the_shipped_ones() -> None:
    """With what each is for, and which one runs unasked."""
    listed = run("templates", COLUMNS="200")

    assert listed.returncode == 0
    assert "generic (default)" in listed.stdout
    assert "eclipse" in listed.stdout


def test_phantom_writes_the_position_that_was_asked_for(tmp_path: Path) -> None:
    """A department checks each position that it treats in."""
    done = run("phantom", tmp_path, "--position", "FFP")

    assert done.returncode == 0
    positions = {pydicom.dcmread(file).PatientPosition for file in tmp_path.iterdir()}
    assert positions == {"FFP"}


def test_phantom_leaves_a_folder_of_other_files_alone(tmp_path: Path) -> None:
    """It may be a patient's; a phantom is replaced by a phantom, and --force is told to."""
    run("phantom", tmp_path)
    again = run("phantom", tmp_path, "--position", "FFS")
    (tmp_path / "CT0101.dcm").write_bytes(b"a patient's")

    refused = run("phantom", tmp_path)
    forced = run("phantom", tmp_path, "--force")

    assert (again.returncode, refused.returncode, forced.returncode) == (0, 2, 0)
    assert "--force" in refused.stderr
    assert (tmp_path / "CT0101.dcm").read_bytes() == b"a patient's"


@pytest.mark.parametrize("command", ["worker", "service"])
def test_a_part_without_a_queue_says_what_to_set(command: str) -> None:
    """Two machines later nobody remembers the variable."""
    failed = run(command, OARLOCK_REDIS_URL="")

    assert failed.returncode == 1
    assert "OARLOCK_REDIS_URL" in failed.stderr


def test_serve_without_redis_says_what_to_install(tmp_path: Path) -> None:
    """The set-up installs it, but not everybody uses the set-up."""
    failed = run("serve", OARLOCK_DATA=str(tmp_path), PATH=str(tmp_path))

    assert failed.returncode == 1
    assert "apt install redis-server" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_serve_with_a_default_template_that_is_not_there_says_so(tmp_path: Path) -> None:
    """At once, and not to the first sender, who could not mend it."""
    failed = run("serve", OARLOCK_DATA=str(tmp_path), OARLOCK_DEFAULT_TEMPLATES="no-such-template")

    assert failed.returncode == 2
    assert "no-such-template" in failed.stderr
    assert "generic" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_serve_without_its_database_says_so(tmp_path: Path) -> None:
    """The same for whoever set the URL, and a password in it stays out of the log."""
    failed = run(
        "serve",
        OARLOCK_DATA=str(tmp_path / "data"),
        OARLOCK_DATABASE_URL=f"postgresql://oarlock:secret@127.0.0.1:{find_free_port()}/oarlock",
    )

    assert failed.returncode == 1
    assert "OARLOCK_DATABASE_URL" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "secret" not in failed.stderr


def test_a_folder_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    """One line that names it."""
    (tmp_path / "file").touch()

    failed = run("phantom", tmp_path / "file" / "ct")

    assert failed.returncode == 1
    assert str(tmp_path / "file") in failed.stderr
    assert "Traceback" not in failed.stderr


def test_submit_without_a_server_says_so(tmp_path: Path) -> None:
    """A stack of library frames would not help a physicist."""
    write_small_series(tmp_path / "ct")
    url = f"http://127.0.0.1:{find_free_port()}"

    failed = run("submit", tmp_path / "ct", "--url", url, "--output", tmp_path / "out")

    assert failed.returncode == 1
    assert "oarlock serve" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.fixture
def served(tmp_path: Path) -> dict[str, str]:
    """Environment of a server of the test's own."""
    return {
        "OARLOCK_DATA": str(tmp_path / "data"),
        "OARLOCK_PORT": str(find_free_port()),
        "OARLOCK_STOP_SECONDS": "1",
        "OARLOCK_THREADS": "1",
    }


def _wait_for(url: str, log: Path) -> None:
    def is_ready() -> bool:
        try:
            return httpx.get(f"{url}/health/ready", trust_env=False).is_success
        except httpx.TransportError:
            return False

    wait_until(is_ready, f"the server; log: {log}")


def test_serve_does_it_all_and_leaves_nothing_running(
    tmp_path: Path, served: dict[str, str]
) -> None:
    """One command: a job is done although its worker was killed, and SIGTERM ends everything."""
    write_small_series(tmp_path / "ct")
    (tmp_path / "ct" / "notes.txt").write_text("not a slice")
    log, url = tmp_path / "log", f"http://127.0.0.1:{served['OARLOCK_PORT']}"
    with run_server(served, log) as process:
        _wait_for(url, log)
        wait_until(lambda: len(_find_session_leaders(process.pid)) == 2, "Redis and worker")
        killed = _find_session_leaders(process.pid)[-1]
        os.killpg(killed, signal.SIGKILL)
        wait_until(
            lambda: killed not in (now := _find_session_leaders(process.pid)) and len(now) == 2,
            "another worker",
        )

        submitted = run(
            *("submit", tmp_path / "ct", "--url", url, "--model", "commissioning"),
            *("--output", tmp_path / "out"),
        )
        children = _find_session_leaders(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait()

    assert submitted.returncode == 0, submitted.stderr
    assert "notes.txt: not a DICOM file, left out." in submitted.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "generic.rtstruct.dcm",
        "preview.png",
        "report.json",
        "structures.csv",
    ]
    with (tmp_path / "out" / "structures.csv").open() as file:
        found = [row for row in csv.DictReader(file) if row["status"] == "contoured"]
    assert [row["structure"] for row in found] == ["Sphere30"]
    assert process.returncode == 0
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []
    assert url in log.read_text()


def test_submit_tells_why_a_series_was_refused(tmp_path: Path, served: dict[str, str]) -> None:
    """Exit code 2 and the server's sentence; the Redis that is given is used."""
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "notes.txt").write_text("not a slice")
    log, url = tmp_path / "log", f"http://127.0.0.1:{served['OARLOCK_PORT']}"
    redis_server = RedisServer(tmp_path / "redis")
    redis_server.start()
    with run_server({**served, "OARLOCK_REDIS_URL": redis_server.url}, log):
        _wait_for(url, log)

        refused = run(
            *("submit", tmp_path / "ct", "--url", url, "--model", "commissioning"),
            *("--output", tmp_path / "out"),
        )
    redis_server.stop()

    assert refused.returncode == 2
    assert "notes.txt is not a DICOM file" in refused.stderr
    assert not (tmp_path / "data" / "redis").exists()


def test_submit_asks_for_templates_and_leaves_with_2_when_a_job_is_refused(
    tmp_path: Path, served: dict[str, str]
) -> None:
    """A refused series is the sender's to mend; the good one beside it is saved."""
    write_small_series(tmp_path / "ct" / "good")
    files = write_small_series(tmp_path / "ct" / "bad", header=SeriesHeader(seed="truncated"))
    truncated = pydicom.dcmread(files[3])
    truncated.PixelData = truncated.PixelData[:100]
    truncated.save_as(files[3])
    log, url = tmp_path / "log", f"http://127.0.0.1:{served['OARLOCK_PORT']}"
    with run_server(served, log):
        _wait_for(url, log)

        submitted = run(
            *("submit", tmp_path / "ct", "--url", url, "--model", "commissioning"),
            *("--template", "eclipse", "--template", "monaco", "--output", tmp_path / "out"),
        )

    assert submitted.returncode == 2, submitted.stderr
    assert "is refused: " in submitted.stderr
    (folder,) = (tmp_path / "out").iterdir()
    assert sorted(path.name for path in folder.glob("*.dcm")) == [
        "eclipse.rtstruct.dcm",
        "monaco.rtstruct.dcm",
    ]


def _find_session_leaders(process_id: int) -> list[int]:
    """The children of `oarlock serve`, oldest first: Redis, then the worker."""
    tasks = Path(f"/proc/{process_id}/task")
    children = [
        int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()
    ]
    return sorted(child for child in children if os.getsid(child) == child)
