"""The tables of the job store, the same for SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
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
    Column("rule", String(128), nullable=False, server_default=""),
    Column("planned", JSON, nullable=False, server_default="[]"),
    Column("is_shadow", Boolean, nullable=False, server_default=false()),
    Column("superseded_by", String(36)),
    Column("request_id", String(64)),
    Column("project", String(32)),
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

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("job_id", String(36), ForeignKey("jobs.id"), nullable=False),
    Column("destination", String(64), nullable=False),
    Column("template", String(128), nullable=False),
    Column("event", String(32), nullable=False),
    Column("about", String(36), nullable=False),
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("due_clock", String(64)),
    Column("due_at", Float(53)),
    Column("lease_clock", String(64)),
    Column("lease_until", Float(53)),
    Column("error", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("tried_at", UTCDateTime),
    Column("next_try_at", UTCDateTime),
    Column("delivered_at", UTCDateTime),
    Index("outbox_once", "job_id", "destination", "template", "event", "about", unique=True),
    Index("outbox_state", "state", "destination"),
)

series = Table(
    "series",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("series_instance_uid", String(64), nullable=False),
    Column("instances", JSON, nullable=False),
    Index("series_uid", "series_instance_uid"),
)

instances = Table(
    "instances",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("sop_class_uid", String(64), nullable=False),
    Column("series_instance_uid", String(64), nullable=False),
    Column("study_instance_uid", String(64), nullable=False),
    Column("transfer_syntax_uid", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    # Of a result; the file is below the results. What was received is found by its checksum.
    Column("job_id", String(36), ForeignKey("jobs.id")),
    Column("file", String(255)),
    Column("received_at", UTCDateTime, nullable=False),
    Index("instances_sop", "sop_instance_uid"),
    Index("instances_job", "job_id"),
    Index("instances_series", "series_instance_uid"),
    Index("instances_study", "study_instance_uid"),
)

arrivals = Table(
    "arrivals",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("source", JSON, nullable=False),
    Column("source_name", String(128), nullable=False),
    Column("project", String(32)),
    Column("study_instance_uid", String(64), nullable=False),
    Column("series_instance_uid", String(64), nullable=False),
    Column("modality", String(16), nullable=False),
    Column("description", Text, nullable=False),
    Column("received", Integer, nullable=False),
    Column("has_ended", Boolean, nullable=False),
    Column("expected", Integer),
    Column("quiet_clock", String(64)),
    Column("quiet_at", Float(53)),
    Column("evidence", Text, nullable=False),
    Column("fault", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("job_ids", JSON, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("number", Integer, nullable=False),
    Column("cuts", Integer, nullable=False),
    Column("last_at", UTCDateTime, nullable=False),
    Column("last_clock", String(64), nullable=False),
    Column("last_seconds", Float(53), nullable=False),
    Column("closed_at", UTCDateTime),
    Index("arrivals_state", "state"),
    Index("arrivals_series", "series_instance_uid", "source_name", "state"),
    Index("arrivals_created", "created_at", "id"),
    Index("arrivals_study", "study_instance_uid"),
    Index(
        "arrivals_receiving",
        "source_name",
        "series_instance_uid",
        unique=True,
        sqlite_where=text("state = 'receiving'"),
        postgresql_where=text("state = 'receiving'"),
    ),
)

arrived_instances = Table(
    "arrived_instances",
    metadata,
    Column("arrival_id", String(36), ForeignKey("arrivals.id"), primary_key=True),
    Column("sop_instance_uid", String(64), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Index("arrived_sha256", "sha256"),
)

# What was taken off an object before it was kept, sealed: the service's key opens it, and what
# stands for the original (`original`) is made with it, too.
identities = Table(
    "identities",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("original", String(64), nullable=False),
    Column("uids", LargeBinary, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Index("identities_original", "original"),
)

# One row once it is settled how series are kept: `profile` is empty where that is as they came, and
# `mark` tells the key from others.
identity_mode = Table(
    "identity_mode",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("profile", String(128), nullable=False),
    Column("mark", String(64), nullable=False),
)

commitments = Table(
    "commitments",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("transaction_uid", String(64), nullable=False),
    Column("source", JSON, nullable=False),
    Column("objects", JSON, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_clock", String(64), nullable=False),
    Column("due_at", Float(53), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)

# `wrapped` (base64): the key of a study's files, which the master key named `master` opens.
study_keys = Table(
    "study_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("study_instance_uid", String(64), nullable=False, unique=True),
    Column("master", String(16), nullable=False),
    Column("wrapped", String(128), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("project", String(32)),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime),
    Column("last_used_at", UTCDateTime),
    Column("revoked_at", UTCDateTime),
)

users = Table(
    "users",
    metadata,
    Column("subject", String(255), primary_key=True),
    Column("roles", JSON, nullable=False),
    Column("project", String(32)),
    Column("created_at", UTCDateTime, nullable=False),
)

audit_records = Table(
    "audit_records",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UTCDateTime, nullable=False),
    Column("event", String(32), nullable=False),
    Column("person", String(255), nullable=False),
    Column("job_id", String(36), nullable=False),
    Column("study_uid", String(64), nullable=False),
    Column("patient", String(32), nullable=False),
    Column("content", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_at", "at"),
    Index("audit_job", "job_id"),
    Index("audit_study", "study_uid"),
    Index("audit_patient", "patient"),
)

# One row. `number` and `hash`: of the last record; `first` and `before`: the number of the first
# that is kept, and the hash before it; `key`: of the patients' pseudonyms.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("before", String(64), nullable=False),
    Column("key", String(64), nullable=False),
)

# One row: the number of the last record that the collector has, moved by whoever holds the lease.
audit_cursor = Table(
    "audit_cursor",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sent", BigInteger, nullable=False),
    Column("holder", String(36)),
    Column("lease_clock", String(64)),
    Column("lease_until", Float(53)),
)
