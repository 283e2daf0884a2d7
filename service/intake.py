"""An upload becomes jobs: series are found, judged, kept, and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contouring.composition import check_sources
from contouring.dicom_series import CTSeries, RefusedSeries, find_series
from contouring.errors import EverySeriesRefusedError
from contouring.structures import Structure
from models.bundles import Bundle
from service.context import Context
from service.staged_files import build_display_name
from service.uploads import Upload, wanting_slices_or_zip
from workers.job_templates import build_parameters
from workers.jobs import Job, NewJob, Priority, build_series_digest


@dataclass(frozen=True)
class Intake:
    """What an upload led to."""

    jobs: tuple[Job, ...]
    refused: tuple[RefusedSeries, ...]
    ignored: tuple[str, ...]


def take_in(upload: Upload, context: Context) -> Intake:
    """Keep every usable series and record its job; on return all of it survives a crash."""
    bundle = context.find_bundle(upload.fields.model)
    templates = context.find_templates(upload.fields.template)
    for template in templates:
        check_sources(template, _list_structures(bundle))
    parameters = build_parameters(templates)
    with wanting_slices_or_zip():
        search = find_series(
            [file.path for file in upload.files], {file.path: file.name for file in upload.files}
        )
    if not search.series:
        raise EverySeriesRefusedError(
            [
                f"Series {refused.series_instance_uid}: {refused.fault}: {refused.reason}"
                for refused in search.refused
            ]
        )
    checksums = {file.path: file.sha256 for file in upload.files}
    new_jobs = []
    for series in search.series:
        # The frames of a multi-frame file share it.
        files = {instance.path: instance.sop_instance_uid for instance in series.instances}
        instances = {uid: checksums[path] for path, uid in files.items()}
        digest = build_series_digest(instances.items())
        context.series.keep(digest, list(files))
        job = _build_job(series, digest, bundle, parameters, upload.fields.priority)
        new_jobs.append(replace(job, instances=instances))
    jobs = context.jobs.add(new_jobs)
    context.reconciler.wake()
    return Intake(jobs, search.refused, search.ignored)


def _list_structures(bundle: Bundle) -> tuple[Structure, ...]:
    return tuple(Structure(one.label, one.name, one.colour) for one in bundle.card.structures)


def _build_job(
    series: CTSeries,
    digest: str,
    bundle: Bundle,
    parameters: Mapping[str, object],
    priority: Priority,
) -> NewJob:
    return NewJob(
        series_digest=digest,
        study_instance_uid=series.study_instance_uid,
        series_instance_uid=series.series_instance_uid,
        # PostgreSQL keeps no NUL, which a header may hold.
        series_description=build_display_name(series.description),
        slice_count=len(series.instances),
        model_name=bundle.card.name,
        model_checksum=bundle.checksum,
        parameters=parameters,
        priority=priority,
        warnings=tuple(str(warning) for warning in series.warnings),
    )
