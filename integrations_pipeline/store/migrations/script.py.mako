"""${message}."""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Say here what changes and what happens to existing rows."""
    ${upgrades if upgrades else "pass"}
