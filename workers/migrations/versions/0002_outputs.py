"""A result has files for each template; what became of a structure is told in words."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# What 0.1.0 wrote: one structure set, from no template, and the structures that were found.
TEMPLATE = "generic"
RTSTRUCT = "rtstruct.dcm"


def upgrade() -> None:
    """Say of the results that exist what the new columns ask."""
    with op.batch_alter_table("results") as table:
        table.add_column(sa.Column("files", sa.JSON))
        table.add_column(sa.Column("outputs", sa.JSON))
    results = sa.table(
        "results",
        sa.column("job_id", sa.String),
        sa.column("rtstruct_sha256", sa.String),
        sa.column("structures", sa.JSON),
        sa.column("files", sa.JSON),
        sa.column("outputs", sa.JSON),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(results)).all():
        connection.execute(
            sa.update(results)
            .where(results.c.job_id == row.job_id)
            .values(
                files={RTSTRUCT: row.rtstruct_sha256},
                outputs=[{"template": TEMPLATE, "rtstruct": RTSTRUCT, "segmentation": None}],
                structures=[_build_structure(record) for record in row.structures],
            )
        )
    with op.batch_alter_table("results") as table:
        table.alter_column("files", existing_type=sa.JSON, nullable=False)
        table.alter_column("outputs", existing_type=sa.JSON, nullable=False)
        table.drop_column("rtstruct_sha256")


def _build_structure(record: dict[str, Any]) -> dict[str, Any]:
    found = record.pop("found")
    return {
        **record,
        "template": TEMPLATE,
        "source": record["name"],
        "status": "contoured" if found else "not-in-scan",
        "reason": "",
        "flags": [],
    }
