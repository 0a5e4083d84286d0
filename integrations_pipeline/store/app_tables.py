"""Tables of other applications in the same database, as far as they belong to workspaces.

Belongs here: that one question. Does not: our own tables.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.roles import PIPELINE_ROLE

#: Of a table or view in `public`: whether it tells workspaces apart, and whether the pipeline's role may read it.
_LOOK = text(
    f"""
    select has_table_privilege('{PIPELINE_ROLE}', c.oid, 'select') as is_granted
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'workspace_id' and not a.attisdropped
    where n.nspname = 'public' and c.relname = :name and c.relkind in ('r', 'v', 'm', 'p', 'f')
    """  # noqa: S608 - a constant
)


def read_app_table(database: Database, workspace_id: UUID, table_name: str) -> list[dict[str, Any]]:
    """This workspace's rows of a table or view of `public`, values as the driver gives them; `ConfigurationError` for a
    name that is no table with a `workspace_id` column.

    A table that was not granted to the pipeline's role is read as the connecting role, in a transaction that can write
    nothing.
    """
    with database.admin() as connection:
        found = connection.execute(_LOOK, {"name": str(table_name)}).one_or_none()
        if found is None:
            raise ConfigurationError(
                f"table {str(table_name)!r} is not there or has no workspace_id column: only tables of `public` that "
                "say whose each row is can be read"
            )
    quoted = '"' + table_name.replace('"', '""').replace(":", r"\:") + '"'
    # As text: other applications keep the id as text, too.
    statement = text(f"select * from public.{quoted} where workspace_id::text = :workspace_id")  # noqa: S608 - quoted
    with database.workspace(workspace_id) if found.is_granted else database.admin() as connection:
        connection.execute(text("set transaction read only"))
        rows = connection.execute(statement.bindparams(workspace_id=str(workspace_id)))
        return [dict(row._mapping) for row in rows]
