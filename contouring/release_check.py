"""The release check: the written bytes against the fields that they were drawn from.

The file is read back, filled and measured by code that neither draws nor writes, and every limit
is held, or the file does not leave.

Volume: 1 % or 0.05 cm³, whichever is more. Dice: 0.99; 0.95 below 1 cm³. Both are taken at voxel
centres, in the file and in the field, without parts and holes below 0.5 mm², which are not drawn.
Lines are simplified by 0.1 mm, so voxels within 0.15 mm of a line may fall on either side of it.
Where a structure is so small or so thin that these alone decide (below about 0.2 cm³, or with walls
of about a millimetre), they count as agreeing in the Dice; and volumes may differ by as much as
chance puts of them on one side (three standard deviations: more than 1 % only of structures of few
voxels). Further from its lines, nothing of a
structure may differ, whatever its size: this finds a shift of half a pixel in a structure that is
too large for its Dice to show it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contouring import lint_values
from contouring.composition import Account
from contouring.dicom_series import PATIENT_AND_STUDY, CTSeries
from contouring.field_agreement import Agreement, compare, contoured_cm3, field_cm3
from contouring.lint import LintFinding, Severity, lint_file
from contouring.masks import StructureField
from contouring.person_names import fold_name
from contouring.slice_planes import SlicePlanes, told_in_ct
from contouring.structure_set_reader import ReadContour, StructureSetFile, read_structure_set
from contouring.structures import Status

ON_PLANE_MM = 0.001
VOLUME_SHARE, VOLUME_CM3 = 0.01, 0.05
LEAST_DICE, LEAST_DICE_SMALL, SMALL_CM3 = 0.99, 0.95, 1.0
STRAY_SHARE = 0.002  # of a structure's voxels: threads that were cut, slivers that were dropped
TOLD_SHARE, TOLD_CM3 = 0.005, 0.005  # a volume that the file tells, against its own polygons
Drawn = Mapping[str, tuple[ReadContour, ...]]
NAMES = ("PatientName", "ReferringPhysicianName")
COPIED_UNCHECKED = (
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
)
COPIED = tuple(keyword for keyword in PATIENT_AND_STUDY if keyword not in COPIED_UNCHECKED)
OF_THE_SCANNER = "ContributingEquipmentSequence"
VALUE_RULES = frozenset(rule.slug for rule in lint_values.RULES)


@dataclass(frozen=True)
class StructureAgreement:
    """How well the contours of one ROI meet its field, at voxel centres."""

    name: str
    volume_file_cm3: float
    volume_field_cm3: float
    dice: float


@dataclass(frozen=True)
class ReleaseReport:
    """A file with `breaches` must not leave. `findings`: what lint says of the same bytes."""

    agreements: tuple[StructureAgreement, ...]
    findings: tuple[LintFinding, ...]
    breaches: tuple[str, ...]


def check_release(
    rtstruct: bytes,
    series: CTSeries,
    fields: Mapping[str, StructureField],
    accounts: Sequence[Account],
) -> ReleaseReport:
    """Read a written structure set back and hold it against what it was made from.

    `fields`: by ROI name as written, of every structure that was found; `accounts`: of every
    structure that was asked for.
    """
    file = read_structure_set(rtstruct)
    findings = lint_file(file, series)
    planes = SlicePlanes(series)
    names = {roi.number: roi.name for roi in file.rois}
    drawn = {names.get(found.number, ""): found.contours for found in file.contour_sets}
    agreements = {
        account.name: compare(drawn[account.name], planes, fields[account.name])
        for account in accounts
        if account.status == Status.CONTOURED and account.name in drawn and account.name in fields
    }
    breaches = (
        *(f"{found.where}: {found.text}" for found in findings if _is_ours(found)),
        *_header_breaches(file, series),
        *_reference_breaches(file, planes),
        *_account_breaches(file, drawn, accounts),
        *_field_breaches(planes, fields, accounts),
        *(
            breach
            for account in accounts
            for breach in _told_breaches(account, file, drawn, planes)
        ),
        *(breach for name in agreements for breach in _agreement_breaches(name, agreements[name])),
    )
    return ReleaseReport(
        agreements=tuple(
            StructureAgreement(name, found.file_cm3, found.field_cm3, found.dice)
            for name, found in agreements.items()
        ),
        findings=findings,
        breaches=tuple(dict.fromkeys(breaches)),
    )


def _is_ours(finding: LintFinding) -> bool:
    """Whether it is an error that was made here: what the CT has wrong is copied as it is."""
    is_copied = finding.where.startswith(OF_THE_SCANNER) or finding.text.startswith(
        tuple(f"{keyword} " for keyword in PATIENT_AND_STUDY)
    )
    is_inherited = finding.rule in VALUE_RULES and is_copied
    return finding.severity is Severity.ERROR and not is_inherited


def _header_breaches(file: StructureSetFile, series: CTSeries) -> Iterator[str]:
    for keyword in COPIED:
        own, of_ct = file.content.text(keyword), told_in_ct(series, keyword)
        # A name is copied with its trailing delimiters, which the CT's reader leaves out.
        is_same = fold_name(own) == fold_name(of_ct) if keyword in NAMES else own == of_ct
        if not is_same:
            yield f"{keyword} is {own!r}, but {of_ct!r} in the CT."
    frames = {roi.item.text("ReferencedFrameOfReferenceUID") for roi in file.rois}
    for uid in sorted(frames - {series.frame_of_reference_uid}):
        yield f"An ROI lies in the frame of reference {uid!r}, not in the CT's."


def _reference_breaches(file: StructureSetFile, planes: SlicePlanes) -> Iterator[str]:
    series = planes.series
    chain = [
        (found.frame_of_reference_uid, found.study_instance_uid, found.series_instance_uid)
        for found in file.referenced_series
    ]
    expected = (
        series.frame_of_reference_uid,
        series.study_instance_uid,
        series.series_instance_uid,
    )
    if chain != [expected]:
        yield f"The file refers to {chain}, not to the CT series {expected} alone."
    listed = Counter(
        (image.sop_instance_uid, image.frame)
        for found in file.referenced_series
        for image in found.images
    )
    if listed != Counter(planes.by_image.keys()):
        yield (
            f"{listed.total()} images are listed where the CT has {len(planes.by_image)} slices, "
            "or others than those."
        )
    for contour in file.contours:
        index = planes.slice_of(contour.images)
        if len(contour.images) != 1 or index is None:
            yield f"{contour.where} does not name one slice of the CT."
        elif contour.is_polygon and planes.off_plane_mm(contour, index) > ON_PLANE_MM:
            off_mm = planes.off_plane_mm(contour, index)
            yield f"{contour.where} strays {off_mm:.4f} mm from the plane of slice {index + 1}."


def _account_breaches(
    file: StructureSetFile, drawn: Drawn, accounts: Sequence[Account]
) -> Iterator[str]:
    contoured = {account.name for account in accounts if account.status == Status.CONTOURED}
    for name in sorted(contoured):
        if not drawn.get(name):
            yield f"{name} has no contour in the file, though it is said to be contoured."
    for account in accounts:
        if account.status != Status.CONTOURED and not account.reason:
            yield f"{account.name} is {account.status} without a reason."
        if account.name not in contoured and drawn.get(account.name):
            yield f"{account.name} is said to be {account.status}, but has contours in the file."
    names = Counter(roi.name for roi in file.rois)
    for name in sorted(name for name, count in names.items() if count > 1):
        yield f"{names[name]} ROIs are called {name!r}."
    for name in sorted(names.keys() - {account.name for account in accounts}):
        yield f"The ROI {name!r} was not asked for."


def _field_breaches(
    planes: SlicePlanes, fields: Mapping[str, StructureField], accounts: Sequence[Account]
) -> Iterator[str]:
    contoured = {account.name for account in accounts if account.status == Status.CONTOURED}
    for name in sorted(contoured - fields.keys()):
        yield f"{name} has no field that its contours could be compared with."
    for name in sorted(fields.keys() - contoured):
        missing_cm3 = field_cm3(planes, fields[name])
        if missing_cm3 > VOLUME_CM3:
            yield f"{name} was found ({missing_cm3:.3f} cm³), but is not contoured."


def _told_breaches(
    account: Account, file: StructureSetFile, drawn: Drawn, planes: SlicePlanes
) -> Iterator[str]:
    """What account and file tell of a structure, against its contours themselves."""
    contours = drawn.get(account.name, ())
    if account.status != Status.CONTOURED or not contours:
        return
    if account.contours != len(contours):
        yield (
            f"{account.name} has {len(contours)} contours in the file where {account.contours} "
            "were drawn."
        )
    slices = len({planes.slice_of(contour.images) for contour in contours})
    if account.slices != slices:
        yield f"{account.name} is on {slices} slices in the file where {account.slices} were meant."
    exact_cm3 = contoured_cm3(contours, planes)
    told = {roi.item.text("ROIVolume") for roi in file.rois if roi.name == account.name} | {
        str(account.volume_cm3)
    }
    for text in sorted(told - {""}):
        if not _is_near(text, exact_cm3):
            yield (
                f"{account.name} is said to have {text} cm³, but its contours hold "
                f"{exact_cm3:.3f} cm³."
            )


def _is_near(told: str, exact_cm3: float) -> bool:
    try:
        return abs(float(told) - exact_cm3) <= max(TOLD_SHARE * exact_cm3, TOLD_CM3)
    except ValueError:
        return False


def _agreement_breaches(name: str, found: Agreement) -> Iterator[str]:
    allowed_cm3 = max(VOLUME_SHARE * found.field_cm3, VOLUME_CM3, found.by_chance_cm3)
    if abs(found.file_cm3 - found.field_cm3) > allowed_cm3:
        yield (
            f"{name} has {found.file_cm3:.3f} cm³ in the file and {found.field_cm3:.3f} cm³ in its "
            f"field: more than {allowed_cm3:.3f} cm³ apart."
        )
    least = LEAST_DICE_SMALL if found.field_cm3 < SMALL_CM3 else LEAST_DICE
    if max(found.dice, found.dice_off_lines) < least:
        yield f"{name} meets its field with a Dice of {found.dice:.4f}, below {least}."
    if found.strays > STRAY_SHARE * found.voxels:
        yield (
            f"{name} differs from its field at {found.strays} voxels that lie up to "
            f"{found.furthest_mm:.2f} mm from any of its lines."
        )
