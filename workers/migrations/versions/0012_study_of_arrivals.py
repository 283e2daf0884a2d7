"""Arrivals of a study are counted for its limit whenever a series comes."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """The index alone."""
    op.create_index("arrivals_study", "arrivals", ["study_instance_uid"])
