"""The conformance statement says what the code does."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom

from service.conformance.created_objects import COPIED, STRUCTURE_SET
from service.conformance.statement import build_statement
from tests.contouring.structure_sets import release

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def test_the_page_is_the_one_that_the_tables_give() -> None:
    """Run python -m service.conformance after a change."""
    assert PAGE.read_text() == build_statement()


def test_a_written_structure_set_has_just_what_the_statement_lists() -> None:
    """All that is made is there, and nothing else but what may be copied."""
    written = {element.keyword for element in pydicom.dcmread(BytesIO(release().content))}
    made = {keyword for keyword, source in STRUCTURE_SET.items() if source != COPIED}

    assert made <= written <= STRUCTURE_SET.keys()
