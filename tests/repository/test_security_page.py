"""What docs/security.md says of limits is what the code enforces."""

from __future__ import annotations

from service.limits_table import PAGE, build_limits_table, place_table
from workers.limits import Limits


def test_the_table_of_limits_is_that_of_the_code() -> None:
    """`python -m service.limits_table` writes it anew."""
    page = PAGE.read_text()

    assert place_table(page) == page


def test_every_limit_is_in_the_table() -> None:
    """By the name under which a site sets it."""
    table = build_limits_table()

    assert [name for name in Limits.model_fields if f"`OARLOCK_{name.upper()}`" not in table] == []
