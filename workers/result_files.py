"""The files of a result, by name: structure sets, segmentations, a picture and a report."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from contouring.dicom_series import CTSeries
from contouring.drafts import Output
from contouring.pipeline import Contouring
from contouring.provenance import Stamp
from contouring.recipe import Cascade
from contouring.structures import Status
from workers.jobs import Failure, OutputRecord, StructureRecord

DICOM_SUFFIX = ".dcm"
PREVIEW = "preview.png"
REPORT = "report.json"


def build_files(contouring: Contouring, report: dict[str, Any]) -> dict[str, bytes]:
    """Name and content of every file; the same result gives the same names."""
    files = {PREVIEW: contouring.preview_png, REPORT: encode_report(report)}
    for output in contouring.outputs:
        files[name_rtstruct(output.template)] = output.rtstruct
        if output.segmentation is not None:
            files[name_segmentation(output.template)] = output.segmentation
    return files


def build_output_records(contouring: Contouring) -> tuple[OutputRecord, ...]:
    """Which file is which template's."""
    return tuple(_build_output_record(output) for output in contouring.outputs)


def build_structure_records(contouring: Contouring) -> tuple[StructureRecord, ...]:
    """What became of every structure of every template."""
    return tuple(
        StructureRecord(template=output.template, **{**asdict(account), "flags": account.flags})
        for output in contouring.outputs
        for account in output.accounts
    )


def find_failed(contouring: Contouring) -> list[str]:
    """The structures that were asked for and failed, with their templates and the reasons."""
    return [
        f"{output.template}: {account.name} ({account.reason.rstrip('.')})"
        for output in contouring.outputs
        for account in output.accounts
        if account.status is Status.FAILED
    ]


def build_hold(contouring: Contouring) -> Failure | None:
    """Why a person must look before the files are given out; None if no structure failed."""
    failed = find_failed(contouring)
    if not failed:
        return None
    return Failure(
        "structures-failed",
        f"Not all structures could be contoured: {'; '.join(failed)}. The others are held: look at "
        "the preview and the report, then release the job or run it again.",
    )


def build_report(
    series: CTSeries, cascade: Cascade, stamp: Stamp, contouring: Contouring
) -> dict[str, Any]:
    """What a person who checks a result wants to know: structures, flags, the release check."""
    return {
        "series_instance_uid": series.series_instance_uid,
        "model": {
            "name": cascade.name,
            "version": cascade.version,
            "checksum": cascade.checksum,
            "runtime": cascade.runtime,
            "plan": cascade.plan,
        },
        "made_at": stamp.made_at.isoformat(),
        "software_version": stamp.software_version,
        "warnings": [asdict(warning) for warning in contouring.warnings],
        "outputs": [
            {
                "template": output.template,
                "structures": [asdict(account) for account in output.accounts],
                "release": asdict(output.release),
            }
            for output in contouring.outputs
        ],
        "stage_seconds": contouring.stage_seconds,
        "region_share": contouring.region_share,
    }


def build_withheld_report(
    series: CTSeries, cascade: Cascade, stamp: Stamp, withheld: Output
) -> dict[str, Any]:
    """The same on a structure set that failed its release check, with what it breaks."""
    return build_report(series, cascade, stamp, Contouring((withheld,), b"", series.warnings, {}))


def encode_report(report: dict[str, Any]) -> bytes:
    """The report as its file holds it."""
    return json.dumps(report, indent=2, ensure_ascii=False).encode()


def name_rtstruct(template: str) -> str:
    """File name of a template's structure set."""
    return f"{template}.rtstruct{DICOM_SUFFIX}"


def name_segmentation(template: str) -> str:
    """File name of a template's segmentation."""
    return f"{template}.seg{DICOM_SUFFIX}"


def _build_output_record(output: Output) -> OutputRecord:
    has_segmentation = output.segmentation is not None
    return OutputRecord(
        template=output.template,
        rtstruct=name_rtstruct(output.template),
        segmentation=name_segmentation(output.template) if has_segmentation else None,
    )
