"""What a process logs, and in which form: no value of a patient's, whoever writes the line.

Oarlock's own lines name jobs by their id. A library may put into its own whatever it reads, and an
error what it failed on: of strangers' lines only their logger is told, of errors the class and the
place.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType

from workers.audit.actors import read_process
from workers.request_ids import NO_REQUEST, request_id_now

OWN = frozenset({"__main__", "cli", "service", "workers", "models", "contouring"})
TRUSTED = frozenset({"alembic", "celery", "kombu", "uvicorn"})
"""Libraries whose lines tell of processes and never of what these work on."""

CHATTY = ("py.warnings", "pydicom")
"""Warn of every odd value, which is withheld."""

KEYS = ("time", "level", "logger", "process", "request", "message", "error")
"""All that a line of JSON has."""

WITHHELD = "(withheld: a library's words may be a patient's)"
PLAIN = "{time} {level} {logger} [{request}] {message}"


log = logging.getLogger(__name__)


class LogFormat(StrEnum):
    """For people, or for programs."""

    PLAIN = "plain"
    JSON = "json"


class SafeFormatter(logging.Formatter):
    """Builds a line of what may be told."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """One line, and in the plain form the frames of an error after it."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": read_process(),
            "request": request_id_now.get() or "",
            "message": _find_message(record),
            "error": _find_error(record.exc_info),
        }
        if self._form is LogFormat.JSON:
            return json.dumps({key: told[key] for key in KEYS if told[key]})
        line = PLAIN.format(**{**told, "request": told["request"] or NO_REQUEST})
        return f"{line}\n{told['error']}" if told["error"] else line


def set_up_logs(form: LogFormat) -> None:
    """Have all that this process logs, warns of or dies of told so, on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter(form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    sys.excepthook = _log_death
    threading.excepthook = _log_thread_death


def tell_error(error: BaseException) -> str:
    """Class and places of an error, and of what led to it; none of their words."""
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(parts) < 10:
        frames = traceback.extract_tb(seen.__traceback__)
        places = "".join(f"\n  {one.filename}:{one.lineno} in {one.name}" for one in frames)
        code = getattr(seen, "errno", None)
        number = f" (errno {code})" if isinstance(code, int) else ""
        parts.append(f"{type(seen).__module__}.{type(seen).__qualname__}{number}{places}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "Traceback, without words: " + "\nafter ".join(parts)


def _find_message(record: logging.LogRecord) -> str:
    library = record.name.partition(".")[0]
    if library in OWN:
        return record.getMessage()
    if library not in TRUSTED:
        return WITHHELD
    # Of an error they tell its words, too: then their own stand alone.
    return record.getMessage() if record.levelno < logging.ERROR else str(record.msg)


def _find_error(info: object) -> str:
    error = info[1] if isinstance(info, tuple) else None
    return tell_error(error) if isinstance(error, BaseException) else ""


def _log_death(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("this process ends", exc_info=(kind, error, trace))


def _log_thread_death(died: threading.ExceptHookArgs) -> None:
    name = died.thread.name if died.thread else "unknown"
    error = died.exc_value or died.exc_type()
    log.critical("the thread %s ends", name, exc_info=(died.exc_type, error, died.exc_traceback))
