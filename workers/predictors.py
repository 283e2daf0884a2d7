"""Models that stay open in a worker's process, each opened when a job first needs it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from pathlib import Path

from contouring.errors import ModelChangedError
from contouring.recipe import Cascade
from models.bundles import RELEASED, find_bundles
from models.cascades import PASSED_OVER, open_cascade
from models.economy import ECONOMIES, Economy
from models.runtime_names import RuntimeName

log = logging.getLogger(__name__)


class Predictors:
    """Open cascades, by checksum and by how they spare memory."""

    def __init__(
        self,
        model_folders: Sequence[Path],
        threads: int | None,
        runtime: RuntimeName = RuntimeName.AUTO,
        engines: Path | None = None,
        keys: Path | None = None,
    ) -> None:
        self._folders, self._keys = (RELEASED, *model_folders), keys
        self._threads, self._runtime, self._engines = threads, runtime, engines
        self._open: dict[tuple[str, Economy], Cascade] = {}

    def has_open(self, checksum: str, economy: Economy = ECONOMIES[0]) -> bool:
        """Whether `open` has nothing to do."""
        return (checksum, economy) in self._open

    def open(self, name: str, checksum: str, economy: Economy = ECONOMIES[0]) -> Cascade:
        """The model that a job was accepted for, and no other of the same name."""
        key = (checksum, economy)
        if key not in self._open:
            bundle = find_bundles(self._folders, self._keys).get(name)
            if bundle is None or bundle.checksum != checksum:
                raise ModelChangedError(name, checksum)
            cascade = open_cascade(bundle, self._threads, economy, self._runtime, self._engines)
            log.info("model %s %s runs on %s", name, cascade.version, cascade.runtime)
            if any(one.name == PASSED_OVER for one in cascade.warnings):
                return cascade  # the next job looks again for what this one had to do without
            self._open[key] = cascade
        return self._open[key]

    def close_all(self) -> None:
        """Give back the memory of every open model."""
        self._open.clear()
        gc.collect()


def runs_on_gpu(cascade: Cascade) -> bool:
    """Whether all its networks run on a GPU, but for layers that it lacks."""
    return "CPU" not in cascade.runtime  # each runtime's name has its device or provider
