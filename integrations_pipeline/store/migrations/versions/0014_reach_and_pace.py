"""Whoever has an e-mail is found by an index, and a pace that was refused becomes slower."""

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0013"

FILES = sorted((Path(__file__).parent / "0014").glob("*.sql"))


def upgrade() -> None:
    """Run every file; `no_parameters` keeps the driver from reading `%` in them as placeholders."""
    connection = op.get_bind().execution_options(no_parameters=True)
    for file in FILES:
        connection.exec_driver_sql(file.read_text(encoding="utf-8"))
