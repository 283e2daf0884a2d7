"""Accept headers, as anybody may write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from service.dicomweb.media_types import DICOM, DICOM_JSON, DICOM_XML, pick_type, read_accept

OFFERED = (DICOM_JSON, DICOM_XML)


@pytest.mark.parametrize(
    ("header", "picked"),
    [
        (None, DICOM_JSON),
        ("*/*", DICOM_JSON),
        ("application/*", DICOM_JSON),
        ("application/json", DICOM_JSON),
        ("application/xml", DICOM_XML),
        ("Application/DICOM+XML", DICOM_XML),
        ("application/dicom+json;q=0, */*;q=0.1", DICOM_JSON),
        ("application/dicom+json;q=0.1,application/dicom+xml;q=0.2", DICOM_XML),
        ('multipart/related; type="application/dicom+xml"', DICOM_XML),
        ('multipart/related; type="a,b", application/dicom+xml', DICOM_XML),
        ("application/dicom+xml;q=many", DICOM_XML),
    ],
)
def test_the_most_wanted_form_is_picked(header: str | None, picked: str) -> None:
    """RFC 9110 12.5.1, with DICOM's multiparts."""
    assert pick_type(header, OFFERED) == picked


@pytest.mark.parametrize("header", ["text/html", "multipart/related", "application/dicom", "x"])
def test_a_form_that_is_not_offered_is_an_error(header: str) -> None:
    """With what is offered."""
    with pytest.raises(HTTPException, match="dicom"):
        pick_type(header, OFFERED)


def test_the_type_and_the_syntax_of_parts_are_read() -> None:
    """As WADO-RS clients write them, quoted or not."""
    quoted, plain = read_accept(
        f'multipart/related; type="{DICOM}"; transfer-syntax=*;q=0.5,'
        f"multipart/related;transfer-syntax=1.2.840.10008.1.2.4.90;type={DICOM};q=0.4"
    )

    assert (quoted.inner, quoted.transfer_syntax, quoted.quality) == (DICOM, "*", 0.5)
    assert (plain.inner, plain.transfer_syntax) == (DICOM, "1.2.840.10008.1.2.4.90")


@given(st.text(st.sampled_from("*/;,=\"q. äж日\\\t'")) | st.text())
@settings(deadline=None, derandomize=True, max_examples=500)
def test_any_text_is_read_or_refused(header: str) -> None:
    """The query parameter `accept` may hold anything."""
    with suppress(HTTPException):
        assert pick_type(header, OFFERED) in OFFERED
