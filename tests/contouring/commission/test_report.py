"""The document that is printed and signed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from contouring.commission import figures
from contouring.commission.cover import Heading
from contouring.commission.machine import read_machine
from contouring.commission.markup import element
from contouring.commission.report import write_report
from contouring.commission.runs import CommissioningReport
from contouring.phantom_deviation import Deviation
from contouring.phantom_scan import PATIENT_POSITIONS
from contouring.recipe import Cascade
from contouring.template import Template
from tests.contouring.commission.conftest import COURSE, STAMP, TEMPLATES

INLINE = {"p", "h1", "h2", "h3", "span", "li", "td", "th"}
BLOCK = {"p", "div", "table", "section", "ul", "ol", "h1", "h2", "h3", "figure"}


class Nesting(HTMLParser):
    """Fails where an element is closed out of order, or a block stands in a line of text."""

    def __init__(self) -> None:
        super().__init__()
        self.path: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open it."""
        assert not (tag in BLOCK and self.path and self.path[-1] in INLINE), (self.path, tag)
        if tag not in {"img", "meta"}:
            self.path.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close it."""
        assert self.path.pop() == tag


@pytest.fixture(scope="session")
def text(report: CommissioningReport) -> str:
    """The file."""
    return report.path.read_text(encoding="utf-8")


@pytest.fixture
def heading(commissioning: Cascade) -> Heading:
    """What the report of the small course has."""
    return Heading(commissioning, TEMPLATES, STAMP, read_machine(), COURSE.phantom)


def rows_of(text: str) -> list[list[str]]:
    """The words of every cell of every line of a table."""
    lines = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    cells = [re.findall(r"<t[dh]>(.*?)</t[dh]>", line, re.DOTALL) for line in lines]
    return [[re.sub(r"<.*?>|\n", "", cell) for cell in line] for line in cells]


def test_it_needs_nothing_but_itself(text: str) -> None:
    """It is carried to a machine without a network, and still reads the same in ten years."""
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)

    assert "<script" not in text
    assert "url(" not in text
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_it_is_well_formed(text: str) -> None:
    """A browser that has to mend it may print it in another way than the next one."""
    parser = Nesting()

    parser.feed(text.removeprefix("<!DOCTYPE html>"))

    assert parser.path == []


def test_it_says_what_was_tested_with_what(text: str, commissioning: Cascade) -> None:
    """Without these the signature is worth nothing after the next update."""
    facts = {row[0]: row[1] for row in rows_of(text) if len(row) == 2}

    assert facts["Date"] == "2026-03-04 05:06 UTC"
    assert facts["Oarlock"] == STAMP.software_version
    assert facts["Model"] == "commissioning 1.0.0"
    assert facts["Model&#x27;s checksum"] == f"sha256 {commissioning.checksum}"
    assert facts["Runtime"] == commissioning.runtime
    assert facts["Template clinic"] == f"sha256 {'c1' * 32}"
    assert read_machine().system in facts["Machine"]
    assert "pydicom" in facts["Software"]
    assert facts["Scan"] == "64 x 64 pixels of 1.0000 x 1.0000 mm, 20 slices 2.50 mm apart"


def test_the_summary_has_one_line_for_each_position_and_template(text: str) -> None:
    """What a busy person reads."""
    lines = [row for row in rows_of(text) if row[-1] in ("PASS", "FAIL") and len(row) == 8]

    assert [(row[0], row[1], row[2], row[-1]) for row in lines] == [
        (position, template, "2 of 2", "PASS")
        for position in ("HFS", "FFDR")
        for template in ("generic", "clinic")
    ]


def test_every_structure_of_every_file_has_its_numbers(
    text: str, report: CommissioningReport
) -> None:
    """By the name in the file, with the limits that it was held against."""
    lines = {(row[0], row[1]): row for row in rows_of(text) if len(row) == 11}
    (large, _) = report.positions[1].files[0].measurements

    assert set(lines) >= {
        ("Sphere30", "Sphere30"),
        ("Sphere8", "Sphere8"),
        ("Sphere30", "Large_R"),
        ("Sphere8", "Small_L"),
    }
    assert large.found is not None
    assert f"{large.found.mean_mm:.3f}" in lines["Sphere30", "Sphere30"]
    assert "0.3" in lines["Sphere30", "Sphere30"]


def test_the_form_has_the_truth_and_room_beside_it(text: str) -> None:
    """What the planning system shows is written by hand."""
    lines = [row for row in rows_of(text) if len(row) == 9 and row[0] == "Sphere30"]

    assert len(lines) == len(COURSE.scans)
    for row in lines:
        assert row[1] == "right"
        assert float(row[2]) == pytest.approx(3.05, abs=0.05)
        x, y, z = (float(value) for value in row[4].split(", "))
        assert (x, y, z) == pytest.approx((-13.0, 6.0, 3.3), abs=0.11)
        assert [row[3], *row[5:]] == [""] * 5


def test_files_can_be_told_from_others_by_their_checksums(
    text: str, report: CommissioningReport
) -> None:
    """The paper names the bytes that were imported."""
    for path in report.path.parent.rglob("*.rtstruct.dcm"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in text


def test_it_says_how_to_import_what_it_does_not_prove_and_where_to_sign(
    text: str, report: CommissioningReport
) -> None:
    """A report that is only numbers is signed without a thought."""
    heads = re.findall(r"<h2>(.*?)[<\n]", text)

    assert "Import into a planning system" in heads
    assert "What this test does not prove" in heads
    assert "Signature" in text
    assert text.count("<img ") == sum(len(position.pictures) for position in report.positions)


def test_only_files_that_measure_the_same_share_a_table(
    heading: Heading, report: CommissioningReport
) -> None:
    """A table is for all templates above it, and a fault for one alone."""
    position = report.positions[0]
    first, other = position.files
    twin = replace(first, template=Template("twin"))
    broken = replace(first, template=Template("broken"), faults=("It is torn.",))

    text = write_report(heading, [replace(position, files=(first, other, twin, broken))])

    assert re.findall(r"<h3>(Templates? .*?)</h3>", text) == [
        "Templates generic, twin",
        "Template clinic",
        "Template broken",
    ]
    assert "It is torn." in text
    assert "FAIL: 1 of 4" in text


def test_a_structure_that_is_not_in_the_file_is_a_line_without_numbers(
    heading: Heading, report: CommissioningReport
) -> None:
    """It must not vanish from the table."""
    position = report.positions[0]
    (first, other) = position.files[0].measurements
    lost = replace(first, found=None, colour_rgb=())
    result = replace(position, files=(replace(position.files[0], measurements=(lost, other)),))

    text = write_report(heading, [result])

    (line,) = (row for row in rows_of(text) if len(row) == 11 and row[0] == "Sphere30")
    assert line[2:] == ["–"] * 8 + ["FAIL"]
    assert "Sphere30: It is not in the file." in text
    assert ["1 of 2", "FAIL"] in [[row[2], row[-1]] for row in rows_of(text) if len(row) == 8]


def test_what_others_wrote_cannot_become_part_of_the_page(
    heading: Heading, report: CommissioningReport
) -> None:
    """Names of models and templates come from files."""
    evil = "<script>alert('x')</script>"
    cascade = replace(heading.cascade, name=evil, runtime=evil)
    templates = (Template(evil, checksum=evil),)
    files = tuple(
        replace(file, template=templates[0], faults=(evil,)) for file in report.positions[0].files
    )

    text = write_report(
        replace(heading, cascade=cascade, templates=templates),
        [replace(report.positions[0], files=files)],
    )

    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 5


def test_its_number_is_that_of_the_files_and_stands_on_every_page(
    heading: Heading, report: CommissioningReport
) -> None:
    """Loose pages of two reports must not be mixed."""
    position = report.positions[0]
    other = replace(position, files=(replace(position.files[0], checksum="0" * 64),))

    ids = [
        re.findall(
            r'content: "Oarlock commissioning report (\w{12})"', write_report(heading, [one])
        )
        for one in (position, other, position)
    ]

    assert ids[0] == ids[2] != ids[1]
    assert len(ids[0]) == 1


def test_a_template_without_a_file_is_built_in(
    heading: Heading, report: CommissioningReport
) -> None:
    """It has no checksum to show."""
    plain = replace(heading, templates=(Template("generic"),))

    text = write_report(plain, report.positions)

    assert ["Template generic", "built in"] in rows_of(text)


def test_numbers_are_written_as_people_read_them() -> None:
    """No negative zero, no infinity, and a dash where there is nothing to say."""
    near_poles_only = Deviation(0.01, 0.1, 0.0, 0, 1.0, 1.0, (), ())

    assert figures.percent(-0.00001) == "+0.00"
    assert figures.millimetres(float("inf")) == figures.mean_millimetres(float("inf")) == "–"
    assert figures.off_poles(near_poles_only) == "–"
    assert (figures.volume(0.2684), figures.volume(113.097)) == ("0.268", "113.10")
    assert [figures.side((x, 0.0, 0.0)) for x in (-9.0, 3.0, 9.0)] == ["right", "middle", "left"]


def test_attributes_are_escaped_too() -> None:
    """A quote would end the attribute."""
    assert element("img", alt='"<') == '<img alt="&quot;&lt;">'


def test_a_part_tells_what_it_leaves_out(report: CommissioningReport, heading: Heading) -> None:
    """Whoever signs for one position must not be taken to have signed for eight."""
    whole = tuple(
        replace(report.positions[0], scan=replace(report.positions[0].scan, position=position))
        for position in PATIENT_POSITIONS
    )
    names = ("clinic", "eclipse", "generic")

    part = write_report(replace(heading, all_templates=names), report.positions)
    all_of_it = write_report(replace(heading, all_templates=("clinic", "generic")), whole)

    assert (
        "A partial run. Not tested were patient positions: HFP, HFDR, HFDL, FFS, FFP, FFDL; "
        "templates: eclipse." in part
    )
    assert "partial run" not in all_of_it
