"""One verdict for each CT series: accepted, accepted with warnings, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from contouring.dicom_series import CTSeries, find_series
from contouring.errors import SeriesRefusedError
from contouring.notices import Notice
from contouring.volume import build_volume


class Outcome(StrEnum):
    """What becomes of a series."""

    ACCEPTED = "accepted"
    WARNED = "accepted-with-warnings"
    REFUSED = "refused"


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one series, or of one stack of a series that holds several."""

    series_instance_uid: str
    description: str
    slice_count: int
    outcome: Outcome
    warnings: tuple[Notice, ...]
    refusal: Notice | None


@dataclass(frozen=True)
class Judgement:
    """The verdicts on everything that was sent, and what is no CT slice."""

    verdicts: tuple[Verdict, ...]
    ignored: tuple[str, ...]


def judge_files(
    files: Sequence[Path],
    names: Mapping[Path, str] | None = None,
    done: Callable[[float], None] = lambda _: None,
) -> Judgement:
    """Judge every CT series among files: headers, then the pixels of what passed.

    `names`: what the sender called a file; `done`: told the fraction of all slices that were read.
    Raises what `find_series` raises.
    """
    search = find_series(files, names)
    verdicts = [
        Verdict(
            refused.series_instance_uid,
            refused.description,
            refused.file_count,
            Outcome.REFUSED,
            (),
            Notice(refused.fault, refused.reason),
        )
        for refused in search.refused
    ]
    total = sum(len(series.instances) for series in search.series)
    before = 0
    for series in search.series:
        count = len(series.instances)
        verdicts.append(
            _judge(series, lambda part, n=count, b=before: done((b + part * n) / total))  # type: ignore[misc]
        )
        before += count
    return Judgement(tuple(verdicts), search.ignored)


def _judge(series: CTSeries, done: Callable[[float], None]) -> Verdict:
    refusal = None
    warnings = series.warnings
    try:
        warnings += build_volume(series, done).warnings
    except SeriesRefusedError as error:
        refusal = Notice(error.fault, error.reason)
    outcome = Outcome.WARNED if warnings else Outcome.ACCEPTED
    return Verdict(
        series.series_instance_uid,
        series.description,
        len(series.instances),
        Outcome.REFUSED if refusal else outcome,
        warnings,
        refusal,
    )
