"""A structure set linted, with or without its CT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from contouring.dicom_series import CTSeries, find_series
from contouring.errors import NotDicomError, SeriesRefusedError
from contouring.input_policies import refusal
from contouring.lint import lint_structure_set
from contouring.opened_files import read_file
from service.judgements import LintView, build_lint_view

WANTED = "an RTSTRUCT"
NOTHING_LINTED = (
    "Nothing was linted, for contours cannot be held against this CT: leave it out to have the "
    "structure set judged by itself."
)


def lint_file(
    file: Path, ct_files: Sequence[Path], names: Mapping[Path, str] | None = None
) -> LintView:
    """Lint a file; with CT files also its geometry against the series that it names.

    `names`: what the sender called a file; its own name otherwise.
    """
    content = read_file(file)
    series = _pick_series(content, ct_files, names) if ct_files else None
    try:
        findings = lint_structure_set(content, series)
    except NotDicomError as error:
        name = (names or {}).get(file, file.name)
        raise NotDicomError(name, WANTED) from error
    return build_lint_view(findings, series.series_instance_uid if series else None)


def _pick_series(
    content: bytes, ct_files: Sequence[Path], names: Mapping[Path, str] | None
) -> CTSeries:
    """The one usable series, or of several the one whose UID stands in the structure set."""
    search = find_series(ct_files, names)
    if not search.series:
        first = search.refused[0]
        raise SeriesRefusedError(first.fault, f"{first.reason} {NOTHING_LINTED}")
    if len(search.series) == 1:
        return search.series[0]
    named = [one for one in search.series if one.series_instance_uid.encode() in content]
    if len(named) == 1:
        return named[0]
    found = ", ".join(series.series_instance_uid for series in search.series)
    raise refusal(
        "several-series",
        f"The CT holds several series ({found}), and the structure set does not name one of them "
        "alone: give that series only.",
    )
