"""The straight line from a CT series to structure sets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from contouring.anatomy import find_anatomy
from contouring.composition import check_sources
from contouring.dicom_series import CTSeries
from contouring.drafts import Draft, Output, draw_draft, release_draft, write_draft
from contouring.errors import NothingFoundError
from contouring.fields import Fields, predict_fields
from contouring.notices import Notice
from contouring.preview import draw_preview
from contouring.provenance import Origin, Stamp
from contouring.recipe import Cascade
from contouring.roi import Region, body_region, find_region
from contouring.template import Template
from contouring.volume import CTVolume, build_volume

STAGES = ("read", "localize", "segment", "contour", "write", "check")

Progress = Callable[[str, float], None]
"""Told the stage and the fraction of it that is done; may raise `JobCancelledError` to stop."""


@dataclass(frozen=True)
class Contouring:
    """The result of a run: per template its files; a PNG; and what to tell people about them.

    `region_share`: of the scan's voxels, what the localizer left to the segmenter; None where that
    is no longer known.
    """

    outputs: tuple[Output, ...]
    preview_png: bytes
    warnings: tuple[Notice, ...]
    stage_seconds: dict[str, float]
    region_share: float | None = None


@dataclass
class Stopwatch:
    """The seconds that each stage took; `progress` hears of each that it begins and ends."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        started = time.perf_counter()
        self.progress(name, 0.0)
        yield lambda fraction: self.progress(name, fraction)
        self.progress(name, 1.0)
        self.seconds[name] = time.perf_counter() - started


def contour_series(
    series: CTSeries,
    cascade: Cascade,
    stamp: Stamp,
    templates: Sequence[Template] = (Template("generic"),),
    progress: Progress = lambda *_: None,
    ct: CTVolume | None = None,
) -> Contouring:
    """Contour one series with one model: its networks run once, however many templates there are.

    `ct`: the series' volume, where it was read before; by default it is read now.

    Raises `SeriesRefusedError` for pixels that cannot be read or are no CT, `InferenceError` if a
    network fails, `NothingFoundError` if it sees nothing, `DerivationError` for a template that the
    model cannot serve, and `ReleaseCheckError` if a file does not hold what the network said.
    """
    for template in templates:
        check_sources(template, cascade.structures)
    watch = Stopwatch(progress)
    with watch.stage("read") as done:
        ct = ct or build_volume(series, done)
    region = _localize(ct, cascade, watch)
    logits = _segment(ct, cascade, region, watch)
    with watch.stage("contour"):
        found = find_anatomy(logits, cascade.structures, ct.grid)
        if not found.shows(cascade.anchors):
            # Of a scan in which other structures were found, only the anchors are missing.
            raise _nothing_found(cascade, cascade.anchors if found.shows(()) else ())
        drafts = [draw_draft(template, found, ct) for template in templates]
    with watch.stage("write"):
        warnings = series.warnings + ct.warnings + cascade.warnings
        written = [
            write_draft(draft, series, _origin(cascade), stamp, warnings + draft.notices)
            for draft in drafts
        ]
        preview = draw_preview(ct, drafts[0].composition.drawn)
    with watch.stage("check"):
        outputs = [
            release_draft(draft, files, series)
            for draft, files in zip(drafts, written, strict=True)
        ]
    share = 1.0 if region is None else region.share
    return Contouring(tuple(outputs), preview, warnings + _tell(drafts), watch.seconds, share)


def _origin(cascade: Cascade) -> Origin:
    return Origin(cascade.name, cascade.version, cascade.checksum, cascade.runtime, cascade.plan)


def _tell(drafts: Sequence[Draft]) -> tuple[Notice, ...]:
    """What all drafts have to say, each notice once."""
    return tuple(dict.fromkeys(notice for draft in drafts for notice in draft.notices))


def _localize(ct: CTVolume, cascade: Cascade, watch: Stopwatch) -> Region | None:
    """None where the segmenter sees the whole scan."""
    if cascade.localizer is None:
        return body_region(ct) if cascade.segmenter.crops_to_body else None
    with watch.stage("localize") as done:
        region = find_region(ct, cascade.localizer, done)
    if region is None:
        raise _nothing_found(cascade)
    return region


def _segment(ct: CTVolume, cascade: Cascade, region: Region | None, watch: Stopwatch) -> Fields:
    stage, predictor = cascade.segmenter.stage, cascade.segmenter.predictor
    box, candidates = (None, None) if region is None else (region.box, region.candidates)
    with watch.stage("segment") as done:
        return predict_fields(ct, stage, predictor, box, done, candidates)


def _nothing_found(cascade: Cascade, anchors: Sequence[str] = ()) -> NothingFoundError:
    structures = [one.name for one in cascade.structures]
    return NothingFoundError(cascade.name, structures, anchors)
