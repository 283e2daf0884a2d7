"""docs/audit.md tells the events that the code records."""

from __future__ import annotations

from pathlib import Path

from workers.audit.event_table import BEGIN, renew_table
from workers.audit.refusals import RECORDS

PAGE = Path(__file__).parents[3] / "docs" / "audit.md"


def test_the_table_is_the_one_that_the_code_has() -> None:
    """Run python -m workers.audit after a change."""
    page = PAGE.read_text()

    assert BEGIN in page
    assert page == renew_table(page)


def test_the_page_tells_how_many_refusals_are_recorded() -> None:
    """A stale number misleads whoever counts them."""
    assert f"each address has {RECORDS} records" in PAGE.read_text()
