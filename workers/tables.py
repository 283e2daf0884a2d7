"""The tables of the job store, the same for SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)


class UTCDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no time zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("priority", String(16), nullable=False),
    Column("turn_at", UTCDateTime, nullable=False),
    Column("series_digest", String(64), nullable=False),
    Column("study_instance_uid", String(64), nullable=False),
    Column("series_instance_uid", String(64), nullable=False),
    Column("series_description", Text, nullable=False),
    Column("slice_count", Integer, nullable=False),
    Column("model_name", String(128), nullable=False),
    Column("model_checksum", String(64), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("child_deaths", Integer, nullable=False, server_default="0"),
    Column("lost_leases", Integer, nullable=False, server_default="0"),
    Column("transient_errors", Integer, nullable=False, server_default="0"),
    Column("cancel_requested", Boolean, nullable=False),
    Column("legal_hold", Boolean, nullable=False, server_default=false()),
    Column("worker", String(255)),
    Column("lease_clock", String(64)),
    Column("lease_until", Float(53)),
    Column("due_clock", String(64)),
    Column("due_at", Float(53)),
    Column("stage", String(32)),
    Column("progress", Float, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("failure_code", String(64)),
    Column("failure_reason", Text),
    Column("created_at", UTCDateTime, nullable=False),
    Column("started_at", UTCDateTime),
    Column("finished_at", UTCDateTime),
    Index("jobs_turn", "state", "turn_at"),
    Index("jobs_created", "created_at", "id"),
    Index("jobs_series", "series_instance_uid"),
)

results = Table(
    "results",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id"), primary_key=True),
    Column("fence", Integer, nullable=False),
    Column("folder", String(255), nullable=False),
    Column("files", JSON, nullable=False),
    Column("outputs", JSON, nullable=False),
    Column("structures", JSON, nullable=False),
    Column("stage_seconds", JSON, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id"), primary_key=True),
    Column("template", String(128), primary_key=True),
    Column("delivered_at", UTCDateTime, nullable=False),
)

series = Table(
    "series",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("series_instance_uid", String(64), nullable=False),
    Column("instances", JSON, nullable=False),
    Index("series_uid", "series_instance_uid"),
)
