"""Run by Alembic: the connection comes from `workers.database.migrate`, inside its transaction."""

from alembic import context

from workers.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
