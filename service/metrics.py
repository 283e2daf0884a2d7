"""/metrics for Prometheus: requests as they come, jobs as the database has them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.declarations import needs
from service.access.roles import Permission
from service.context import Context, ContextOf
from service.requester import find_route

router = APIRouter(tags=["metrics"])


class JobCollector(Collector):
    """Counts jobs when Prometheus asks, so that every replica says the same."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterable[Metric]:
        """Jobs and deliveries by state, and messages no worker has taken yet."""
        states = GaugeMetricFamily("oarlock_jobs", "Jobs by state.", labels=["state"])
        for state, count in self._context.jobs.count_by_state().items():
            states.add_metric([state.value], count)
        yield states
        deliveries = GaugeMetricFamily(
            "oarlock_deliveries", "Deliveries to destinations by state.", labels=["state"]
        )
        for delivery_state, count in self._context.outbox.count_by_state().items():
            deliveries.add_metric([delivery_state.value], count)
        yield deliveries
        rules = GaugeMetricFamily("oarlock_rules_up", "Whether the rule file on disk is in force.")
        rules.add_metric([], self._context.rules.fault is None)
        yield rules
        if self._context.settings.audit_collector is not None:
            unsent = GaugeMetricFamily("oarlock_audit_unsent", "Records the collector lacks.")
            unsent.add_metric([], self._context.audit.count_unsent())
            yield unsent
        messages = self._context.publisher.count_messages()
        reachable = GaugeMetricFamily("oarlock_queue_up", "Whether Redis answers.")
        reachable.add_metric([], messages is not None)
        yield reachable
        if messages is not None:
            depth = GaugeMetricFamily("oarlock_queue_messages", "Messages waiting in Redis.")
            depth.add_metric([], messages)
            yield depth


class RequestMetrics:
    """ASGI middleware that counts and times requests by route."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route", "status")
        self._count = Counter("oarlock_http_requests", "HTTP requests.", labels, registry=registry)
        self._seconds = Histogram(
            "oarlock_http_request_seconds",
            "Time until an answer is complete.",
            ("method", "route"),
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            # The route's pattern, not the path: ids would make a label for every job.
            method, route = find_route(scope).split(" ", 1)
            self._count.labels(method, route, status).inc()
            self._seconds.labels(method, route).observe(time.perf_counter() - started)


def add_request_metrics(app: FastAPI) -> CollectorRegistry:
    """Count the requests of an app in a registry of its own."""
    registry = CollectorRegistry()
    app.add_middleware(RequestMetrics, registry=registry)
    return registry


@router.get("/metrics", response_class=Response, include_in_schema=False)
@needs(Permission.SEE_HEALTH)
def show_metrics(request: Request, _context: ContextOf) -> Response:
    """All metrics in Prometheus' text format."""
    registry: CollectorRegistry = request.app.state.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
