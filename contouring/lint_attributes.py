"""Lint rules on attributes that an RT Structure Set must have (PS3.3 A.19 and its modules)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contouring.data_elements import Item
from contouring.lint_rules import THE_FILE, Finds, Rule, Severity, Subject, rule

APPROVED = ("APPROVED", "REJECTED")
APPROVAL_STATES = (*APPROVED, "UNAPPROVED")


@dataclass(frozen=True)
class Module:
    """The attributes of one module: type 1 has a value; type 2 is there, even if it is empty.

    `sequences`: the path to the items that hold them, none for the data set itself.
    """

    slug: str
    name: str
    clause: str
    type_1: tuple[str, ...] = ()
    type_2: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR


MODULES = (
    Module("sop-common-module", "SOP Common", "PS3.3 C.12.1", ("SOPClassUID", "SOPInstanceUID")),
    Module(
        "patient-module",
        "Patient",
        "PS3.3 C.7.1.1",
        type_2=("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    ),
    Module(
        "general-study-module",
        "General Study",
        "PS3.3 C.7.2.1",
        ("StudyInstanceUID",),
        ("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    ),
    Module(
        "rt-series-module",
        "RT Series",
        "PS3.3 C.8.8.1",
        ("Modality", "SeriesInstanceUID"),
        ("SeriesNumber", "OperatorsName"),
    ),
    Module("general-equipment-module", "General Equipment", "PS3.3 C.7.5.1", (), ("Manufacturer",)),
    Module(
        "frame-of-reference-module",
        "Frame of Reference",
        "PS3.3 C.7.4.1",
        ("FrameOfReferenceUID",),
        ("PositionReferenceIndicator",),
        # Optional for structure sets in today's standard, mandatory in earlier validators.
        severity=Severity.WARNING,
    ),
    Module(
        "structure-set-module",
        "Structure Set",
        "PS3.3 C.8.8.5",
        ("StructureSetLabel", "StructureSetROISequence"),
        ("StructureSetDate", "StructureSetTime"),
    ),
    Module(
        "roi-attributes",
        "Structure Set",
        "PS3.3 C.8.8.5",
        ("ROINumber", "ReferencedFrameOfReferenceUID"),
        ("ROIName", "ROIGenerationAlgorithm"),
        ("StructureSetROISequence",),
    ),
    Module("roi-contour-module", "ROI Contour", "PS3.3 C.8.8.6", ("ROIContourSequence",)),
    Module(
        "roi-contour-attributes",
        "ROI Contour",
        "PS3.3 C.8.8.6",
        ("ReferencedROINumber",),
        (),
        ("ROIContourSequence",),
    ),
    Module(
        "contour-attributes",
        "ROI Contour",
        "PS3.3 C.8.8.6",
        ("ContourGeometricType", "NumberOfContourPoints", "ContourData"),
        (),
        ("ROIContourSequence", "ContourSequence"),
    ),
    Module(
        "contour-image-attributes",
        "ROI Contour",
        "PS3.3 C.8.8.6",
        ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
        (),
        ("ROIContourSequence", "ContourSequence", "ContourImageSequence"),
    ),
    Module(
        "roi-observations-module",
        "RT ROI Observations",
        "PS3.3 C.8.8.8",
        ("RTROIObservationsSequence",),
    ),
    Module(
        "observation-attributes",
        "RT ROI Observations",
        "PS3.3 C.8.8.8",
        ("ObservationNumber", "ReferencedROINumber"),
        ("RTROIInterpretedType", "ROIInterpreter"),
        ("RTROIObservationsSequence",),
    ),
    Module(
        "reference-frame-attributes",
        "Structure Set",
        "PS3.3 C.8.8.5",
        ("FrameOfReferenceUID",),
        (),
        ("ReferencedFrameOfReferenceSequence",),
    ),
    Module(
        "reference-study-attributes",
        "Structure Set",
        "PS3.3 C.8.8.5",
        ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID", "RTReferencedSeriesSequence"),
        (),
        ("ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence"),
    ),
    Module(
        "reference-series-attributes",
        "Structure Set",
        "PS3.3 C.8.8.5",
        ("SeriesInstanceUID", "ContourImageSequence"),
        (),
        (
            "ReferencedFrameOfReferenceSequence",
            "RTReferencedStudySequence",
            "RTReferencedSeriesSequence",
        ),
    ),
    Module(
        "reference-image-attributes",
        "Structure Set",
        "PS3.3 C.8.8.5",
        ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
        (),
        (
            "ReferencedFrameOfReferenceSequence",
            "RTReferencedStudySequence",
            "RTReferencedSeriesSequence",
            "ContourImageSequence",
        ),
    ),
)


def _attributes_of(module: Module) -> Finds:
    def find(subject: Subject) -> Iterator[tuple[str, str]]:
        for where, item in _items(subject.file.content, module.sequences):
            for keyword in module.type_1:
                element = item.find(keyword)
                if element is None or element.is_empty:
                    what = "is missing" if element is None else "is empty"
                    yield (
                        where or THE_FILE,
                        f"{keyword} {what} (type 1 of {module.name}): strict readers reject the "
                        "file.",
                    )
            for keyword in module.type_2:
                if item.find(keyword) is None:
                    yield (
                        where or THE_FILE,
                        f"{keyword} is missing (type 2 of {module.name}; it may be empty): strict "
                        "archives and planning systems reject the file.",
                    )

    return find


def _items(item: Item, sequences: Sequence[str], where: str = "") -> Iterator[tuple[str, Item]]:
    if not sequences:
        yield where, item
        return
    for number, inner in enumerate(item.items(sequences[0]), start=1):
        place = f"{where} > {sequences[0]} {number}" if where else f"{sequences[0]} {number}"
        yield from _items(inner, sequences[1:], place)


def _demand(module: Module) -> str:
    kinds = [("with a value: ", module.type_1), ("present: ", module.type_2)]
    parts = [kind + ", ".join(keywords) for kind, keywords in kinds if keywords]
    place = f" in each item of {' > '.join(module.sequences)}" if module.sequences else ""
    return f"{module.name}{place}, {'; '.join(parts)}."


MODULE_RULES = tuple(
    Rule(module.slug, module.severity, module.clause, _demand(module), _attributes_of(module))
    for module in MODULES
)


@rule(
    "modality",
    Severity.ERROR,
    "PS3.3 C.8.8.1",
    "Modality is RTSTRUCT.",
)
def modality(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers sort files by it."""
    found = subject.file.content.text("Modality")
    if found and found != "RTSTRUCT":
        yield THE_FILE, f"Modality is {found!r}, not RTSTRUCT: readers may not list the file."


@rule(
    "approval-status",
    Severity.ERROR,
    "PS3.3 C.8.8.16",
    "ApprovalStatus, where it is given, is APPROVED, UNAPPROVED or REJECTED.",
)
def approval_status(subject: Subject) -> Iterator[tuple[str, str]]:
    """The terms are enumerated."""
    found = subject.file.content.text("ApprovalStatus")
    if found and found not in APPROVAL_STATES:
        yield (
            THE_FILE,
            f"ApprovalStatus {found!r} is none of {', '.join(APPROVAL_STATES)}: whether the "
            "contours may be used is left open.",
        )


@rule(
    "approval-unstated",
    Severity.NOTE,
    "PS3.3 C.8.8.16",
    "ApprovalStatus says whether a person has approved the contours.",
)
def approval_unstated(subject: Subject) -> Iterator[tuple[str, str]]:
    """Optional, but a reader cannot tell drafts from reviewed contours without it."""
    if not subject.file.content.raw("ApprovalStatus"):
        yield THE_FILE, "There is no ApprovalStatus: a draft looks like a reviewed structure set."


@rule(
    "approval-review",
    Severity.ERROR,
    "PS3.3 C.8.8.16",
    "An approved or rejected structure set has ReviewDate, ReviewTime and ReviewerName; one that "
    "is not reviewed has none of them.",
)
def approval_review(subject: Subject) -> Iterator[tuple[str, str]]:
    """Type 2C, required if it is APPROVED or REJECTED."""
    content = subject.file.content
    is_reviewed = content.text("ApprovalStatus") in APPROVED
    for keyword in ("ReviewDate", "ReviewTime", "ReviewerName"):
        if is_reviewed and content.find(keyword) is None:
            yield THE_FILE, f"{keyword} is missing: who reviewed the contours, and when, is lost."
        if not is_reviewed and content.raw(keyword):
            yield THE_FILE, f"{keyword} is given, though nothing is approved or rejected."


@rule(
    "approved-automatic",
    Severity.WARNING,
    "PS3.3 C.8.8.16",
    "Contours that are all AUTOMATIC are not APPROVED without a reviewer's name.",
)
def approved_automatic(subject: Subject) -> Iterator[tuple[str, str]]:
    """A program approves nothing."""
    content = subject.file.content
    algorithms = {roi.item.text("ROIGenerationAlgorithm") for roi in subject.file.rois}
    is_approved = content.text("ApprovalStatus") == "APPROVED"
    if is_approved and algorithms == {"AUTOMATIC"} and not content.raw("ReviewerName"):
        yield THE_FILE, "Contours that no person drew are APPROVED, and no reviewer is named."


RULES = (
    *MODULE_RULES,
    modality,
    approval_status,
    approval_unstated,
    approval_review,
    approved_automatic,
)
