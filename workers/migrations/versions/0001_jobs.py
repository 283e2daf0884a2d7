"""Jobs and their results."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create both tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("turn_at", moment, nullable=False),
        sa.Column("series_digest", sa.String(64), nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("series_instance_uid", sa.String(64), nullable=False),
        sa.Column("series_description", sa.Text, nullable=False),
        sa.Column("slice_count", sa.Integer, nullable=False),
        sa.Column("model_name", sa.String(128), nullable=False),
        sa.Column("model_checksum", sa.String(64), nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("lost_attempts", sa.Integer, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("worker", sa.String(255)),
        sa.Column("lease_clock", sa.String(64)),
        sa.Column("lease_until", sa.Float(53)),
        sa.Column("stage", sa.String(32)),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("failure_code", sa.String(64)),
        sa.Column("failure_reason", sa.Text),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("started_at", moment),
        sa.Column("finished_at", moment),
    )
    op.create_index("jobs_turn", "jobs", ["state", "turn_at"])
    op.create_index("jobs_created", "jobs", ["created_at", "id"])
    op.create_index("jobs_series", "jobs", ["series_instance_uid"])
    op.create_table(
        "results",
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("folder", sa.String(255), nullable=False),
        sa.Column("rtstruct_sha256", sa.String(64), nullable=False),
        sa.Column("structures", sa.JSON, nullable=False),
        sa.Column("stage_seconds", sa.JSON, nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )
