"""The rules in force: read from their file, and again whenever it changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from contouring.dicom_series import CTSeries
from contouring.errors import InvalidConfigurationError
from models.yaml_files import read_content
from service.rules.decisions import Decision
from service.rules.matching import decide
from service.rules.rule_file import KnownNames
from service.rules.rule_set import RuleSet, build_rule_set, read_rule_set
from service.rules.subject import build_subject
from workers.sources import Source

LOOK_SECONDS = 1.0  # between two looks at the file
SETTLE_SECONDS = 0.2  # a file that is being written is another one after it

log = logging.getLogger(__name__)


class RuleBook:
    """Holds the rules of a file; without one, every series gets the server's defaults.

    A file that is changed applies without a restart. One that is broken changes nothing: the last
    good rules stay in force, `fault` says so, and the log once. Safe to use in many threads.
    """

    def __init__(
        self,
        path: Path | None,
        known: KnownNames,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """`told` hears of new rules; raises `InvalidConfigurationError` where none are good yet."""
        self._path = path
        self.known = known
        self._clock, self._pause, self._told = clock, pause, told
        self._lock = Lock()
        self._fault: str | None = None
        self._judged = None if path is None else read_content(path)
        self._rules = build_rule_set() if path is None else read_rule_set(path, known, self._judged)
        self._looked_at = clock()

    @property
    def rules(self) -> RuleSet:
        """Those in force now."""
        with self._lock:
            if self._path is not None and self._clock() - self._looked_at >= LOOK_SECONDS:
                self._look(self._path)
                self._looked_at = self._clock()
            return self._rules

    @property
    def fault(self) -> str | None:
        """Why the file on disk is not in force; None while it is."""
        _ = self.rules
        return self._fault

    def decide(self, series: CTSeries, source: Source) -> Decision:
        """What becomes of a series by the rules in force."""
        return decide(self.rules, build_subject(series, source))

    def _look(self, path: Path) -> None:
        content = _read_bytes(path)
        if content == self._judged:
            return
        self._pause(SETTLE_SECONDS)
        if _read_bytes(path) == content:
            self._judged = content
            self._read(path, content)

    def _read(self, path: Path, content: bytes | None) -> None:
        try:
            self._rules = read_rule_set(path, self.known, content)
        except InvalidConfigurationError as error:
            self._fault = str(error)
            log.error("%s The rules before it stay in force.", error)
            return
        self._fault = None
        log.info("new rules are in force, with the checksum %s", self._rules.checksum[:12])
        self._told()


def _read_bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
