"""The report: one HTML file that needs nothing else, to read, print and sign."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from contouring.commission.closing_page import closing_page
from contouring.commission.cover import Heading, cover_page, method_page, summary_page
from contouring.commission.import_page import import_page
from contouring.commission.markup import Markup, element, joined
from contouring.commission.position_pages import position_pages
from contouring.commission.positions import PositionResult
from contouring.commission.stylesheet import STYLESHEET

ID_DIGITS = 12


def write_report(heading: Heading, positions: Sequence[PositionResult]) -> str:
    """The whole document; its id, from the structure sets' checksums, stands on every page."""
    report_id = _report_id(heading, positions)
    style = STYLESHEET.replace("REPORT_ID", report_id)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("title", f"Oarlock commissioning report {report_id}"),
        element("style", Markup(style)),
    )
    body = element(
        "body",
        cover_page(heading, positions, report_id),
        summary_page(positions),
        method_page(),
        import_page(heading.phantom, positions[0].expectations),
        joined([position_pages(position) for position in positions]),
        closing_page(),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}"


def _report_id(heading: Heading, positions: Sequence[PositionResult]) -> str:
    checksums = [file.checksum for position in positions for file in position.files]
    words = [heading.stamp.made_at.isoformat(), heading.cascade.checksum, *checksums]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:ID_DIGITS]
