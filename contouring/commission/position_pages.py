"""The pages of one position: measurements, a form for the planning system, and pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from contouring.commission.figures import (
    NOTHING,
    chip,
    mean_millimetres,
    millimetres,
    off_poles,
    outcome,
    percent,
    place,
    side,
    volume,
)
from contouring.commission.markup import Markup, element, items, joined, paragraphs, table
from contouring.commission.measurements import FileResult, Measurement
from contouring.commission.pictures import Picture
from contouring.commission.positions import CT_FOLDER, PositionResult

POSITIONS = {
    "HFS": "head first, supine",
    "HFP": "head first, prone",
    "HFDR": "head first, right side down",
    "HFDL": "head first, left side down",
    "FFS": "feet first, supine",
    "FFP": "feet first, prone",
    "FFDR": "feet first, right side down",
    "FFDL": "feet first, left side down",
}


def position_pages(result: PositionResult) -> Markup:
    """Tables and form on one page, pictures on the next."""
    title = f"{result.position}: {POSITIONS[result.position]}"
    return joined(
        [
            element(
                "section",
                element("h2", title, " ", outcome(result.passed)),
                *(_measurements(group) for group in _alike(result.files)),
                _files(result),
            ),
            element(
                "section",
                element("h2", f"{result.position}: pictures"),
                paragraphs(
                    "The CT in its own rows and columns. White lines: the true contours. Coloured "
                    f"lines on them: the contours of {_drawn_from(result)}. Coronal and sagittal "
                    "cuts show a point where a contour of a slice meets the cut. Letters: the "
                    "patient's right, left, front (A), back (P), head and feet. The grey around a "
                    "solid encodes the distance to it and reaches beyond it: its visible edge is "
                    "not the border, and grey without a line is no missing contour."
                ),
                _pictures(result.pictures),
            ),
            element("section", element("h2", f"{result.position}: planning system"), _form(result)),
        ]
    )


def _alike(files: Sequence[FileResult]) -> list[list[FileResult]]:
    """Files of which everything measured is equal, together."""
    groups: list[list[FileResult]] = []
    for file in files:
        known = next((g for g in groups if g[0].measurements == file.measurements), None)
        if known is None or file.faults:
            groups.append([file])
        else:
            known.append(file)
    return groups


def _measurements(files: Sequence[FileResult]) -> Markup:
    """One table for files that measure the same."""
    names = ", ".join(file.template.name for file in files)
    first = files[0]
    head = (
        "Structure",
        "Name in the file",
        "True volume (cm³)",
        "Drawn volume (cm³)",
        "Error (%)",
        "Limit (%)",
        "Mean (mm)",
        "Largest off poles (mm)",
        "Largest (mm)",
        "Missed / extra",
        "Result",
    )
    rows = [_row(one) for one in first.measurements]
    notes = [
        *first.faults,
        *(f"{one.wanted.source}: {text}" for one in first.measurements for text in one.breaches),
    ]
    return joined(
        [
            element("h3", f"Template{'s' * (len(files) > 1)} {names}"),
            table(head, rows, "numbers measured") if rows else Markup(),
            element("div", items(notes), class_="breach") if notes else Markup(),
            _unmeasured(first),
        ]
    )


def _row(one: Measurement) -> list[str]:
    found = one.found
    name = joined([chip(one.colour_rgb), one.wanted.name]) if one.colour_rgb else one.wanted.name
    if found is None:
        return [one.wanted.source, name, *[NOTHING] * 8, outcome(False)]
    return [
        one.wanted.source,
        name,
        volume(found.true_mm3 / 1000.0),
        volume(found.drawn_mm3 / 1000.0),
        percent(found.volume_error),
        f"{100 * one.limits.volume_error:.1f}",
        mean_millimetres(found.mean_mm),
        off_poles(found),
        millimetres(found.largest_mm),
        f"{len(found.missed_slices)} / {len(found.extra_slices)}",
        outcome(one.passed),
    ]


def _unmeasured(file: FileResult) -> Markup:
    if not file.unmeasured:
        return Markup()
    names = ", ".join(file.unmeasured)
    return paragraphs(f"Derived, in the file but not measured: {names}.")


def _files(result: PositionResult) -> Markup:
    rows = [(file.path, file.checksum) for file in result.files if file.path]
    folder = f"{result.position}/{CT_FOLDER}"
    return element(
        "div",
        element("h3", "Files"),
        paragraphs(f"CT series in {folder}, SeriesInstanceUID {result.series_instance_uid}."),
        table(("Structure set", "sha256"), rows) if rows else Markup(),
        class_="small",
    )


def _form(result: PositionResult) -> Markup:
    head = (
        "Structure",
        "Side",
        "Volume (cm³)",
        "Found",
        "Centre x, y, z (mm)",
        "Found x",
        "Found y",
        "Found z",
        "All right?",
    )
    rows = []
    for name, expected in result.expectations.items():
        cubic, centre = volume(expected.contoured_cm3), ", ".join(place(expected.centre_mm))
        rows.append([name, side(expected.centre_mm), cubic, "", centre, "", "", "", ""])
    return joined(
        [
            paragraphs("Structure set imported: ____________________________________________"),
            table(head, rows, "numbers form"),
            _question("Structure set attached to the CT series without a question"),
            _question(f"Patient position shown as {result.position}"),
            _question("Letters and pictures as printed here"),
            _question("Every name and colour as in the table of measurements"),
            _question("Every hole and hollow empty"),
            paragraphs("Remarks:"),
            *(element("div", class_="line") for _ in range(3)),
        ]
    )


def _question(text: str) -> Markup:
    box = element("span", class_="box")
    return element("p", box, "yes ", Markup("&emsp;"), box, "no ", Markup("&emsp;"), text)


def _drawn_from(result: PositionResult) -> str:
    return next((file.path for file in result.files if file.path), "no file")


def _pictures(pictures: Sequence[Picture]) -> Markup:
    return element("div", *(_figure(picture) for picture in pictures), class_="pictures")


def _figure(picture: Picture) -> Markup:
    data = base64.b64encode(picture.png).decode()
    image = element("img", src=f"data:image/png;base64,{data}", alt=picture.title)
    return element(
        "figure",
        image,
        element("figcaption", picture.title),
        class_="tall" if picture.is_tall else "flat",
    )
