"""Lines of the log: what may be told, in either form."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from workers.logs import KEYS, WITHHELD, LogFormat, SafeFormatter
from workers.request_ids import request_id_now

PATIENT = "Doe^John"
DYING = """
import logging, sys, threading, warnings
from workers.logs import LogFormat, set_up_logs
set_up_logs(LogFormat(sys.argv[1]))
warnings.warn("Doe^John has an odd value")
def fail():
    raise ValueError("Doe^John")
thread = threading.Thread(target=fail, name="courier")
thread.start()
thread.join()
try:
    fail()
except ValueError as error:
    raise OSError(5, "Input/output error", "/scans/Doe^John.dcm") from error
"""


def record(
    name: str, message: str, *arguments: object, level: int = logging.INFO, error: object = None
) -> logging.LogRecord:
    """A line as a logger has it."""
    info = None if error is None else (type(error), error, None)
    return logging.LogRecord(name, level, __file__, 1, message, arguments, info)  # type: ignore[arg-type]


def format_in_request(request_id: str, form: LogFormat, made: logging.LogRecord) -> str:
    """The line, as it is written while a request is answered."""
    token = request_id_now.set(request_id)
    try:
        return SafeFormatter(form).format(made)
    finally:
        request_id_now.reset(token)


@pytest.mark.parametrize("form", LogFormat)
def test_our_own_lines_are_told(form: LogFormat) -> None:
    """They name jobs by their id."""
    line = SafeFormatter(form).format(record("workers.tasks", "job %s: done", "0ddba11"))

    assert "job 0ddba11: done" in line
    assert "workers.tasks" in line


def test_a_plain_line_has_the_id_of_its_request_or_a_dash() -> None:
    """The same words at the same place, whether a request is under way or not."""
    made = record("workers.tasks", "done")

    inside = format_in_request("request-1", LogFormat.PLAIN, made)
    outside = SafeFormatter(LogFormat.PLAIN).format(made)

    assert "INFO workers.tasks [request-1] done" in inside
    assert "INFO workers.tasks [-] done" in outside


@pytest.mark.parametrize("form", LogFormat)
def test_a_library_that_reads_headers_is_not_quoted(form: LogFormat) -> None:
    """Nobody here decides what it puts into its messages."""
    line = SafeFormatter(form).format(record("pydicom", f"Invalid value for VR PN: {PATIENT}"))

    assert PATIENT not in line
    assert WITHHELD in line


def test_a_library_that_is_trusted_is_not_quoted_on_errors() -> None:
    """Celery puts the words of an error into its line."""
    formatter = SafeFormatter(LogFormat.PLAIN)
    info = formatter.format(record("celery.worker", "connected to %s", "redis"))
    error = formatter.format(
        record("celery.app.trace", "Task raised %r", PATIENT, level=logging.ERROR)
    )

    assert "connected to redis" in info
    assert PATIENT not in error
    assert "Task raised %r" in error


@pytest.mark.parametrize("form", LogFormat)
def test_an_error_is_told_by_its_class_and_its_places(form: LogFormat) -> None:
    """Its words may be a file's name, or the value that it failed on."""
    try:
        try:
            raise ValueError(PATIENT)
        except ValueError as cause:
            raise OSError(28, "No space left", f"/scans/{PATIENT}.dcm") from cause
    except OSError as error:
        line = SafeFormatter(form).format(record("service.app", "failed", error=error))

    assert PATIENT not in line
    assert "OSError (errno 28)" in line
    assert "ValueError" in line
    assert "test_logs.py" in line


def test_a_line_of_json_has_no_other_keys() -> None:
    """What somebody hangs on a record does not come out by itself."""
    made = record("workers.tasks", "done", level=logging.WARNING)
    made.patient = PATIENT

    told = json.loads(format_in_request("request-1", LogFormat.JSON, made))

    assert set(told) <= set(KEYS)
    assert (told["level"], told["request"], told["message"]) == ("WARNING", "request-1", "done")
    assert PATIENT not in str(told)


@pytest.mark.parametrize("form", LogFormat)
def test_a_process_or_thread_that_dies_says_no_more(form: LogFormat) -> None:
    """Python itself would write the whole error; so would a warning of a library's."""
    died = subprocess.run(
        [sys.executable, "-c", DYING, form], capture_output=True, text=True, check=False
    )

    assert died.returncode == 1
    assert "the thread courier ends" in died.stderr
    assert "this process ends" in died.stderr
    assert "OSError (errno 5)" in died.stderr
    assert PATIENT not in died.stderr
