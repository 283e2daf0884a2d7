"""Lint rules on what ROIs are called, how they are shown and what they are said to be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from contouring.lint_rois import repeated
from contouring.lint_rules import THE_FILE, Severity, Subject, rule
from contouring.structure_set_reader import ContourSet

LONGEST_PORTABLE_NAME = 16
# TG-263 7.2: no spaces; letters, digits and the few signs with a meaning.
PORTABLE_NAME = re.compile(r"[A-Za-z0-9_~^+.!-]*")
INTERPRETED_TYPES = frozenset(
    [
        "AVOIDANCE",
        "BOLUS",
        "BRACHY_ACCESSORY",
        "BRACHY_CHANNEL",
        "BRACHY_CHNL_SHLD",
        "BRACHY_SRC_APP",
        "CAVITY",
        "CONTRAST_AGENT",
        "CONTROL",
        "CTV",
        "DOSE_MEASUREMENT",
        "DOSE_REGION",
        "EXTERNAL",
        "FIXATION",
        "GTV",
        "IRRAD_VOLUME",
        "ISOCENTER",
        "MARKER",
        "ORGAN",
        "PTV",
        "REGISTRATION",
        "SUPPORT",
        "TREATED_VOLUME",
    ]
)
GENERATION_ALGORITHMS = ("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL")
COLOUR_LEVELS = range(256)


@rule(
    "roi-name-repeated",
    Severity.WARNING,
    "PS3.3 C.8.8.5",
    "ROI names differ, also without regard to case.",
)
def roi_name_repeated(subject: Subject) -> Iterator[tuple[str, str]]:
    """Some planning systems merge or rename them."""
    named = [roi for roi in subject.file.rois if roi.name]
    for roi, earlier in repeated(named, lambda roi: roi.name.casefold()):
        yield (
            roi.where,
            f"the name is, but for case, that of {earlier.where}: some systems merge the two or "
            "refuse one.",
        )


@rule(
    "roi-name-empty",
    Severity.WARNING,
    "PS3.3 C.8.8.5",
    "Every ROI has a name.",
)
def roi_name_empty(subject: Subject) -> Iterator[tuple[str, str]]:
    """Type 2, so an empty name is legal and useless."""
    for roi in subject.file.rois:
        if roi.item.find("ROIName") is not None and not roi.name:
            yield roi.where, "the name is empty: nobody can tell what it is."


@rule(
    "roi-name-length",
    Severity.WARNING,
    "TG-263 7.2",
    "An ROI name has at most 16 characters.",
)
def roi_name_length(subject: Subject) -> Iterator[tuple[str, str]]:
    """What most planning systems take; DICOM itself allows 64."""
    for roi in subject.file.rois:
        if len(roi.name) > LONGEST_PORTABLE_NAME:
            yield (
                roi.where,
                f"the name has {len(roi.name)} characters: systems that take 16 cut it off, and "
                "two names may become one.",
            )


@rule(
    "roi-name-characters",
    Severity.WARNING,
    "TG-263 7.2",
    "An ROI name holds ASCII letters, digits and _ ~ ^ + - . ! only, and no space.",
)
def roi_name_characters(subject: Subject) -> Iterator[tuple[str, str]]:
    """Scripts and other systems take them for something else."""
    for roi in subject.file.rois:
        if not PORTABLE_NAME.fullmatch(roi.name):
            signs = "".join(sorted(set(PORTABLE_NAME.sub("", roi.name))))
            yield roi.where, f"the name holds {signs!r}: not every system takes or keeps it."


@rule(
    "display-colour",
    Severity.ERROR,
    "PS3.3 C.8.8.6",
    "ROIDisplayColor, where it is given, is three whole numbers from 0 to 255.",
)
def display_colour(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers fail on others or show black."""
    for found in subject.file.contour_sets:
        raw = found.item.raw("ROIDisplayColor")
        levels = [int(v) if v.strip().isdigit() else -1 for v in raw.split(b"\\")]
        if raw and (len(levels) != 3 or any(level not in COLOUR_LEVELS for level in levels)):
            yield found.where, f"the colour {raw[:40]!r} is not three numbers from 0 to 255."


@rule(
    "interpreted-type",
    Severity.NOTE,
    "PS3.3 C.8.8.8.1",
    "RTROIInterpretedType is one of the defined terms, or empty.",
)
def interpreted_type(subject: Subject) -> Iterator[tuple[str, str]]:
    """Defined, not enumerated: others are legal, and unknown to readers."""
    for observation in subject.file.observations:
        found = observation.item.text("RTROIInterpretedType")
        if found and found not in INTERPRETED_TYPES:
            yield observation.where, f"{found!r} is no defined type: readers take it for none."


@rule(
    "several-externals",
    Severity.WARNING,
    "PS3.3 C.8.8.8.1",
    "At most one ROI has the type EXTERNAL.",
)
def several_externals(subject: Subject) -> Iterator[tuple[str, str]]:
    """Dose calculation needs to know where the patient ends."""
    types = Counter(o.item.text("RTROIInterpretedType") for o in subject.file.observations)
    if types["EXTERNAL"] > 1:
        yield (
            THE_FILE,
            f"{types['EXTERNAL']} ROIs are EXTERNAL: a planning system takes one as the patient's "
            "surface.",
        )


@rule(
    "generation-algorithm",
    Severity.NOTE,
    "PS3.3 C.8.8.5",
    "ROIGenerationAlgorithm says AUTOMATIC, SEMIAUTOMATIC or MANUAL.",
)
def generation_algorithm(subject: Subject) -> Iterator[tuple[str, str]]:
    """Type 2: it may be empty, but then nobody knows who drew it."""
    for roi in subject.file.rois:
        found = roi.item.text("ROIGenerationAlgorithm")
        if found not in GENERATION_ALGORITHMS:
            yield (
                roi.where,
                f"ROIGenerationAlgorithm is {found!r}: whether a person or a program drew it is "
                "left open.",
            )


@rule(
    "sides-swapped",
    Severity.WARNING,
    "PS3.3 C.7.6.2.1.1",
    "Of two ROIs NAME_L and NAME_R, the left one lies further to the patient's left (+x).",
)
def sides_swapped(subject: Subject) -> Iterator[tuple[str, str]]:
    """A swapped name, or a mirrored file."""
    names = {roi.number: roi.name for roi in subject.file.rois}
    middles = {
        names.get(found.number, ""): middle
        for found in subject.file.contour_sets
        if (middle := _middle_x_mm(subject, found)) is not None
    }
    for name, left_x in middles.items():
        partner = f"{name[:-2]}_R"
        if name.endswith("_L") and partner in middles and left_x < middles[partner]:
            yield (
                THE_FILE,
                f"{name} lies {middles[partner] - left_x:.1f} mm to the right of {partner}: their "
                "names are swapped, or the file is mirrored.",
            )


def _middle_x_mm(subject: Subject, found: ContourSet) -> float | None:
    """The mean x of its areas."""
    weights = [subject.file.areas_mm2[contour] for contour in found.polygons]
    if sum(weights) == 0:
        return None
    middles = [float(contour.points_mm[:, 0].mean()) for contour in found.polygons]
    return sum(w * x for w, x in zip(weights, middles, strict=True)) / sum(weights)


RULES = (
    roi_name_repeated,
    roi_name_empty,
    roi_name_length,
    roi_name_characters,
    display_colour,
    interpreted_type,
    several_externals,
    generation_algorithm,
    sides_swapped,
)
