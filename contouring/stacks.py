"""Stacks: the slices of one series sorted into those that are one scan of one volume.

Most series are one stack. A scout in another plane is left out; the phases of a 4DCT, which share
their positions, become a stack each where an attribute tells them apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from contouring.errors import SeriesRefusedError
from contouring.input_policies import refusal, warning
from contouring.notices import Notice
from contouring.slice_headers import SliceHeader, name_place

LEAST_SLICES = 3
MOST_SLICES = 4000
ORIENTATION_TOLERANCE = 1e-4  # direction cosines
# The thinnest CT slices lie 0.2 mm apart: what is nearer is the same place, taken twice.
SAME_PLACE_MM = 0.1
AXIAL_COSINE = 0.9  # 25 degrees to the patient's long axis: no gantry tilts further in a scan
RIGHT_ANGLE_COSINE = 0.1
END = "\0"  # no attribute's value
MOST_SILENT = 0.25  # of a stack's slices, that may lack a number which the others have
IN_TURN_KEYWORDS = (
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "NominalPercentageOfRespiratoryPhase",
    "NominalPercentageOfCardiacPhase",
    "AcquisitionNumber",
)
# What tells phases, acquisitions or reconstructions of the same places apart, best first.
PHASE_KEYWORDS = (
    *IN_TURN_KEYWORDS,
    "FrameOfReferenceUID",
    "StackID",
    "SeriesDescription",
    "ImageType",
    "ConvolutionKernel",
    "ImageComments",
)


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices that ascend along their normal; `label` tells a stack from others of its series."""

    slices: tuple[SliceHeader, ...]
    notices: tuple[Notice, ...] = ()
    label: str = ""


def find_stacks(slices: list[SliceHeader]) -> list[Stack]:
    """The stacks of one series, or `SeriesRefusedError` where they cannot be told apart.

    Each slice must have a place (`check_slice`).
    """
    kept, notices = _pick_plane(slices)
    if not LEAST_SLICES <= len(kept) <= MOST_SLICES:
        name = "too-few-slices" if len(kept) < LEAST_SLICES else "too-many-slices"
        raise refusal(
            name,
            f"The series has {len(kept)} slices; {LEAST_SLICES} to {MOST_SLICES} are taken.",
        )
    kept = _ascending(kept)
    repeat = _first_repeat(kept)
    if repeat is None:
        return [Stack(tuple(kept), notices)]
    phases = _split_phases(kept, notices)
    if not phases:
        raise _repeat_refusal(kept, repeat)
    return phases


def check_order(ascending: Sequence[SliceHeader]) -> None:
    """Acquisitions and phases may follow each other along the patient, not lie among each other.

    Two breaths, half a step apart, would be taken for one scan of half the slice distance.
    """
    for keyword in IN_TURN_KEYWORDS:
        said = [(header, header.text(keyword)) for header in ascending]
        silent = sum(not value for _, value in said)
        if silent <= MOST_SILENT * len(said):  # else they are an acquisition that has no number
            said = [(header, value) for header, value in said if value]
        values = [value for _, value in said]
        runs = [value for value, after in pairwise([*values, END]) if value != after]
        value, count = Counter(runs).most_common(1)[0]
        if count == 1:
            continue
        first = values.index(value)
        inside = next(k for k in range(first, len(values)) if values[k] != value)
        between = said[inside][0]
        place = name_place(between.position_mm, between.normal)
        raise refusal(
            "mixed-acquisitions",
            f"Slices of {keyword} {values[inside] or 'none'} lie among those of {value or 'none'} "
            f"(first at {place} mm, {between.name}): send them as series of their own.",
        )


def _pick_plane(slices: list[SliceHeader]) -> tuple[list[SliceHeader], tuple[Notice, ...]]:
    """The axial slices where all others, fewer, stand upright on them; else all must be alike."""
    planes: list[list[SliceHeader]] = []
    for header in slices:
        for plane in planes:
            if np.allclose(plane[0].orientation, header.orientation, atol=ORIENTATION_TOLERANCE):
                plane.append(header)
                break
        else:
            planes.append([header])
    if len(planes) == 1:
        return slices, ()
    largest, *others = sorted(planes, key=len, reverse=True)
    normal = largest[0].normal
    is_axial = abs(normal[2]) > AXIAL_COSINE and len(largest) > len(others[0])
    if not is_axial or any(abs(o[0].normal @ normal) > RIGHT_ANGLE_COSINE for o in others):
        raise refusal(
            "mixed-KEYWORD",
            f"{planes[0][0].name} and {planes[1][0].name} lie in different planes.",
            "ImageOrientationPatient",
        )
    names = [header.name for plane in others for header in plane]
    return largest, (
        warning(
            "other-planes",
            f"{len(names)} slices at right angles to the axial ones were left out: "
            f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}.",
        ),
    )


def _ascending(slices: list[SliceHeader]) -> list[SliceHeader]:
    places = _places_mm(slices)
    return [slices[index] for index in np.argsort(places, kind="stable")]


def _places_mm(slices: list[SliceHeader]) -> NDArray[np.float64]:
    """(slices,) along the normal of the first."""
    return np.array([header.position_mm for header in slices]) @ slices[0].normal


def _first_repeat(ascending: list[SliceHeader]) -> int | None:
    """Index of the first slice that lies where the next one does."""
    near = np.flatnonzero(np.diff(_places_mm(ascending)) < SAME_PLACE_MM)
    return int(near[0]) if len(near) else None


def _split_phases(ascending: list[SliceHeader], notices: tuple[Notice, ...]) -> list[Stack]:
    """A stack for each value of the first attribute that parts all that lie in one place."""
    for keyword in PHASE_KEYWORDS:
        groups: dict[str, list[SliceHeader]] = {}
        for header in ascending:
            groups.setdefault(header.text(keyword), []).append(header)
        if len(groups) > 1 and all(_is_one_stack(group) for group in groups.values()):
            return _build_stacks(keyword, groups, notices)
    return []


def _is_one_stack(ascending: list[SliceHeader]) -> bool:
    return len(ascending) >= LEAST_SLICES and _first_repeat(ascending) is None


def _build_stacks(
    keyword: str, groups: dict[str, list[SliceHeader]], notices: tuple[Notice, ...]
) -> list[Stack]:
    paths = Counter(path for group in groups.values() for path in {h.path for h in group})
    path, count = paths.most_common(1)[0]
    if count > 1:
        raise refusal(
            "several-stacks-in-one-file",
            f"{path.name} holds {count} stacks of frames, told apart by {keyword}: send each "
            "as a file of its own.",
        )
    stacks = []
    for number, (value, group) in enumerate(sorted(groups.items(), key=_by_number), start=1):
        notice = warning(
            "several-stacks",
            f"The series holds {len(groups)} stacks in the same place, told apart by {keyword}; "
            f"this is the one with {value or 'none'}.",
        )
        label = f"stack {number} of {len(groups)}, {keyword} {value or 'none'}"
        stacks.append(Stack(tuple(group), (*notices, notice), label))
    return stacks


def _by_number(group: tuple[str, list[SliceHeader]]) -> tuple[int, str]:
    return len(group[0]), group[0]  # 2 before 10


def _repeat_refusal(ascending: list[SliceHeader], index: int) -> SeriesRefusedError:
    """Of the slice at `index`, which lies where the next one does."""
    pair = f"{ascending[index].name} and {ascending[index + 1].name}"
    place = name_place(ascending[index].position_mm, ascending[index].normal)
    steps = np.diff(_places_mm(ascending)) >= SAME_PLACE_MM
    occupied = np.bincount(np.concatenate([[0], np.cumsum(steps)]))
    if occupied.min() > 1:
        return refusal(
            "mixed-phases",
            f"Each place holds {occupied.min()} or more slices (at {place} mm, {pair}): several "
            "phases or reconstructions in one series that no attribute tells apart. Send each as "
            "a series of its own.",
        )
    return refusal("duplicate-position", f"{pair} lie in the same place, {place} mm.")
