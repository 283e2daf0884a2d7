"""Instances are kept one by one, and what arrives is a series once it is complete."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """What jobs were made of before stays in the folders of their series."""
    for column in (
        sa.Column("rule", sa.String(128), nullable=False, server_default=""),
        sa.Column("planned", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("is_shadow", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("superseded_by", sa.String(36)),
    ):
        op.add_column("jobs", column)
    op.create_table(
        "instances",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("sop_instance_uid", sa.String(64), nullable=False),
        sa.Column("sop_class_uid", sa.String(64), nullable=False),
        sa.Column("series_instance_uid", sa.String(64), nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id")),
        sa.Column("file", sa.String(255)),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("instances_job", "instances", ["job_id"])
    op.create_index("instances_sop", "instances", ["sop_instance_uid"])
    op.create_index("instances_series", "instances", ["series_instance_uid"])
    op.create_index("instances_study", "instances", ["study_instance_uid"])
    op.create_table(
        "arrivals",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("source", sa.JSON, nullable=False),
        sa.Column("source_name", sa.String(128), nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("series_instance_uid", sa.String(64), nullable=False),
        sa.Column("modality", sa.String(16), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("received", sa.Integer, nullable=False),
        sa.Column("has_ended", sa.Boolean, nullable=False),
        sa.Column("expected", sa.Integer),
        sa.Column("quiet_clock", sa.String(64)),
        sa.Column("quiet_at", sa.Float(53)),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("fault", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("job_ids", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("cuts", sa.Integer, nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_clock", sa.String(64), nullable=False),
        sa.Column("last_seconds", sa.Float(53), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
    )
    op.create_index("arrivals_state", "arrivals", ["state"])
    op.create_index("arrivals_series", "arrivals", ["series_instance_uid", "source_name", "state"])
    op.create_index("arrivals_created", "arrivals", ["created_at", "id"])
    receiving = sa.text("state = 'receiving'")
    op.create_index(
        "arrivals_receiving",
        "arrivals",
        ["source_name", "series_instance_uid"],
        unique=True,
        sqlite_where=receiving,
        postgresql_where=receiving,
    )
    op.create_table(
        "arrived_instances",
        sa.Column("arrival_id", sa.String(36), sa.ForeignKey("arrivals.id"), primary_key=True),
        sa.Column("sop_instance_uid", sa.String(64), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
    )
    op.create_index("arrived_sha256", "arrived_instances", ["sha256"])
