"""CT series found among files, from their headers alone.

Geometry comes only from ImagePositionPatient, ImageOrientationPatient and PixelSpacing of each
slice (DICOM PS3.3 C.7.6.2.1.1); SliceThickness, SliceLocation and the order of the files say
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from contouring.dicom_files import UNREADABLE, find_files, name_below, read_header
from contouring.errors import (
    EmptyUploadError,
    MixedPatientsError,
    NoCTSeriesError,
    NotDicomError,
    SeriesRefusedError,
)
from contouring.grid import Grid
from contouring.input_policies import left_out, refusal, warning
from contouring.multiframe import SLICE_CLASSES, split_frames
from contouring.notices import Notice
from contouring.opened_files import count_bytes, read_file
from contouring.series_gate import check_slice, check_stack, check_text
from contouring.slice_headers import SliceHeader
from contouring.stacks import Stack, find_stacks

DAMAGED = left_out("damaged-file", "a damaged DICOM file")
NOT_DICOM = left_out("not-dicom", "not a DICOM file")
# Values of ImageType and VolumetricProperties whose numbers are no tissue's Hounsfield units.
PROJECTIONS = frozenset(
    {"MIP", "MINIP", "MIN_IP", "MAXIMUM", "MINIMUM", "PROJECTION IMAGE", "DISTORTED", "SAMPLED"}
)
IGNORED_NAMED = 5  # the rest is counted
# What a structure set copies from its CT.
PATIENT_AND_STUDY = (
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
)


@dataclass(frozen=True)
class Instance:
    """One slice on disk; `frame` counts from 0 in a multi-frame file and is None in a plain one.

    `file_name`: what people call the file; empty where they never saw its name.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    frame: int | None = None
    file_name: str = ""


@dataclass(frozen=True, eq=False)
class CTSeries:
    """A CT series that can be contoured, or one of several stacks of a series.

    `instances` ascend along the slice normal, as `grid.positions_mm` does; several may be frames of
    one file. `header` is the first one's dataset without pixels, from which patient and study are
    copied.
    """

    study_instance_uid: str
    series_instance_uid: str
    frame_of_reference_uid: str
    description: str
    instances: tuple[Instance, ...]
    grid: Grid
    warnings: tuple[Notice, ...]
    header: Dataset

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        return self.grid.shape_zyx


@dataclass(frozen=True)
class RefusedSeries:
    """A CT series that cannot be contoured faithfully, and why."""

    series_instance_uid: str
    description: str
    fault: str
    reason: str
    file_count: int


@dataclass(frozen=True)
class SeriesSearch:
    """What was found: usable series, refused ones, and files that are no CT slice."""

    series: tuple[CTSeries, ...]
    refused: tuple[RefusedSeries, ...]
    ignored: tuple[str, ...]


def tell_other(sop_class_uid: str) -> str:
    """What an object is whose class is none of CT slices."""
    return left_out("other-object", f"not a CT image ({UID(sop_class_uid).name or 'no SOP class'})")


def find_series(
    files: Sequence[Path],
    names: Mapping[Path, str] | None = None,
    read: Callable[[Path], Dataset] = read_header,
) -> SeriesSearch:
    """Group CT slices into series and judge each; reads headers, never pixels.

    `names`: what the sender called a file, for messages; its own name otherwise. `read`: gives the
    header of a file. Raises `EmptyUploadError`, `NotDicomError`, `NoCTSeriesError` and
    `MixedPatientsError`.
    """
    if not files:
        raise EmptyUploadError
    groups: dict[str, list[SliceHeader]] = {}
    ignored: list[str] = []
    names = {file: (names or {}).get(file, file.name) for file in files}
    for file in sorted(files):
        name = names[file]
        header = _read_header(file, read)
        unfit = header if isinstance(header, str) else _why_no_slice(header)
        if isinstance(header, str) or unfit:
            ignored.append(f"{name}: {unfit}")
        else:
            uid = str(header.get("SeriesInstanceUID", ""))
            groups.setdefault(uid, []).append(SliceHeader(file, name, header))
    if not groups:
        _raise_without_slices(ignored)
    _check_one_patient([header for group in groups.values() for header in group])
    # Which series a damaged file belonged to is unknown: each is told.
    damaged = tuple(
        warning("damaged-file", f"{line}, left out.") for line in ignored if line.endswith(DAMAGED)
    )
    series, refused = [], []
    for uid, group in groups.items():
        try:
            stacks, notices = _find_stacks(group, ignored)
        except SeriesRefusedError as error:
            refused.append(_build_refused(uid, group, "", error))
            continue
        for stack in stacks:
            try:
                series.append(_build_series(stack, (*notices, *damaged), names))
            except SeriesRefusedError as error:
                refused.append(_build_refused(uid, stack.slices, stack.label, error))
    return SeriesSearch(tuple(series), tuple(refused), tuple(ignored))


def read_series(folder: Path, *, has_known_names: bool = True) -> CTSeries:
    """The one usable CT series below a folder; what else lies there becomes a warning.

    `has_known_names`: whether people know the files and the folder by their names; if not, messages
    do not show the folder, and later ones name a slice by its place alone. Raises
    `NoCTSeriesError` for an empty folder, `SeriesRefusedError` when there is no usable series or
    more than one, and what `find_series` raises.
    """
    files = find_files(folder, is_shown=has_known_names)
    search = find_series(files, name_below(folder, files))
    if len(search.series) == 1:
        (series,) = search.series
        instances = series.instances
        if not has_known_names:
            instances = tuple(replace(instance, file_name="") for instance in instances)
        warnings = series.warnings + _name_left_out(search)
        return replace(series, instances=instances, warnings=warnings)
    if not search.series:
        raise SeriesRefusedError(search.refused[0].fault, search.refused[0].reason)
    place = folder if has_known_names else "The folder"
    found = ", ".join(series.description or "without a name" for series in search.series)
    raise refusal(
        "several-series", f"{place} holds several CT series ({found}): give one folder for each."
    )


def _name_left_out(search: SeriesSearch) -> tuple[Notice, ...]:
    refused = [
        f"Another series of {series.file_count} files was refused ({series.fault}): {series.reason}"
        for series in search.refused
    ]
    ignored = [f"{line}, ignored." for line in search.ignored if not line.endswith(DAMAGED)]
    more = len(ignored) - IGNORED_NAMED
    shown = [*ignored[:IGNORED_NAMED], *([f"{more} more files were ignored."] if more > 0 else [])]
    return (
        *(warning("refused-neighbour", text) for text in refused),
        *(warning("ignored-file", text) for text in shown),
    )


def _read_header(file: Path, read: Callable[[Path], Dataset]) -> Dataset | str:
    """The dataset without pixels, or what the file is instead."""
    try:
        return read(file)
    except InvalidDicomError:
        return NOT_DICOM
    except UNREADABLE:
        return DAMAGED if count_bytes(file) else NOT_DICOM


def _why_no_slice(header: Dataset) -> str:
    """Empty for CT slices; otherwise what the file is instead."""
    try:
        sop_class = UID(str(header.get("SOPClassUID", "")))
        modality = str(header.get("Modality", "CT"))
        for keyword in ("SeriesInstanceUID", "SOPInstanceUID", "PatientID", "PatientName"):
            str(header.get(keyword))
        unfit = _why_no_tissue(header)
    except UNREADABLE:  # pydicom decodes on access
        return DAMAGED
    if sop_class not in SLICE_CLASSES:
        return tell_other(sop_class)
    if modality != "CT":
        return left_out("other-object", f"not a CT image (modality {modality})")
    return unfit


def _why_no_tissue(header: Dataset) -> str:
    """Empty for slices through the patient; otherwise what their image is instead."""
    image_type = str(header.get("ImageType", "")).upper()
    if "LOCALIZER" in image_type:
        return left_out("scout", "a scout (localizer) image")
    words = {word.strip("[]' ") for word in image_type.split(",")}
    projected = PROJECTIONS & {*words, str(header.get("VolumetricProperties", "")).upper()}
    if projected:
        return left_out("projection", f"a projection through slices ({min(projected)})")
    return ""


def _raise_without_slices(ignored: list[str]) -> None:
    if all(line.endswith(NOT_DICOM) for line in ignored):
        raise NotDicomError(ignored[0].rsplit(":", 1)[0])
    raise NoCTSeriesError("; ".join(ignored[:3]) + ("; ..." if len(ignored) > 3 else ""))


def _check_one_patient(headers: list[SliceHeader]) -> None:
    first = headers[0]
    for header in headers[1:]:
        if header.patient != first.patient:
            raise MixedPatientsError(first.name, header.name)


def _find_stacks(
    files: list[SliceHeader], ignored: list[str]
) -> tuple[list[Stack], tuple[Notice, ...]]:
    """The stacks of one series; frames that are no slices are added to `ignored`."""
    files, notices = _without_repeats(files)
    slices = []
    for frame in (frame for file in files for frame in split_frames(file)):
        unfit = _why_no_tissue(frame.dataset)
        if unfit:
            ignored.append(f"{frame.name}: {unfit}")
            continue
        check_slice(frame)
        slices.append(frame)
    return find_stacks(slices), notices


def _without_repeats(files: list[SliceHeader]) -> tuple[list[SliceHeader], tuple[Notice, ...]]:
    """Drops files that repeat another to the byte; refuses those that only share its UID."""
    first: dict[str, SliceHeader] = {}
    for file in files:
        uid = file.text("SOPInstanceUID")
        known = first.setdefault(uid or str(file.path), file)
        if known is not file and read_file(known.path) != read_file(file.path):
            raise refusal(
                "same-uid-other-bytes",
                f"{known.name} and {file.name} have the same SOP Instance UID but differ.",
            )
    repeats = len(files) - len(first)
    if not repeats:
        return files, ()
    return list(first.values()), (
        warning("repeated-file", f"{repeats} repeated files were dropped."),
    )


def _build_refused(
    uid: str, slices: Sequence[SliceHeader], label: str, error: SeriesRefusedError
) -> RefusedSeries:
    try:
        description = slices[0].text("SeriesDescription")
    except SeriesRefusedError:  # what is at fault may be the description itself
        description = ""
    reason = f"{error.reason} ({label})" if label else error.reason
    return RefusedSeries(uid, _labelled(description, label), error.fault, reason, len(slices))


def _labelled(description: str, label: str) -> str:
    return f"{description} ({label})" if label else description


def _build_series(stack: Stack, notices: tuple[Notice, ...], names: Mapping[Path, str]) -> CTSeries:
    checked = check_stack(stack)
    text_notices = check_text(checked.slices[0], (*PATIENT_AND_STUDY, "SeriesDescription"))
    first = checked.slices[0].dataset
    description = str(first.get("SeriesDescription", ""))
    return CTSeries(
        study_instance_uid=str(first.StudyInstanceUID),
        series_instance_uid=str(first.SeriesInstanceUID),
        frame_of_reference_uid=str(first.FrameOfReferenceUID),
        description=_labelled(description, stack.label),
        instances=tuple(
            Instance(
                h.path,
                str(h.dataset.SOPClassUID),
                str(h.dataset.SOPInstanceUID),
                h.frame,
                names[h.path],
            )
            for h in checked.slices
        ),
        grid=checked.grid,
        warnings=(*notices, *checked.warnings, *text_notices),
        header=first,
    )
