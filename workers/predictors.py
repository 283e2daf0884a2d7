"""Models that stay open in a worker's process, each opened when a job first needs it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from contouring.errors import ModelChangedError
from contouring.recipe import Cascade
from models.bundles import RELEASED, find_bundles
from models.cascades import open_cascade

log = logging.getLogger(__name__)


class Predictors:
    """Open cascades by checksum."""

    def __init__(self, model_folders: Sequence[Path], threads: int | None) -> None:
        self._folders = (RELEASED, *model_folders)
        self._threads = threads
        self._open: dict[str, Cascade] = {}

    def open(self, name: str, checksum: str) -> Cascade:
        """The model that a job was accepted for, and no other of the same name."""
        if checksum not in self._open:
            bundle = find_bundles(self._folders).get(name)
            if bundle is None or bundle.checksum != checksum:
                raise ModelChangedError(name, checksum)
            cascade = open_cascade(bundle, self._threads)
            log.info("model %s %s runs on %s", name, cascade.version, cascade.runtime)
            self._open[checksum] = cascade
        return self._open[checksum]
