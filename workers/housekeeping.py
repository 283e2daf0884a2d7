"""What nobody needs any more is removed: a round of it every minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from workers.orphans import sweep_orphans
from workers.retention_store import RetentionStore
from workers.series_store import SeriesStore

PAUSE_SECONDS = 60.0

log = logging.getLogger(__name__)


class Housekeeping:
    """Purges what is due, and sweeps what dead processes and purges left on the disk."""

    def __init__(
        self,
        data: Path,
        retention: RetentionStore,
        series: SeriesStore,
        orphan_seconds: float,
        prune_audit: Callable[[], int] = lambda: 0,
    ) -> None:
        """`prune_audit` removes records that were kept long enough; how many."""
        self._data = data
        self._retention = retention
        self._series = series
        self._orphan_seconds = orphan_seconds
        self._prune_audit = prune_audit
        self._next = 0.0

    def tidy_if_due(self) -> None:
        """A round, unless the last one is less than a minute ago."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + min(PAUSE_SECONDS, self._orphan_seconds)
        self.tidy()

    def tidy(self) -> None:
        """One round."""
        purged = self._retention.purge()
        if purged:
            log.info("%d job(s) were kept long enough and are purged", len(purged))
        pruned = self._prune_audit()
        if pruned:
            log.info("%d audit record(s) were kept long enough and are removed", pruned)
        self._series.sweep()
        sweep_orphans(self._data, self._retention.find_kept(), self._orphan_seconds)
