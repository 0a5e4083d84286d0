"""Rows for the store's tests: two workspaces with people in each role, and one of everything."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, text


def query(connection: Connection, statement: str, **values: object) -> list[Row[Any]]:
    return list(connection.execute(text(statement), values).all())


def execute(connection: Connection, statement: str, **values: object) -> int:
    """Run a statement; returns how many rows it touched."""
    return connection.execute(text(statement), values).rowcount


def insert(connection: Connection, table: str, **values: object) -> UUID:
    """Insert one row with a new id, and return the id; nothing is read back, so writing rights suffice."""
    values = {"id": uuid4(), **values}
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    connection.execute(text(f"insert into {table} ({names}) values ({marks})"), values)
    return UUID(str(values["id"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A workspace with one row in every table."""

    workspace_id: UUID
    owner_id: UUID
    admin_id: UUID
    member_id: UUID
    viewer_id: UUID
    contact_id: UUID
    connection_id: UUID
    sync_log_id: UUID
    change_id: UUID
    pitch_id: UUID


def add_tenant(connection: Connection, slug: str) -> Tenant:
    """Every tenant's contact and remote record have the same address and id: colliding on purpose."""
    owner_id, admin_id, member_id, viewer_id = (uuid4() for _ in range(4))
    workspace_id = insert(connection, "workspaces", name=slug, slug=slug, owner_id=owner_id)
    for user_id, role in ((admin_id, "admin"), (member_id, "member"), (viewer_id, "viewer")):
        execute(
            connection,
            "insert into workspace_members values (:workspace_id, :user_id, :role)",
            workspace_id=workspace_id,
            user_id=user_id,
            role=role,
        )
    of_workspace = {"workspace_id": workspace_id}
    contact_id = insert(connection, "workspace_contacts", email="x@example.org", name="X", **of_workspace)
    connection_id = insert(
        connection,
        "integration_connections",
        integration_type="gmail",
        credentials='{"v": 1}',
        **of_workspace,
    )
    of_connection = {"connection_id": connection_id, **of_workspace}
    sync_log_id = insert(connection, "integration_sync_logs", direction="to_external", **of_connection)
    change_id = insert(
        connection,
        "integration_changes",
        side="remote",
        kind="create",
        sync_log_id=sync_log_id,
        **of_connection,
    )
    execute(
        connection,
        "insert into integration_links (connection_id, workspace_id, contact_id, external_id)"
        " values (:connection_id, :workspace_id, :contact_id, 'rec1')",
        contact_id=contact_id,
        **of_connection,
    )
    insert(
        connection,
        "integration_field_mappings",
        connection_id=connection_id,
        workspace_field="name",
        external_field="Name",
    )
    insert(connection, "integration_activity", integration_name="gmail", action="a", success=True, **of_workspace)
    pitch_id = insert(connection, "pitches", to_email="x@example.org", contact_id=contact_id, **of_workspace)
    insert(connection, "pitch_emails", pitch_id=pitch_id, connection_id=connection_id, state="sent")
    insert(
        connection,
        "pitch_replies",
        pitch_id=pitch_id,
        gmail_message_id="m1",
        received_at="2025-01-01Z",
        kind="reply",
        **of_connection,
    )
    execute(
        connection,
        "insert into suppressions (workspace_id, identity_key, reason) "
        "values (:workspace_id, 'out@example.org', 'manual')",
        **of_workspace,
    )
    if query(connection, "select to_regclass('integration_agenda')")[0][0]:  # a database of today
        insert(connection, "integration_agenda", kind="retry", external_id="rec1", **of_connection)
        insert(connection, "integration_alerts", kind="held", text="1 delete is held", **of_connection)
    return Tenant(
        workspace_id=workspace_id,
        owner_id=owner_id,
        admin_id=admin_id,
        member_id=member_id,
        viewer_id=viewer_id,
        contact_id=contact_id,
        connection_id=connection_id,
        sync_log_id=sync_log_id,
        change_id=change_id,
        pitch_id=pitch_id,
    )


def add_connection(connection: Connection, workspace_id: UUID, integration_type: str, **values: object) -> UUID:
    return insert(
        connection,
        "integration_connections",
        workspace_id=workspace_id,
        integration_type=integration_type,
        **values,
    )
