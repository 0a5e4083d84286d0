"""Which values a workspace's contacts hold, and how often: what `connections check` compares with a provider's columns.

Belongs here: that one question. Does not: what a column can hold (the providers).
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.model import CUSTOM_PREFIX, ContactValues
from integrations_pipeline.store.rows import SET_FIELDS, TEXT_FIELDS, check_names


def read_values(connection: Connection, workspace_id: UUID, names: Sequence[str]) -> ContactValues:
    """The distinct values of these fields among live contacts. Postgres counts them, so what comes over the wire grows
    with the values, not with the contacts."""
    if not names:
        return ContactValues()
    held, bound = _held(names)
    statement = text(
        "select f.name, v.value, count(*) from workspace_contacts c "  # noqa: S608 - column names from an allow-list
        f"cross join lateral (values (cast('' as text), array['']), {held}) f(name, held) "
        "cross join lateral unnest(f.held) v(value) "
        "where c.workspace_id = :workspace_id and c.deleted_at is null group by 1, 2"
    )
    found: dict[str, dict[str, int]] = {name: {} for name in ("", *names)}
    for name, value, count in connection.execute(statement, {"workspace_id": workspace_id, **bound}):
        found[name][value] = count
    return ContactValues(contact_count=found.pop("").get("", 0), held=found)


def _held(names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A row (name, values) for each field of `workspace_contacts c`, and the bound parameters."""
    check_names(names)
    rows: list[str] = []
    bound: dict[str, str] = {}
    for i, name in enumerate(names):
        bound[f"name_{i}"] = name
        if name in SET_FIELDS:
            values = f"array_remove(cast(array(select unnest(c.{name})) as text[]), null)"
        elif name in TEXT_FIELDS:
            values = f"array[coalesce(c.{name}, '')]"
        elif name == "email_opt_out":
            values = "array[case when c.email_opt_out then 'true' else '' end]"
        else:
            bound[f"key_{i}"] = name.removeprefix(CUSTOM_PREFIX)
            values = f"array[coalesce(c.custom_fields ->> :key_{i}, '')]"
        rows.append(f"(cast(:name_{i} as text), {values})")
    return ", ".join(rows), bound
