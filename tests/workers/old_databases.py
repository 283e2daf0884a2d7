"""A database as an earlier version left it: rows in every table that its schema has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Engine, MetaData, func, insert, select

from workers.database import writing

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROWS = 3  # of each table
STRUCTURES = [
    {"name": "Brainstem", "found": True, "volume_cm3": 25.5, "slices": 20, "contours": 21}
]
NEWER_STRUCTURES = [
    {
        "name": "Brainstem",
        "template": "generic",
        "source": "Brainstem",
        "status": "contoured",
        "reason": "",
        "flags": [],
        "volume_cm3": 25.5,
        "slices": 20,
        "contours": 21,
    }
]


def fill(engine: Engine, revision: str) -> None:
    """Rows that differ, each pointing to one of the table before."""
    with writing(engine).begin() as connection:
        for table in _reflect(connection).sorted_tables:
            if table.name == "alembic_version":
                continue
            # A migration may have put the first one there.
            there = connection.scalar(select(func.count()).select_from(table)) or 0
            for number in range(there + 1, ROWS + 1):
                values = {one.name: build_value(one, number, revision) for one in table.columns}
                connection.execute(insert(table).values(values))


def read_rows(engine: Engine, columns: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """Everything, or of the tables these columns."""
    with engine.connect() as connection:
        tables = _reflect(connection).tables
        wanted = columns or {name: sorted(one.columns.keys()) for name, one in tables.items()}
        wanted = {name: names for name, names in wanted.items() if name != "alembic_version"}
        return {
            name: sorted(
                (
                    row._asdict()
                    for row in connection.execute(select(*(tables[name].c[one] for one in names)))
                ),
                key=repr,
            )
            for name, names in wanted.items()
        }


def name_columns(rows: dict[str, Any]) -> dict[str, list[str]]:
    """Which columns of which tables were read."""
    return {name: sorted(found[0]) for name, found in rows.items()}


def build_value(column: Column[Any], number: int, revision: str) -> Any:
    """A value of the column's type; words where the code has a list of them."""
    known = {
        ("jobs", "state"): "done",
        ("jobs", "priority"): "normal",
        ("jobs", "superseded_by"): None,
        ("jobs", "parameters"): {},
        ("jobs", "planned"): [],
        ("results", "structures"): STRUCTURES if revision == "0001" else NEWER_STRUCTURES,
        ("results", "outputs"): [
            {"template": "generic", "rtstruct": "rtstruct.dcm", "segmentation": None}
        ],
        ("results", "files"): {"rtstruct.dcm": "d" * 64},
        ("results", "stage_seconds"): {"read": 1.5},
    }
    key = (column.table.name, column.name)
    if key in known:
        return known[key]
    for reference in column.foreign_keys:
        return build_value(reference.column, number, revision)
    kind = column.type
    if isinstance(kind, sa.JSON):
        return [f"{column.name} {number}"]
    if isinstance(kind, sa.Boolean):
        return number % 2 == 0
    if isinstance(kind, sa.DateTime):
        return NOW.replace(hour=number)
    if isinstance(kind, sa.Integer):
        return number
    if isinstance(kind, sa.Float):
        return number + 0.5
    if isinstance(kind, sa.LargeBinary):
        return bytes([number])
    return f"{column.name} {number}"[: getattr(kind, "length", None)]


def _reflect(connection: sa.Connection) -> MetaData:
    found = MetaData()
    found.reflect(connection)
    return found
