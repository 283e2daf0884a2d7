"""The last page: what the test does not prove, and the place to sign."""

from __future__ import annotations

from contouring.commission.markup import Markup, element, items, paragraphs

NOT_PROVED = (
    "That contours of patients are right. The phantom's model reads borders from the voxels; how "
    "well a trained model finds organs must be judged on patients, by people who contour.",
    "That a model with a resampled input keeps to these limits. The phantom was contoured on the "
    "CT's own voxels; a network's own grid adds an error of a fraction of its voxels.",
    "That a scanner's geometry is right. This CT was computed, without noise, artefacts or couch.",
    "Anything about series with uneven or tilted slices, other pixel sizes or cut-off patients. "
    "Oarlock's own tests cover these; this report does not.",
    "How the planning system fills, interpolates, exports or uses the contours for dose. Only what "
    "is filled in by hand in this report says something of it.",
    "That later versions behave the same. Repeat it after every change of Oarlock, its model "
    "runtime, its templates or the planning system, and compare the checksums on the first page.",
)
FIELDS = (
    "Institution",
    "Planning system and version",
    "Template that will be used",
    "Name and profession",
    "Date",
    "Signature",
    "Second person",
    "Date and signature",
)


def closing_page() -> Markup:
    """Limits of the test, verdict and signatures."""
    box = element("span", class_="box")
    return element(
        "section",
        element("h2", "What this test does not prove"),
        items(NOT_PROVED),
        element("h2", "Assessment"),
        *(
            element("p", box, words)
            for words in (
                "Geometry accepted for the template named below; contours stay drafts to review.",
                "Accepted with the remarks below.",
                "Not accepted.",
            )
        ),
        paragraphs("Remarks:"),
        *(element("div", class_="line") for _ in range(3)),
        element(
            "div",
            *(
                element("div", element("div", class_="line"), element("div", field, class_="small"))
                for field in FIELDS
            ),
            class_="signature",
        ),
    )
