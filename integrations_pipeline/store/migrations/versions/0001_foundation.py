"""The tables, functions, roles and policies; onto an empty database or the original's Supabase schema.

The SQL lies beside this file, in the order of its numbers. There is no downgrade: rows of an adopted
database would lose their workspace, so going back means restoring a backup.
"""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

FILES = sorted((Path(__file__).parent / "0001").glob("*.sql"))


def upgrade() -> None:
    """Run every file; `no_parameters` keeps the driver from reading `%` in them as placeholders."""
    connection = op.get_bind().execution_options(no_parameters=True)
    for file in FILES:
        connection.exec_driver_sql(file.read_text(encoding="utf-8"))
