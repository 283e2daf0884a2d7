"""A usable series becomes jobs: its files linked, its models and templates looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from contouring.composition import check_sources
from contouring.dicom_series import CTSeries
from contouring.structures import Structure
from models.bundles import Bundle
from service.context import Context
from service.rules.decisions import Order
from workers.destinations.destinations import resolve_plan, templates_for
from workers.instances import build_shown_words
from workers.job_store import AddedWith
from workers.job_templates import build_parameters
from workers.jobs import Job, NewJob, PlannedDelivery, build_series_digest
from workers.request_ids import request_id_now


def make_jobs(
    series: CTSeries,
    checksums: Mapping[Path, str],
    orders: Sequence[Order],
    project: str | None,
    context: Context,
    also: AddedWith | None = None,
) -> tuple[Job, ...]:
    """Record a job for each order; on return the jobs and their files survive a crash.

    `checksums`: SHA-256 (hex) of the series' files, which are kept already; `also`: what no job may
    be without. Raises
    `UnknownModelError`, `UnknownTemplateError` and `DerivationError` before anything is recorded.
    """
    # The frames of a multi-frame file share it.
    files = {instance.path: instance.sop_instance_uid for instance in series.instances}
    hide = context.identities.hide_uid
    instances = {hide(uid): checksums[path] for path, uid in files.items()}
    digest = build_series_digest(instances.items())
    new_jobs = [_build_job(series, digest, order, context) for order in orders]
    context.series.keep(digest, list(files))
    jobs = [replace(job, instances=instances, project=project) for job in new_jobs]
    return context.jobs.add(jobs, also)


def check_order(order: Order, context: Context) -> None:
    """Raise as `make_jobs` does for an order that no series can be contoured by."""
    _prepare(order, context)


def _build_job(series: CTSeries, digest: str, order: Order, context: Context) -> NewJob:
    bundle, parameters, planned = _prepare(order, context)
    identities = context.identities
    # PostgreSQL keeps no NUL, which a header may hold.
    description = build_shown_words(series.description)
    series_uid = identities.hide_uid(series.series_instance_uid)
    return NewJob(
        series_digest=digest,
        study_instance_uid=identities.hide_uid(series.study_instance_uid),
        series_instance_uid=series_uid,
        series_description=identities.hide_names(
            series.study_instance_uid, series.series_instance_uid, description
        ),
        slice_count=len(series.instances),
        model_name=bundle.card.name,
        model_checksum=bundle.checksum,
        parameters=parameters,
        priority=order.priority,
        warnings=tuple(
            identities.hide_words(str(warning), series_uid) for warning in series.warnings
        ),
        rule=order.rule,
        planned=planned,
        is_shadow=order.is_shadow,
        request_id=request_id_now.get(),
        patient_id=identities.hide_patient(
            build_shown_words(str(series.header.get("PatientID", "")))
        ),
    )


def _prepare(
    order: Order, context: Context
) -> tuple[Bundle, Mapping[str, object], tuple[PlannedDelivery, ...]]:
    """One run of the networks serves every destination: theirs are the job's templates, too."""
    bundle = context.find_bundle(order.model)
    first = (order.templates or context.settings.default_template_names)[0]
    planned = resolve_plan(order.deliveries, context.destinations, first)
    wanted = (*order.templates, *templates_for(planned, context.destinations))
    templates = context.find_templates(tuple(dict.fromkeys(wanted)))
    structures = tuple(_list_structures(bundle))
    for template in templates:
        check_sources(template, structures)
    return bundle, build_parameters(templates), planned


def _list_structures(bundle: Bundle) -> Iterable[Structure]:
    for one in bundle.card.structures:
        yield Structure(one.label, one.name, one.colour)
