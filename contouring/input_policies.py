"""What is checked of a CT before it is contoured, and what then happens: the one table.

The gate raises and warns through this file only, so that nothing can be refused, warned of or left
out that does not stand here; docs/input-checks.md shows the table. In names, KEYWORD stands for the
DICOM keyword of the attribute at fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from contouring.errors import SeriesRefusedError
from contouring.notices import Notice


class Policy(StrEnum):
    """What follows from a finding."""

    REFUSE = "refused"
    WARN = "accepted with a warning"
    LEAVE_OUT = "left out and named"
    HANDLE = "handled, without a word"


@dataclass(frozen=True)
class InputCheck:
    """One row: `name` is a fault's or a warning's slug, `reason` the clause or why."""

    name: str
    checked: str
    policy: Policy
    reason: str


_REFUSE, _WARN, _LEAVE_OUT, _HANDLE = (
    Policy.REFUSE,
    Policy.WARN,
    Policy.LEAVE_OUT,
    Policy.HANDLE,
)

INPUT_CHECKS = tuple(
    InputCheck(*row)
    for row in (
        # Files
        ("not-dicom", "A file without a DICOM preamble", _LEAVE_OUT, "PS3.10 7.1"),
        (
            "damaged-file",
            "A DICOM file whose header cannot be read",
            _WARN,
            "Which series it belonged to is unknown: each is told",
        ),
        (
            "other-object",
            "Another SOP class than CT, Enhanced CT or Legacy Converted Enhanced CT; another "
            "modality; dose reports, pages. It may be over a limit, and is not read then",
            _LEAVE_OUT,
            "PS3.3 A.3, A.38, A.70",
        ),
        ("scout", "ImageType LOCALIZER", _LEAVE_OUT, "PS3.3 C.8.2.1.1.1"),
        (
            "projection",
            "ImageType or VolumetricProperties of a projection through slices (MIP and the like)",
            _LEAVE_OUT,
            "Its values are no tissue's; PS3.3 C.8.16.2.1.2",
        ),
        (
            "ignored-file",
            "Anything left out of a folder that is contoured whole",
            _WARN,
            "Whoever reads the result must know what is not in it",
        ),
        ("refused-neighbour", "Another series of a folder was refused", _WARN, "The same"),
        (
            "several-series",
            "More than one usable series where one is wanted",
            _REFUSE,
            "Which one was meant is not ours to guess",
        ),
        ("repeated-file", "One SOP Instance UID twice, same bytes", _WARN, "One is dropped"),
        (
            "same-uid-other-bytes",
            "One SOP Instance UID twice, other bytes",
            _REFUSE,
            "Which of them the planning system has is unknown",
        ),
        # Identity
        (
            "mixed-patients",
            "Patient's name or ID differ within what was sent",
            _REFUSE,
            "Contours of one patient on another's record",
        ),
        (
            "mixed-KEYWORD",
            "Slices of one stack differ in study, frame of reference, birth date, sex, rows, "
            "columns, pixel spacing or plane",
            _REFUSE,
            "Two scans have no common grid",
        ),
        (
            "no-KEYWORD",
            "An attribute that place, identity or Hounsfield units depend on is missing or empty",
            _REFUSE,
            "PS3.3 C.7.6.2, C.7.4.1, C.8.2.1: type 1; nothing is invented",
        ),
        (
            "unreadable-KEYWORD",
            "Numbers that are none, or too few or too many",
            _REFUSE,
            "PS3.5 6.2, PS3.3 C.7.6.2",
        ),
        (
            "invalid-KEYWORD",
            "A UID of other than numbers without leading zeros and points, or over 64",
            _REFUSE,
            "PS3.5 9",
        ),
        ("damaged-header", "Values that cannot be decoded", _REFUSE, "PS3.5 6.2"),
        (
            "undecodable-text",
            "Patient or study text outside the character set that the file names",
            _REFUSE,
            "PS3.3 C.12.1.1.2; a name that cannot be copied is another name",
        ),
        ("unknown-character-set", "SpecificCharacterSet unknown", _WARN, "PS3.3 C.12.1.1.2"),
        ("quadruped", "AnatomicalOrientationType QUADRUPED", _REFUSE, "PS3.3 C.7.6.1.1.1"),
        # Stacks
        (
            "other-planes",
            "Fewer slices that stand at right angles on the axial ones",
            _WARN,
            "Scouts and reformats are left out",
        ),
        (
            "several-stacks",
            "Slices in one place that phase, acquisition, frame of reference, stack, description, "
            "image type or kernel tells apart",
            _WARN,
            "Each stack is judged and contoured by itself",
        ),
        ("several-stacks-in-one-file", "The same in one file", _REFUSE, "A job has whole files"),
        (
            "mixed-phases",
            "Each place taken twice or more, and nothing tells the slices apart",
            _REFUSE,
            "Contours would jump between phases",
        ),
        (
            "mixed-acquisitions",
            "Slices of one acquisition or phase among those of another",
            _REFUSE,
            "The patient has moved between them",
        ),
        ("duplicate-position", "Two slices nearer than 0.1 mm", _REFUSE, "Which one counts?"),
        ("too-few-slices", "Fewer than 3 slices", _REFUSE, "Too few to judge their spacing"),
        ("too-many-slices", "More than 4,000 slices", _REFUSE, "Bounds memory"),
        ("too-many-voxels", "More than 2^30 voxels", _REFUSE, "Bounds memory before any is taken"),
        (
            "incomplete-acquisition",
            "Fewer slices than ImagesInAcquisition",
            _WARN,
            "Slices lost at an end leave no gap",
        ),
        # Geometry
        (
            "orientation-not-orthonormal",
            "ImageOrientationPatient off by more than 0.0001",
            _REFUSE,
            "PS3.3 C.7.6.2.1.1",
        ),
        (
            "missing-slice",
            "A gap that stands alone and is a whole number of steps",
            _REFUSE,
            "A contour there would be a guess",
        ),
        (
            "odd-gap",
            "A gap that stands alone, over 1.5 steps wide and no whole number of them",
            _REFUSE,
            "Slices lost, or two scans joined: nobody can tell",
        ),
        (
            "uneven-spacing",
            "Spacing that changes for three gaps or more, or by less than a slice",
            _WARN,
            "Every slice keeps its own position",
        ),
        ("jitter", "Positions off by up to 0.01 mm", _HANDLE, "Rounding of the scanner"),
        (
            "gantry-tilt",
            "Slices shifted within their plane by more than a tenth of a pixel",
            _REFUSE,
            "A sheared scan is no box of voxels",
        ),
        ("slices-too-far-apart", "Slices over 10 mm apart", _REFUSE, "No scan for planning"),
        ("wide-spacing", "Slices over 5 mm apart", _WARN, "Small structures fall between"),
        ("pixel-spacing", "PixelSpacing outside 0.05 to 10 mm", _REFUSE, "A unit mistaken"),
        ("coarse-pixels", "PixelSpacing over 3 mm", _WARN, "Borders are uncertain"),
        ("implausible-extent", "Over 1.5 m wide or 2.5 m long", _REFUSE, "Larger than a person"),
        (
            "slice-thickness",
            "SliceThickness, SpacingBetweenSlices, SliceLocation, InstanceNumber",
            _HANDLE,
            "Never read: only positions count (PS3.3 C.7.6.2.1.1)",
        ),
        (
            "patient-position",
            "All eight patient positions, oblique planes, pixels or matrices that are not square, "
            "any order of files",
            _HANDLE,
            "PatientPosition is never read: orientation and position count",
        ),
        # Encoding
        (
            "transfer-syntax",
            "8 or 12 bit JPEG with loss, video, or an unknown syntax",
            _REFUSE,
            "PS3.5 10; no CT numbers survive it",
        ),
        (
            "lossless-syntaxes",
            "Implicit, explicit, big endian, deflated, RLE, JPEG lossless, JPEG-LS, JPEG 2000, "
            "HTJ2K",
            _HANDLE,
            "PS3.5 A.1 to A.5, 10",
        ),
        (
            "lossy-compression",
            "Near-lossless JPEG-LS, lossy JPEG 2000 or HTJ2K, or LossyImageCompression 01",
            _WARN,
            "PS3.3 C.7.6.1.1.5",
        ),
        (
            "padding-in-tissue",
            "A PixelPaddingValue between -200 and 300 HU",
            _WARN,
            "PS3.3 C.7.5.1.1.2; its pixels read as air",
        ),
        (
            "pixel-format",
            "Not one MONOCHROME2 sample of 9 to 32 stored bits in 16 or 32, or over 4,096 pixels "
            "a side",
            _REFUSE,
            "PS3.3 C.8.2.1",
        ),
        ("not-one-plane", "Several frames in a CT Image", _REFUSE, "Only one has the position"),
        (
            "frame-count",
            "A multi-frame file with more or fewer places than frames",
            _REFUSE,
            "PS3.3 C.7.6.16",
        ),
        ("multi-frame", "Frames of enhanced CT", _HANDLE, "Each is a slice; PS3.3 C.7.6.16"),
        ("no-pixels", "No pixel data", _REFUSE, "A header alone, or a file cut short"),
        (
            "truncated-pixels",
            "Fewer bytes or frames than declared; a codestream without its end",
            _REFUSE,
            "Some decoders fill up the rest in silence",
        ),
        ("excess-pixels", "More bytes than declared", _REFUSE, "PS3.5 8.1.1"),
        (
            "codestream-size",
            "A codestream of another size than the header's, or longer than twice the plain pixels",
            _REFUSE,
            "Bounds memory before any is taken",
        ),
        (
            "deflated-too-large",
            "A deflated file that inflates beyond what its header declares",
            _REFUSE,
            "Inflated step by step, never at once",
        ),
        ("unreadable-pixels", "Pixels that the decoder refuses", _REFUSE, "PS3.5 8"),
        (
            "stored-bits",
            "Junk above BitsStored; the sign of fewer than 16 bits",
            _HANDLE,
            "Masked and extended; PS3.5 8.1.1",
        ),
        # Values
        ("rescale", "Slope and intercept that differ by slice", _HANDLE, "Each slice has its own"),
        ("rescale-slope", "A RescaleSlope of zero or less", _REFUSE, "PS3.3 C.11.1"),
        ("not-hounsfield", "A RescaleType other than HU", _REFUSE, "PS3.3 C.11.1.1.2"),
        ("unspecified-rescale", "RescaleType US (unspecified)", _WARN, "PS3.3 C.11.1.1.2"),
        (
            "padding",
            "PixelPaddingValue, PixelPaddingRangeLimit",
            _HANDLE,
            "Compared as stored, in the pixels' sign, and read as air; PS3.3 C.7.5.1.1.2",
        ),
        (
            "outside-circle",
            "Values below -1500 HU (-2000, -3024)",
            _HANDLE,
            "The corners around a round field of view; read as air",
        ),
        (
            "not-ct-numbers",
            "One value throughout, no soft tissue, or a soft tissue peak where bone should be",
            _REFUSE,
            "Views of 100 mm and more; the rescale is wrong or missing",
        ),
        ("no-air", "No voxel below -500 HU", _WARN, "A cropped view, or wrong values"),
        (
            "truncated-field-of-view",
            "The body touches the edge of what was imaged for over 20 mm",
            _WARN,
            "What lies beyond is in no contour",
        ),
        ("metal", "Over 0.5 cm³ at or above 3071 HU", _WARN, "Streaks change what is seen"),
        ("contrast-agent", "ContrastBolusAgent", _WARN, "PS3.3 C.7.6.4"),
        (
            "mixed-reconstruction",
            "ConvolutionKernel or KVP differ by slice",
            _WARN,
            "Tissue looks different from slice to slice",
        ),
    )
)
_POLICIES = {check.name: check.policy for check in INPUT_CHECKS}


def refusal(check: str, reason: str, keyword: str = "") -> SeriesRefusedError:
    """The error of a check that refuses; `reason` names file, slice or value."""
    _expect(check, Policy.REFUSE)
    return SeriesRefusedError(check.replace("KEYWORD", keyword), reason)


def warning(check: str, text: str) -> Notice:
    """The notice of a check that warns."""
    _expect(check, Policy.WARN)
    return Notice(check, text)


def left_out(check: str, what: str) -> str:
    """What a file is that is left out, for the list of ignored files."""
    _expect(check, Policy.LEAVE_OUT, Policy.WARN)
    return what


def _expect(check: str, *policies: Policy) -> None:
    if _POLICIES[check] not in policies:
        raise KeyError(f"The check {check} is {_POLICIES[check]}.")
