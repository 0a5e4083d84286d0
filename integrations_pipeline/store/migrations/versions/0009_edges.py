"""Edges: numbers and times within bounds, and rows that stay in their workspace."""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0007"

FILES = sorted((Path(__file__).parent / "0009").glob("*.sql"))


def upgrade() -> None:
    """Run every file; `no_parameters` keeps the driver from reading `%` in them as placeholders."""
    connection = op.get_bind().execution_options(no_parameters=True)
    for file in FILES:
        connection.exec_driver_sql(file.read_text(encoding="utf-8"))
