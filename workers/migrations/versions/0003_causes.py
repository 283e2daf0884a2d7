"""Losses are counted by their cause, and a job may wait for its next attempt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """What was lost before may have been either: it counts for the cause with the higher limit.

    Column by column, for SQLite could not drop and make anew a table that results point to.
    """
    for name in ("child_deaths", "lost_leases", "transient_errors"):
        op.add_column("jobs", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("due_clock", sa.String(64)))
    op.add_column("jobs", sa.Column("due_at", sa.Float(53)))
    op.execute("UPDATE jobs SET lost_leases = lost_attempts")
    op.drop_column("jobs", "lost_attempts")
