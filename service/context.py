"""What the routes work with: the stores, the models, and the thread that wakes workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from contouring.template import Template
from models.bundles import RELEASED, Bundle, find_bundles, pick_bundle
from models.templates import find_templates
from service.access.access import Access, open_access
from service.identities.border import open_identities
from service.rules.rule_book import RuleBook
from service.rules.rule_file import KnownNames
from workers.arrival_store import ArrivalStore
from workers.audit.audit_store import AuditStore
from workers.audit.configuration import ConfigurationWatch
from workers.audit.refusals import Refusals
from workers.audit.reporting import build_forwarder, build_pruning, running
from workers.courier import Courier
from workers.database import migrate, open_engine
from workers.destinations.destinations import Destinations, read_destinations
from workers.encryption.vault import open_vault
from workers.holdings import Holdings
from workers.housekeeping import Housekeeping
from workers.identities import Identities
from workers.instance_files import InstanceFiles
from workers.job_store import JobStore
from workers.job_templates import pick_templates
from workers.lease_store import LeaseStore
from workers.outbox_store import OutboxStore
from workers.publisher import Publisher
from workers.reconciler import Reconciler
from workers.result_store import ResultStore
from workers.retention_store import RetentionStore
from workers.sender_counts import SenderCounts
from workers.series_store import SeriesStore
from workers.settings import Settings
from workers.source_book import SourceBook, read_source_book


@dataclass(frozen=True)
class Context:
    """Everything of one running service."""

    settings: Settings
    access: Access
    bundles: dict[str, Bundle]
    templates: dict[str, Template]
    jobs: JobStore
    series: SeriesStore
    results: ResultStore
    retention: RetentionStore
    publisher: Publisher
    reconciler: Reconciler
    instances: InstanceFiles
    identities: Identities
    arrivals: ArrivalStore
    arriving: Event  # set when something may be whole
    holdings: Holdings
    sources: SourceBook
    sender_counts: SenderCounts
    rules: RuleBook
    outbox: OutboxStore
    destinations: Destinations
    courier: Courier
    audit: AuditStore
    refusals: Refusals
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
    bundles = find_bundles((RELEASED, *settings.model_folders), settings.model_keys)
    templates = find_templates(settings.template_folders)
    pick_templates(templates, settings.default_template_names)  # a wrong setting shows at once
    destinations = read_destinations(settings.destinations)
    pick_templates(templates, destinations.template_names)
    known = KnownNames(frozenset(bundles), frozenset(templates), frozenset(destinations.by_name))
    series = SeriesStore(settings.data, settings.incoming_folder)
    results = ResultStore(settings.data)
    instances = InstanceFiles(settings.data)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    vault = open_vault(settings, engine)
    identities = open_identities(settings, engine, instances, series)
    audit = AuditStore(engine)
    checksums = {name: bundle.checksum for name, bundle in bundles.items()}
    shapes = " ".join(f"{name}:{one.checksum}" for name, one in sorted(templates.items()))
    configuration = ConfigurationWatch(audit, settings, checksums, shapes)
    rules = RuleBook(settings.rules, known, told=configuration.note_changes)
    jobs = JobStore(engine)
    leases = LeaseStore(engine, settings.lease_seconds, settings.attempt_limits)
    publisher = Publisher(settings.require_redis_url(), settings.job_seconds_limit)
    retention = RetentionStore(engine, settings.retention)
    housekeeping = Housekeeping(
        settings.data, retention, series, settings.orphan_seconds, build_pruning(audit, settings)
    )
    reconciler = Reconciler(jobs, leases, publisher, housekeeping, settings.reconcile_seconds)
    outbox = OutboxStore(engine, settings.delivery_pauses)
    courier = Courier(outbox, jobs, results, destinations, settings.courier_seconds, identities)
    with ExitStack() as ending:
        ending.callback(engine.dispose)
        ending.callback(vault.close)
        ending.enter_context(running(audit, "service", build_forwarder(engine, audit, settings)))
        configuration.note_changes()
        ending.callback(publisher.close)
        reconciler.start()
        ending.callback(reconciler.stop)
        courier.start()
        ending.callback(courier.stop)
        yield Context(
            settings=settings,
            access=open_access(engine, settings),
            bundles=bundles,
            templates=templates,
            jobs=jobs,
            series=series,
            results=results,
            retention=retention,
            publisher=publisher,
            reconciler=reconciler,
            instances=instances,
            identities=identities,
            arrivals=ArrivalStore(engine),
            arriving=Event(),
            holdings=Holdings(engine, instances, results, identities),
            sources=read_source_book(settings.sources),
            sender_counts=SenderCounts(),
            rules=rules,
            outbox=outbox,
            destinations=destinations,
            courier=courier,
            audit=audit,
            refusals=Refusals(audit),
            judging=CapacityLimiter(settings.checks_at_once),
        )


def _read_context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


ContextOf = Annotated[Context, Depends(_read_context)]
"""Parameter of a route that needs the context."""
