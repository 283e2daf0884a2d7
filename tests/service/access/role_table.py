"""The tables of docs/access.md, as people read them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "access.md"


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of one of the page's tables, by their headings."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end", PAGE.read_text(), re.DOTALL)
    assert found is not None
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()
    ]
    return [dict(zip(head, row, strict=True)) for row in rows]


def read_routes() -> Mapping[tuple[str, str], dict[str, str]]:
    """The table's rows of all routes by method and path."""
    rows = {}
    for row in read_table("routes"):
        method, path = row["route"].strip("`").split(" ")
        rows[method, path] = row
    return rows
