"""An arrival is judged: is it whole, can it be contoured, and what is made of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from contouring.dicom_series import SeriesSearch, find_series
from contouring.errors import (
    NoCTSeriesError,
    OarlockError,
    UnusableInputError,
    UploadTooLargeError,
)
from service.context import Context
from service.job_making import make_jobs
from workers.arrivals import OPEN, Arrival, ArrivalState, Contents, Verdict
from workers.jobs import Job
from workers.source_book import SourceEntry

LATER_SECONDS = 5.0
SETTLE_SECONDS = 5.0  # in which the sender's count must not grow
# Refusals that a slice which is still on its way would mend.
GAPS = frozenset(
    {
        "missing-slice",
        "odd-gap",
        "slices-too-far-apart",
        "implausible-extent",
        "too-few-slices",
    }
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wait:
    """Not whole yet: look again later."""

    seconds: float
    expected: int | None = None


@dataclass(frozen=True)
class _Whole:
    """What an arrival is judged on: with all that came before, where that goes together.

    `known`: SOP Instance UIDs of all that ever came of it, in whatever version; `job_ids`: of what
    came before and goes together with it; `is_more`: whether the arrival adds to that.
    """

    contents: Contents
    known: frozenset[str]
    job_ids: tuple[str, ...]
    is_more: bool


def judge(arrival: Arrival, context: Context) -> Verdict | Wait:
    """The verdict on an arrival that nobody adds to; its jobs are recorded on return."""
    whole = _unite(arrival, context)
    if whole is None:
        return Wait(LATER_SECONDS)
    verdict = _check_study(arrival, context) or _judge(
        context.identities.reveal_arrival(arrival), whole, context
    )
    if isinstance(verdict, Wait):
        return verdict
    if verdict.state is ArrivalState.INCOMPLETE:
        # More came than they were made of, though not all: nobody should plan on them meanwhile.
        context.jobs.hold_deliveries(whole.job_ids)
    # Whatever it is: what comes later is judged together with all that came until now.
    reason = context.identities.hide_words(verdict.reason, arrival.series_instance_uid)
    return replace(verdict, reason=reason, contents=whole.contents)


def _check_study(arrival: Arrival, context: Context) -> Verdict | None:
    """The refusal of one series too many, counted by the UIDs that the database has."""
    most = context.settings.study_series
    study, series = arrival.study_instance_uid, arrival.series_instance_uid
    project = arrival.source.project
    if context.arrivals.count_series(study, (series,), project, before=arrival) < most:
        return None
    error = UploadTooLargeError("The study", f"{most} series")
    return Verdict(ArrivalState.REFUSED, fault=error.code, reason=str(error))


def _judge(arrival: Arrival, whole: _Whole, context: Context) -> Verdict | Wait:
    most = context.settings.series_files
    if len(whole.contents) > most:  # not even their headers are read
        error = UploadTooLargeError("The series", f"{most} objects")
        return Verdict(ArrivalState.REFUSED, fault=error.code, reason=str(error))
    entry = context.sources.find_entry(arrival.source)
    expected = context.sender_counts.ask(entry.count, arrival)
    rest_seconds = entry.quiet_seconds - arrival.seconds_since_last
    is_quiet = rest_seconds <= 0
    is_patient = arrival.seconds_since_last < entry.incomplete_seconds
    later = Wait(entry.quiet_seconds if is_quiet else rest_seconds, expected)
    if not is_quiet and expected is None and not entry.sends_whole_series:
        return later
    missing = _find_missing(arrival, whole, expected)
    if missing is not None:
        return later if is_patient else missing
    if is_patient and expected is None and entry.count is not None:
        return later  # whoever should know how many there are may have died over them
    if not is_quiet and expected is not None and not _is_settled(arrival, expected):
        return Wait(min(SETTLE_SECONDS, rest_seconds), expected)
    files = {context.instances.find(sha256): sha256 for sha256 in whole.contents.values()}
    kept = {uid: context.instances.find(sha256) for uid, sha256 in whole.contents.items()}
    reveal = context.identities.reveal_instance
    names = {path: f"the slice {reveal(uid, path)}" for uid, path in kept.items()}
    try:
        search = find_series(list(files), names, context.identities.read_header)
    except NoCTSeriesError as error:  # scouts alone, say
        return Verdict(ArrivalState.IGNORED, fault=error.code, reason=str(error))
    except UnusableInputError as error:
        return Verdict(ArrivalState.REFUSED, fault=error.code, reason=str(error))
    if not search.series:
        has_gap = {refused.fault for refused in search.refused} <= GAPS
        if has_gap and is_patient and expected is None:
            return later
        return _refuse(search, has_gap)
    evidence = _tell_evidence(expected, is_quiet, entry)
    return _admit(arrival, whole, search, files, evidence, context)


def _unite(arrival: Arrival, context: Context) -> _Whole | None:
    """None while something that came before is not judged yet."""
    own = context.arrivals.find_contents(arrival.id)
    contents = dict(own)
    known, joined = set(own), set[str]()
    job_ids: list[str] = []
    for earlier in context.arrivals.find_earlier(arrival):
        if earlier.state in OPEN:
            return None
        before = context.arrivals.find_contents(earlier.id)
        known |= before.keys()
        if all(contents.get(uid, sha256) == sha256 for uid, sha256 in before.items()):
            contents |= before
            joined |= before.keys()
            job_ids += earlier.job_ids
    is_more = not own.keys() <= joined
    return _Whole(contents, frozenset(known), tuple(dict.fromkeys(job_ids)), is_more)


def _find_missing(arrival: Arrival, whole: _Whole, expected: int | None) -> Verdict | None:
    """Why it is known, from numbers alone, that something is missing."""
    if expected is not None and len(whole.contents) < expected:
        return Verdict(
            ArrivalState.INCOMPLETE,
            fault="fewer-than-sent",
            reason=f"The sender has {expected} objects of this series and "
            f"{len(whole.contents)} came: send it again.",
            expected=expected,
        )
    # Half of a corrected scan is as even as all of it.
    left = len(whole.known - whole.contents.keys())
    if left:
        return Verdict(
            ArrivalState.INCOMPLETE,
            fault="changed-in-part",
            reason=f"Of {len(whole.known)} objects that came before, some came again with other "
            f"bytes and {left} did not: send the whole series again.",
            expected=expected,
        )
    # So is half of one whose sender died over it.
    if expected is None and whole.is_more and not arrival.has_ended:
        return Verdict(
            ArrivalState.INCOMPLETE,
            fault="broken-off",
            reason="The request or association that brought it broke off, or some of it could not "
            "be stored, and nothing came after it: send the whole series again.",
        )
    return None


def _is_settled(arrival: Arrival, expected: int) -> bool:
    """A sender that passes on what it still receives has no more than it sent, at any moment."""
    return arrival.expected == expected and arrival.seconds_since_last >= SETTLE_SECONDS


def _refuse(search: SeriesSearch, has_gap: bool) -> Verdict:
    reasons = " ".join(refused.reason for refused in search.refused)
    state = ArrivalState.INCOMPLETE if has_gap else ArrivalState.REFUSED
    return Verdict(state, fault=search.refused[0].fault, reason=reasons)


def _tell_evidence(expected: int | None, is_quiet: bool, entry: SourceEntry) -> str:
    if expected is not None:
        return f"It has all {expected} objects that its sender has."
    if not is_quiet:
        return "Its sender sends whole series, was done, and no slice is missing between others."
    return f"Nothing came for {entry.quiet_seconds:g} s, and no slice is missing between others."


def _admit(
    arrival: Arrival,
    whole: _Whole,
    search: SeriesSearch,
    files: dict[Path, str],
    evidence: str,
    context: Context,
) -> Verdict:
    jobs: list[Job] = []
    refusals = {refused.reason: refused.fault for refused in search.refused}
    for series in search.series:
        decision = context.rules.decide(series, arrival.source)
        if decision.refusal is not None:
            refusals[decision.refusal] = "refused-by-rule"
            continue
        try:
            jobs += make_jobs(series, files, decision.jobs, arrival.source.project, context)
        except OarlockError as error:
            log.error("arrival %s cannot become a job as the rules say: %s", arrival.id, error.code)
            refusals[str(error)] = error.code
    reason = " ".join(refusals)
    if not jobs:
        fault = next(iter(refusals.values()), "no-rule")
        return Verdict(ArrivalState.REFUSED, evidence, fault, reason)
    job_ids = tuple(dict.fromkeys(job.id for job in jobs))
    context.jobs.supersede([old for old in whole.job_ids if old not in job_ids], job_ids[0])
    return Verdict(
        ArrivalState.ACCEPTED,
        evidence,
        reason=reason,
        job_ids=job_ids,
    )
