"""Addresses that must not be mailed."""

from uuid import UUID

from sqlalchemy import Connection


def bounced_contact_ids(connection: Connection, workspace_id: UUID) -> frozenset[str]:
    """Stub."""
    return frozenset()
