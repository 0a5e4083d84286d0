"""Alembic's entry point: runs migrations on the connection that `Database.upgrade` hands over.

Offline mode is absent on purpose: the first migration reads the database that it upgrades.
"""

from alembic import context

from integrations_pipeline.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    on_version_apply=context.config.attributes.get("on_version_apply"),
)
with context.begin_transaction():
    context.run_migrations()
