"""Models that stay open in a worker's process, each opened when a job first needs it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
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

    def close_all(self) -> None:
        """Give back the memory of every open model."""
        self._open.clear()
        gc.collect()
