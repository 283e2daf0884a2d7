"""What was delivered is remembered, a job may be held, and what a series consists of is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """What was fetched before is not known: such jobs are kept until they are fetched again."""
    held = sa.Column("legal_hold", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("jobs", held)
    op.create_table(
        "deliveries",
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("template", sa.String(128), primary_key=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "series",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("series_instance_uid", sa.String(64), nullable=False),
        sa.Column("instances", sa.JSON, nullable=False),
    )
    op.create_index("series_uid", "series", ["series_instance_uid"])
