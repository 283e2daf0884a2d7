"""What was taken off objects before they were kept, and by which profile and key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Nothing was taken off before."""
    op.create_table(
        "identities",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("original", sa.String(64), nullable=False),
        sa.Column("uids", sa.LargeBinary, nullable=False),
        sa.Column("header", sa.LargeBinary, nullable=False),
    )
    op.create_index("identities_original", "identities", ["original"])
    op.create_table(
        "identity_mode",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("profile", sa.String(128), nullable=False),
        sa.Column("mark", sa.String(64), nullable=False),
    )
