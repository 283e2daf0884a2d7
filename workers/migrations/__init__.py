"""Alembic's environment and revisions; `workers.database.migrate` runs them at every start."""
