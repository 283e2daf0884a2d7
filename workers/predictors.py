"""Models that stay open in a worker's process, each opened when a job first needs it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from contouring.errors import ModelChangedError
from contouring.recipe import Cascade
from models.bundles import RELEASED, find_bundles
from models.cascades import open_cascade
from models.economy import ECONOMIES, Economy

log = logging.getLogger(__name__)


class Predictors:
    """Open cascades, by checksum and by how they spare memory."""

    def __init__(self, model_folders: Sequence[Path], threads: int | None) -> None:
        self._folders = (RELEASED, *model_folders)
        self._threads = threads
        self._open: dict[tuple[str, Economy], Cascade] = {}

    def open(self, name: str, checksum: str, economy: Economy = ECONOMIES[0]) -> Cascade:
        """The model that a job was accepted for, and no other of the same name."""
        key = (checksum, economy)
        if key not in self._open:
            bundle = find_bundles(self._folders).get(name)
            if bundle is None or bundle.checksum != checksum:
                raise ModelChangedError(name, checksum)
            cascade = open_cascade(bundle, self._threads, economy)
            log.info("model %s %s runs on %s", name, cascade.version, cascade.runtime)
            self._open[key] = cascade
        return self._open[key]

    def open_smaller_each_time(self, name: str, checksum: str) -> Iterator[Cascade]:
        """The model, and then the same in ways that take less memory, each open alone."""
        self._close(lambda economy: economy != ECONOMIES[0])  # of a job before
        seen: set[tuple[str, str]] = set()
        for economy in ECONOMIES:
            if seen:
                self._close(lambda _: True)
            cascade = self.open(name, checksum, economy)
            way = (cascade.runtime, cascade.plan)
            if way not in seen:
                seen.add(way)
                yield cascade

    def _close(self, which: Callable[[Economy], bool]) -> None:
        self._open = {key: cascade for key, cascade in self._open.items() if not which(key[1])}
        gc.collect()
