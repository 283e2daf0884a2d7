"""A draft: what one template takes from an anatomy, on its way to files that may leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contouring.anatomy import Anatomy, add_derived
from contouring.composition import Account, Composition, compose
from contouring.dicom_series import CTSeries
from contouring.errors import ReleaseCheckError, StructureSetError
from contouring.flags import find_flags
from contouring.masks import StructureField
from contouring.notices import Notice
from contouring.provenance import Origin, Stamp
from contouring.release_check import ReleaseReport, check_release
from contouring.rtstruct import write_structure_set
from contouring.segmentation import write_segmentation
from contouring.structures import Status
from contouring.template import Template
from contouring.volume import CTVolume


@dataclass(frozen=True, eq=False)
class Draft:
    """`fields`: what the contours were traced from, by ROI name as written."""

    template: Template
    composition: Composition
    fields: Mapping[str, StructureField]

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is missing, and what a person should look at."""
        accounts = self.composition.accounts
        missing = [
            Notice(account.status.value, f"{account.name}: {account.reason}")
            for account in accounts
            if account.status is not Status.CONTOURED
        ]
        return (*missing, *(flag for account in accounts for flag in account.flags))


@dataclass(frozen=True)
class WrittenFiles:
    """`segmentation`: a DICOM SEG, where the template asks for one."""

    rtstruct: bytes
    segmentation: bytes | None


@dataclass(frozen=True)
class Output:
    """What one template gets: its files, an account of every structure that it asks for, and the
    proof that the structure set holds what the network said."""

    template: str
    rtstruct: bytes
    segmentation: bytes | None
    accounts: tuple[Account, ...]
    release: ReleaseReport


def draw_draft(template: Template, found: Anatomy, ct: CTVolume) -> Draft:
    """The template's structures, derived ones among them, in its own names and lines.

    Raises `StructureSetError` if none of them can be drawn.
    """
    anatomy = add_derived(found, template.derived, ct)
    flags = find_flags(tuple(anatomy.traced.values()), anatomy.fields, ct)
    composition = compose(
        template, found.structures, anatomy.traced, flags, ct.grid, anatomy.failures
    )
    if not any(drawn.contours for drawn in composition.drawn):
        raise StructureSetError(
            f"The template {template.name} asks for nothing that was found in this scan: "
            + " ".join(f"{account.name}: {account.reason}" for account in composition.accounts)
        )
    fields = {
        account.name: anatomy.fields[account.source]
        for account in composition.accounts
        if account.source in anatomy.fields and account.status is not Status.FAILED
    }
    return Draft(template, composition, fields)


def write_draft(
    draft: Draft, series: CTSeries, origin: Origin, stamp: Stamp, warnings: Sequence[Notice]
) -> WrittenFiles:
    """The draft's files; raises `StructureSetError` if highdicom is needed and missing."""
    drawn = draft.composition.drawn
    rtstruct = write_structure_set(series, drawn, origin, stamp, warnings, draft.template)
    segmentation = None
    if draft.template.with_segmentation:
        segmentation = write_segmentation(series, drawn, origin, stamp, draft.template)
    return WrittenFiles(rtstruct, segmentation)


def release_draft(draft: Draft, written: WrittenFiles, series: CTSeries) -> Output:
    """What was written, once it has been read back; raises `ReleaseCheckError` at any breach."""
    accounts = draft.composition.accounts
    report = check_release(written.rtstruct, series, draft.fields, accounts)
    output = Output(draft.template.name, written.rtstruct, written.segmentation, accounts, report)
    if report.breaches:
        raise ReleaseCheckError(report.breaches, output)
    return output
