"""What a provider writes in its own way is remembered beside what was agreed."""

from pathlib import Path

from alembic import op

revision = "0017"
down_revision = "0016"

FILES = sorted((Path(__file__).parent / "0017").glob("*.sql"))


def upgrade() -> None:
    """Run every file; `no_parameters` keeps the driver from reading `%` in them as placeholders."""
    connection = op.get_bind().execution_options(no_parameters=True)
    for file in FILES:
        connection.exec_driver_sql(file.read_text(encoding="utf-8"))
