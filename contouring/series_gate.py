"""What each slice must say of itself, and what all slices of a stack must say alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.charset import python_encoding
from pydicom.uid import UID

from contouring.dicom_files import UNREADABLE
from contouring.grid import Grid
from contouring.input_policies import refusal, warning
from contouring.notices import Notice
from contouring.slice_headers import SliceHeader
from contouring.slice_pixels import as_stored
from contouring.spacing import check_spacing
from contouring.stacks import ORIENTATION_TOLERANCE, Stack, check_order
from contouring.transfer_syntaxes import LOSSY, READABLE

NEEDED = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
)
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
SAME_IN_ALL = (
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "PatientBirthDate",
    "PatientSex",
    "Rows",
    "Columns",
)
UNDECODABLE = "\ufffd"  # what pydicom puts for bytes outside the character set
# What changes the look of tissue from one slice to the next.
SAME_LOOK = ("ConvolutionKernel", "KVP")
# Rounded by one of the systems that a series came through: 0.03 mm over 512 pixels.
SPACING_TOLERANCE_MM = 5e-5
# Padding lies far below air. Between these it would make air of tissue (or hide a lesion).
TISSUE_HU = (-200.0, 300.0)
MOST_PIXELS = 4096  # rows or columns; scanners write 512 to 2048
MOST_VOXELS = 2**30  # 2 GiB as int16
WHOLE_BITS = (16, 32)  # eight bits hold no CT numbers
# PS3.3 C.11.1.1.2: HU is Hounsfield units, also where nothing is said; US is unspecified.
RESCALED_TO_HU = ("", "HU")
UNSPECIFIED_RESCALE = "US"


@dataclass(frozen=True, eq=False)
class CheckedStack:
    """Slices ascending along their normal, their grid and what deserves a warning."""

    slices: tuple[SliceHeader, ...]
    grid: Grid
    warnings: tuple[Notice, ...]


def check_slice(header: SliceHeader) -> None:
    """Raises `SeriesRefusedError` with the first fault of one slice's header."""
    try:
        _check_present(header)
        _check_geometry(header)
        _check_pixel_format(header)
        _check_rescale(header)
    except UNREADABLE as error:
        raise refusal(
            "damaged-header", f"The header of {header.name} cannot be read: {error}"
        ) from error


def check_stack(stack: Stack) -> CheckedStack:
    """The stack with its grid, or `SeriesRefusedError` with the first fault found."""
    _check_alike(stack.slices)
    check_order(stack.slices)
    grid = _build_grid(stack.slices)
    notices = [*stack.notices, *check_spacing(stack.slices, grid)]
    notices += _find_oddities(stack.slices)
    return CheckedStack(stack.slices, grid, tuple(notices))


def check_text(header: SliceHeader, keywords: Sequence[str]) -> list[Notice]:
    """What is copied into a structure set must be readable."""
    for keyword in keywords:
        if UNDECODABLE in header.text(keyword):
            raise refusal(
                "undecodable-text",
                f"The {keyword} of {header.name} is not in the character set that the file names "
                f"({header.text('SpecificCharacterSet') or 'none'}): it cannot be copied.",
            )
    terms = header.dataset.get("SpecificCharacterSet") or []
    unknown = [
        term
        for term in ([terms] if isinstance(terms, str) else terms)
        if term not in python_encoding
    ]
    if unknown:
        text = f"{header.name} names the character set {unknown[0]}, which DICOM does not know."
        return [warning("unknown-character-set", text)]
    return []


def _check_present(header: SliceHeader) -> None:
    dataset = header.dataset
    for keyword in NEEDED:
        if dataset.get(keyword) in (None, ""):
            raise refusal(
                "no-KEYWORD",
                f"{header.name} has no {keyword}: its place in the patient or its Hounsfield "
                "units would be a guess.",
                keyword,
            )
    for keyword in UIDS:
        if not UID(header.text(keyword)).is_valid:
            raise refusal(
                "invalid-KEYWORD",
                f"{header.name} has a {keyword} that is no UID: numbers without "
                "leading zeros, parted by points, at most 64 characters.",
                keyword,
            )
    if header.text("AnatomicalOrientationType") == "QUADRUPED":
        raise refusal("quadruped", f"{header.name} is of an animal.")


def _check_geometry(header: SliceHeader) -> None:
    directions = header.orientation
    if not np.allclose(directions @ directions.T, np.eye(2), atol=ORIENTATION_TOLERANCE):
        raise refusal(
            "orientation-not-orthonormal",
            f"{header.name} has an ImageOrientationPatient that is not orthonormal: "
            f"{list(header.dataset.ImageOrientationPatient)}.",
        )
    _ = header.position_mm  # raises if it is not three numbers
    if min(header.pixel_spacing_mm) <= 0:
        raise refusal("pixel-spacing", f"{header.name} has a PixelSpacing of zero.")
    size = int(header.dataset.Rows), int(header.dataset.Columns)
    if min(size) < 1 or max(size) > MOST_PIXELS:
        raise refusal(
            "pixel-format",
            f"{header.name} declares {size[0]} x {size[1]} pixels; up to {MOST_PIXELS} a side "
            "are taken.",
        )


def _check_pixel_format(header: SliceHeader) -> None:
    dataset = header.dataset
    samples, meaning = header.text("SamplesPerPixel"), header.text("PhotometricInterpretation")
    if (samples, meaning) != ("1", "MONOCHROME2"):
        raise refusal(
            "pixel-format", f"{header.name} has {samples} samples of {meaning}, not MONOCHROME2."
        )
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    high = int(dataset.get("HighBit", stored - 1))
    fits = allocated in WHOLE_BITS and 8 < stored <= allocated and high == stored - 1
    if not fits or dataset.PixelRepresentation not in (0, 1):
        raise refusal(
            "pixel-format",
            f"{header.name} has {stored} of {allocated} bits up to bit {high}, sign "
            f"{dataset.PixelRepresentation}: no CT numbers are stored so.",
        )
    syntax = dataset.file_meta.get("TransferSyntaxUID", "")
    if syntax not in READABLE:
        raise refusal(
            "transfer-syntax",
            f"{header.name} is encoded as {UID(syntax).name or 'nothing named'}: send it "
            "uncompressed or compressed without loss.",
        )


def _check_rescale(header: SliceHeader) -> None:
    (slope,) = header.numbers("RescaleSlope", 1)
    header.numbers("RescaleIntercept", 1)
    if slope <= 0:
        raise refusal("rescale-slope", f"{header.name} has the RescaleSlope {slope:g}.")
    kind = header.text("RescaleType").strip().upper()
    if kind not in (*RESCALED_TO_HU, UNSPECIFIED_RESCALE):
        raise refusal(
            "not-hounsfield", f"{header.name} is rescaled to {kind}, not to Hounsfield units."
        )


def _check_alike(slices: Sequence[SliceHeader]) -> None:
    first = slices[0]
    for header in slices[1:]:
        for keyword in SAME_IN_ALL:
            if header.text(keyword) != first.text(keyword):
                raise refusal(
                    "mixed-KEYWORD",
                    f"{first.name} and {header.name} differ in {keyword}: "
                    f"{first.text(keyword) or 'none'} and {header.text(keyword) or 'none'}.",
                    keyword,
                )
        if not np.allclose(
            first.pixel_spacing_mm, header.pixel_spacing_mm, rtol=0, atol=SPACING_TOLERANCE_MM
        ):
            raise refusal(
                "mixed-KEYWORD",
                f"{first.name} and {header.name} differ in PixelSpacing.",
                "PixelSpacing",
            )
    voxels = len(slices) * int(first.dataset.Rows) * int(first.dataset.Columns)
    if voxels > MOST_VOXELS:
        raise refusal("too-many-voxels", f"The scan has {voxels} voxels; {MOST_VOXELS} are taken.")


def _build_grid(slices: Sequence[SliceHeader]) -> Grid:
    first = slices[0].dataset
    row_direction, column_direction = slices[0].orientation
    return Grid(
        positions_mm=np.stack([header.position_mm for header in slices]),
        row_direction=row_direction,
        column_direction=column_direction,
        pixel_spacing_mm=slices[0].pixel_spacing_mm,
        rows=int(first.Rows),
        columns=int(first.Columns),
    )


def _find_oddities(slices: Sequence[SliceHeader]) -> list[Notice]:
    notices = []
    lossy = [h for h in slices if _is_lossy(h)]
    if lossy:
        text = f"{len(lossy)} slices were compressed with loss, {lossy[0].name} first."
        notices.append(warning("lossy-compression", text))
    unspecified = [h for h in slices if h.text("RescaleType").strip() == UNSPECIFIED_RESCALE]
    if unspecified:
        text = f"{unspecified[0].name} does not say that its values are Hounsfield units."
        notices.append(warning("unspecified-rescale", text))
    padded = next((header for header in slices if _pads_tissue(header)), None)
    if padded is not None:
        text = (
            f"{padded.name} declares {padded.text('PixelPaddingValue')} as padding, a value of "
            "tissue: every such pixel reads as air."
        )
        notices.append(warning("padding-in-tissue", text))
    for keyword in SAME_LOOK:
        values = sorted({_plain(header.text(keyword)) for header in slices})
        if len(values) > 1:
            text = f"Slices differ in {keyword}: {', '.join(values[:3])}."
            notices.append(warning("mixed-reconstruction", text))
    agents = sorted({header.text("ContrastBolusAgent") for header in slices} - {""})
    if agents:
        text = f"The scan was made with contrast agent ({agents[0]})."
        notices.append(warning("contrast-agent", text))
    return [*notices, *_find_incomplete(slices)]


def _plain(text: str) -> str:
    """A number as it is written shortest: 120 and 120.0 are one."""
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


def _pads_tissue(header: SliceHeader) -> bool:
    if not header.text("PixelPaddingValue"):
        return False
    (padding,) = header.numbers("PixelPaddingValue", 1)
    (slope,), (intercept,) = (header.numbers(f"Rescale{one}", 1) for one in ("Slope", "Intercept"))
    hu = as_stored(int(padding), header.dataset) * slope + intercept
    return bool(TISSUE_HU[0] <= hu <= TISSUE_HU[1])


def _is_lossy(header: SliceHeader) -> bool:
    is_lossy = header.dataset.file_meta.TransferSyntaxUID in LOSSY
    return is_lossy or header.text("LossyImageCompression") == "01"


def _find_incomplete(slices: Sequence[SliceHeader]) -> list[Notice]:
    """Slices lost at an end leave no gap: only the count that some scanners write shows them."""
    acquisitions: dict[str, list[SliceHeader]] = {}
    for header in slices:
        acquisitions.setdefault(header.text("AcquisitionNumber"), []).append(header)
    notices = []
    for number, group in acquisitions.items():
        promised = max(
            (int(n) for h in group if (n := h.text("ImagesInAcquisition")).isdigit()), default=0
        )
        if promised > len(group):
            text = (
                f"Acquisition {number or 'unknown'} is said to have {promised} images; "
                f"{len(group)} are here."
            )
            notices.append(warning("incomplete-acquisition", text))
    return notices
