"""What a condition asks of DICOM values, source and geometry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from service.rules.questions import Equals, InRange, Matches
from tests.service.rules.subjects import (
    GEOMETRY,
    SOURCE,
    build_header,
    build_test_subject,
    holds,
)

HEADER = build_header(
    Modality="CT",
    ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
    SeriesDescription="Hals nativ  2,5 B30s",
    PatientName="Müller^Änne",
    SpecificCharacterSet="ISO_IR 192",
    SliceThickness="2.50",
    KVP="120",
    PatientAge="007Y",
    StudyDate="20260102",
    Manufacturer="",
    RequestAttributesSequence=[
        build_header(ScheduledProcedureStepDescription="RT planning thorax"),
        build_header(ScheduledProcedureStepDescription="RT planning neck"),
    ],
)
SUBJECT = build_test_subject(HEADER)

TRUE = [
    "{attribute: Modality, equals: CT}",
    "{attribute: Modality, equals: ct}",
    "{attribute: Modality, equals: [MR, CT]}",
    '{attribute: "(0008,0060)", equals: CT}',
    "{attribute: ImageType, equals: AXIAL}",
    "{attribute: SliceThickness, equals: 2.5}",
    '{attribute: SliceThickness, equals: "2.50"}',
    "{attribute: SliceThickness, range: {min: 2, max: 2.5}}",
    "{attribute: KVP, range: {min: 120}}",
    "{attribute: PatientAge, range: {max: 17}}",
    "{attribute: StudyDate, range: {min: 20260101, max: 20261231}}",
    "{attribute: SeriesDescription, contains: NATIV}",
    "{attribute: PatientName, contains: müller}",
    '{attribute: SeriesDescription, regex: "B[0-9]+s$"}',
    '{attribute: SeriesDescription, regex: "(?i)^HALS"}',
    "{attribute: RequestAttributesSequence.ScheduledProcedureStepDescription, contains: neck}",
    '{attribute: "(0040,0275).(0040,0007)", contains: thorax}',
    "{attribute: source.name, equals: CT-simulator}",
    "{attribute: source.kind, equals: [dimse, stow]}",
    "{attribute: source.calling_ae, regex: ^SIM}",
    "{attribute: source.called_ae, equals: OARLOCK}",
    "{attribute: source.address, equals: 10.1.2.3}",
    "{attribute: source.address, equals: [192.168.0.0/16, 10.1.0.0/16]}",
    "{attribute: series.slices, equals: 120}",
    "{attribute: series.spacing_mm, range: {max: 2.5}}",
    "{attribute: series.pixel_spacing_mm, range: {max: 1}}",
    "{attribute: series.extent_mm, range: {min: 200, max: 400}}",
    "{attribute: series.rows, equals: 512}",
    "{attribute: series.columns, equals: [256, 512]}",
    "{attribute: series.is_even, equals: true}",
    "{attribute: body_part, equals: head-and-neck}",
]
FALSE = [
    "{attribute: Modality, equals: C}",
    "{attribute: Modality, range: {min: 0}}",
    "{attribute: SliceThickness, equals: 2}",
    "{attribute: SliceThickness, range: {min: 2.51}}",
    "{attribute: PatientAge, range: {min: 18}}",
    "{attribute: SeriesDescription, regex: ^hals}",
    "{attribute: Manufacturer, regex: .}",
    "{attribute: StationName, regex: .}",
    "{attribute: StationName, contains: a}",
    "{attribute: StationName, range: {min: 0}}",
    "{attribute: RequestedProcedureCodeSequence.CodeValue, regex: .}",
    '{attribute: "(0019,1030)", regex: .}',
    "{attribute: source.address, equals: [192.168.0.0/16, 'fd00::/8']}",
    "{attribute: series.is_even, equals: false}",
    "{attribute: body_part, equals: [brain, unknown]}",
]


@pytest.mark.parametrize("condition", TRUE)
def test_a_condition_that_is_met_holds(condition: str) -> None:
    """Each is asked of the same head and neck series."""
    assert holds(condition, SUBJECT)


@pytest.mark.parametrize("condition", FALSE)
def test_a_condition_that_is_not_met_does_not_hold(condition: str) -> None:
    """What is missing or empty meets none."""
    assert not holds(condition, SUBJECT)


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("::ffff:10.1.2.3", "10.1.0.0/16", True),
        ("fd00::7", "[10.0.0.0/8, 'fd00::/8']", True),
        ("fe80::1", "'fd00::/8'", False),
        ("", "0.0.0.0/0", False),
        ("not an address", "0.0.0.0/0", False),
    ],
)
def test_an_address_is_looked_up_in_networks(address: str, networks: str, expected: bool) -> None:
    """Of both kinds, also where IPv4 came over an IPv6 socket."""
    subject = build_test_subject(source=replace(SOURCE, address=address))

    assert holds(f"{{attribute: source.address, equals: {networks}}}", subject) is expected


def test_uneven_series_can_be_told_from_even_ones() -> None:
    """A rule may send them to a person."""
    uneven = build_test_subject(geometry=replace(GEOMETRY, is_even=False))

    assert holds("{attribute: series.is_even, equals: false}", uneven)


def test_what_cannot_be_decoded_is_missing() -> None:
    """pydicom decodes on access, and a damaged value must not end in another error."""
    tag = Tag("Rows")
    header = Dataset()
    header[tag] = RawDataElement(tag, "US", 3, b"\0\1\2", 0, False, True)

    subject = build_test_subject(header)

    assert not holds("{attribute: Rows, regex: .}", subject)


@pytest.mark.parametrize("expression", ["(a+)+$", "(a|aa)+$", "(.*a){20}b", "(?:a{50}){50}b"])
def test_no_header_can_make_an_expression_run_for_ever(expression: str) -> None:
    """Python's own engine would take longer than this test is given for the first two."""
    question = Matches(expression)

    assert not question.holds_for("a" * 1023 + "!")


@pytest.mark.parametrize(
    ("text", "number", "expected"),
    [("2.50", 2.5, True), ("018M", 1.5, True), ("nan", 1.0, False), ("", 0.0, False)],
)
def test_numbers_are_compared_as_numbers(text: str, number: float, expected: bool) -> None:
    """However a scanner writes them."""
    assert Equals((number,)).holds_for(text) is expected
    assert InRange(number, number).holds_for(text) is expected
