"""What was done to whose data is a row of a chain."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

GENESIS = "0" * 64


def upgrade() -> None:
    """Nothing was recorded before: the chain begins here."""
    op.create_table(
        "audit_records",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("person", sa.String(255), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("study_uid", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(32), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    for name, column in {
        "audit_at": "at",
        "audit_job": "job_id",
        "audit_study": "study_uid",
        "audit_patient": "patient",
    }.items():
        op.create_index(name, "audit_records", [column])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("before", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
    )
    cursor = op.create_table(
        "audit_cursor",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sent", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(36)),
        sa.Column("lease_clock", sa.String(64)),
        sa.Column("lease_until", sa.Float(53)),
    )
    first = {"id": 1, "number": 0, "hash": GENESIS, "first": 1, "before": GENESIS}
    op.bulk_insert(head, [{**first, "key": secrets.token_hex(32)}])
    op.bulk_insert(cursor, [{"id": 1, "sent": 0}])
