"""Runs the migrations with Alembic, which only `db upgrade` and a fresh database need: it takes long to import.

Belongs here: calling Alembic. Does not: transaction, locks and roles (`database`), any migration (`migrations/`).
"""

from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from integrations_pipeline.store.database import MIGRATIONS


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def migrate(connection: Connection) -> tuple[str, ...]:
    """Apply the missing migrations in the caller's transaction; their revisions."""
    applied: list[str] = []

    def note(**event: Any) -> None:
        applied.append(str(event["step"].up_revision_id))

    config = alembic_config()
    config.attributes.update(connection=connection, on_version_apply=note)
    command.upgrade(config, "head")
    return tuple(applied)
