"""When everything of a connection was last read, and so when it is to be read again."""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"

FILES = sorted((Path(__file__).parent / "0010").glob("*.sql"))


def upgrade() -> None:
    """Run every file; `no_parameters` keeps the driver from reading `%` in them as placeholders."""
    connection = op.get_bind().execution_options(no_parameters=True)
    for file in FILES:
        connection.exec_driver_sql(file.read_text(encoding="utf-8"))
