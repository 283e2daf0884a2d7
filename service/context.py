"""What the routes work with: the stores, the models, and the thread that wakes workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from contouring.template import Template
from models.bundles import RELEASED, Bundle, find_bundles, pick_bundle
from models.templates import find_templates
from workers.database import migrate, open_engine
from workers.housekeeping import Housekeeping
from workers.job_store import JobStore
from workers.job_templates import pick_templates
from workers.lease_store import LeaseStore
from workers.publisher import Publisher
from workers.reconciler import Reconciler
from workers.result_store import ResultStore
from workers.retention_store import RetentionStore
from workers.series_store import SeriesStore
from workers.settings import Settings


@dataclass(frozen=True)
class Context:
    """Everything of one running service."""

    settings: Settings
    bundles: dict[str, Bundle]
    templates: dict[str, Template]
    jobs: JobStore
    series: SeriesStore
    results: ResultStore
    retention: RetentionStore
    publisher: Publisher
    reconciler: Reconciler
    judging: CapacityLimiter  # of checks and lints: each takes a core, and a scan's memory

    def find_bundle(self, name: str | None) -> Bundle:
        """The model of this name, or the default one."""
        return pick_bundle(self.bundles, name or self.settings.default_model)

    def find_templates(self, names: Sequence[str]) -> tuple[Template, ...]:
        """The templates of these names, or the default ones."""
        return pick_templates(self.templates, names or self.settings.default_template_names)


@contextmanager
def open_context(settings: Settings) -> Iterator[Context]:
    """Open the stores, bring the database up to date, and reconcile until the block ends."""
    bundles = find_bundles((RELEASED, *settings.model_folders))
    templates = find_templates(settings.template_folders)
    pick_templates(templates, settings.default_template_names)  # a wrong setting shows at once
    series, results = SeriesStore(settings.data), ResultStore(settings.data)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    jobs = JobStore(engine)
    leases = LeaseStore(engine, settings.lease_seconds, settings.attempt_limits)
    publisher = Publisher(settings.require_redis_url(), settings.job_seconds_limit)
    retention = RetentionStore(engine, settings.retention)
    housekeeping = Housekeeping(settings.data, retention, series, settings.orphan_seconds)
    reconciler = Reconciler(jobs, leases, publisher, housekeeping, settings.reconcile_seconds)
    reconciler.start()
    try:
        yield Context(
            settings=settings,
            bundles=bundles,
            templates=templates,
            jobs=jobs,
            series=series,
            results=results,
            retention=retention,
            publisher=publisher,
            reconciler=reconciler,
            judging=CapacityLimiter(settings.checks_at_once),
        )
    finally:
        reconciler.stop()
        publisher.close()
        engine.dispose()


def _read_context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


ContextOf = Annotated[Context, Depends(_read_context)]
"""Parameter of a route that needs the context."""
