"""Who may ask: keys, users, projects; and a job names the request that it is of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Nobody had a key before; what was there names no request, and belongs to no project."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("project", sa.String(32)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "users",
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("project", sa.String(32)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.add_column("jobs", sa.Column("request_id", sa.String(64)))
    for table in ("jobs", "arrivals"):
        op.add_column(table, sa.Column("project", sa.String(32)))
