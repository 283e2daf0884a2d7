"""An upload becomes jobs: series are found, judged, kept, and recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from contouring.dicom_series import CTSeries, RefusedSeries, SeriesSearch, find_series
from contouring.errors import EverySeriesRefusedError, NotStorableError, UploadTooLargeError
from service.context import Context
from service.job_making import check_order, make_jobs
from service.rules.decisions import Decision, Order
from service.uploads import Upload, UploadFields, wanting_slices_or_zip
from workers.arrivals import ArrivalState, Verdict
from workers.early_syncs import EarlySyncs
from workers.instances import ReceivedInstance, identify
from workers.jobs import Job, Priority
from workers.sources import Source


@dataclass(frozen=True)
class Intake:
    """What an upload led to."""

    jobs: tuple[Job, ...]
    refused: tuple[RefusedSeries, ...]
    ignored: tuple[str, ...]


def take_in(upload: Upload, source: Source, syncs: EarlySyncs, context: Context) -> Intake:
    """Keep every usable series and record its jobs; on return all of it survives a crash.

    The site's rules say which, unless the upload names a model or templates itself.
    """
    wish = _read_wish(upload.fields)
    if wish is not None:
        check_order(wish, context)
    with wanting_slices_or_zip():
        search = find_series(list(upload.series.names), upload.series.names)
    _check_studies(search, source.project, context)
    checksums = {file.path: file.sha256 for file in upload.series.files}
    jobs: list[Job] = []
    refused = list(search.refused)
    for series in search.series:
        decision = Decision((wish,)) if wish else context.rules.decide(series, source)
        if decision.refusal is not None:
            refused.append(_build_refused(series, "refused-by-rule", decision.refusal))
            continue
        orders = [_hasten(order, upload.fields) for order in decision.jobs]
        try:
            received = _keep(series, checksums, syncs, context)
        except NotStorableError as error:
            refused.append(_build_refused(series, error.code, str(error)))
            continue
        kept = {one.as_sent.path: context.instances.find(one.sha256) for one in received}
        by_place = {kept[one.as_sent.path]: one.sha256 for one in received}
        note = partial(_note_whole, source, received, context)
        jobs += make_jobs(_move(series, kept), by_place, orders, source.project, context, note)
    if not jobs:
        raise EverySeriesRefusedError(
            [f"Series {one.series_instance_uid}: {one.fault}: {one.reason}" for one in refused]
        )
    context.reconciler.wake()
    shown = tuple(context.identities.reveal_job(job) for job in jobs)
    return Intake(shown, tuple(refused), (*search.ignored, *upload.series.left_out))


def _check_studies(search: SeriesSearch, project: str | None, context: Context) -> None:
    """Hold each study to its number of series, with those that came before."""
    most = context.settings.study_series
    found: dict[str, set[str]] = {}
    for series in search.series:
        found.setdefault(series.study_instance_uid, set()).add(series.series_instance_uid)
    hide = context.identities.hide_uid
    for study, uids in found.items():
        kept = {hide(uid) for uid in uids}
        if len(uids) + context.arrivals.count_series(hide(study), kept, project) > most:
            raise UploadTooLargeError("The study", f"{most} series")


def _read_wish(fields: UploadFields) -> Order | None:
    if fields.model is None and not fields.template:
        return None
    return Order(model=fields.model, templates=fields.template, priority=fields.priority)


def _hasten(order: Order, fields: UploadFields) -> Order:
    """Whoever sends something urgent knows more than a rule does."""
    return replace(order, priority=Priority.URGENT) if fields.priority is Priority.URGENT else order


def _build_refused(series: CTSeries, fault: str, reason: str) -> RefusedSeries:
    files = len({instance.path for instance in series.instances})
    return RefusedSeries(series.series_instance_uid, series.description, fault, reason, files)


def _keep(
    series: CTSeries, checksums: Mapping[Path, str], syncs: EarlySyncs, context: Context
) -> tuple[ReceivedInstance, ...]:
    # The frames of a multi-frame file share it.
    paths = dict.fromkeys(instance.path for instance in series.instances)
    received = []
    with ExitStack() as failing:
        for path in paths:
            one = context.identities.hide(identify(path, checksums[path]))
            received.append(one)
            if one.sent is not None:  # it lies outside the upload's folder
                failing.callback(one.path.unlink, missing_ok=True)
        syncs.finish(one.path for one in received if one.sent is None)
        context.instances.keep(received)
        failing.pop_all()
    return tuple(received)


def _note_whole(
    source: Source,
    received: Sequence[ReceivedInstance],
    context: Context,
    connection: Connection,
    jobs: tuple[Job, ...],
) -> None:
    """With its jobs: nobody could restore the result of one whose slices' identities are lost."""
    context.arrivals.enter_whole(connection, source, received, _build_verdict(jobs))


def _move(series: CTSeries, places: Mapping[Path, Path]) -> CTSeries:
    moved = (replace(one, path=places[one.path]) for one in series.instances)
    return replace(series, instances=tuple(moved))


def _build_verdict(jobs: tuple[Job, ...]) -> Verdict:
    return Verdict(
        ArrivalState.ACCEPTED,
        evidence="It was uploaded as a whole.",
        job_ids=tuple(job.id for job in jobs),
    )
