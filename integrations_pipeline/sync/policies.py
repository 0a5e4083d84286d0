"""A decision about a conflict, made the field's policy.

Belongs here: writing it into the settings, checked as those given by hand are. Does not: what a merge makes of it.
"""

from collections.abc import Mapping
from uuid import UUID

from integrations_pipeline.model import ConflictPolicy
from integrations_pipeline.store import connections
from integrations_pipeline.store.database import Connection
from integrations_pipeline.sync.runtime import Runtime, parse_settings, read_mapping


def keep_always(
    runtime: Runtime, connection: Connection, connection_id: UUID, policies: Mapping[str, ConflictPolicy]
) -> None:
    """Let these policies hold for these fields of a connection from now on; those of other fields stay.
    `ConfigurationError`, with nothing written, for a field that is not mapped."""
    row = connections.lock_connection(connection, connection_id)
    spec = runtime.spec(row.integration_type)
    known = row.settings.get("field_policies") or {}
    told = {**known, **{name: policy.value for name, policy in policies.items()}}
    settings = {**row.settings, "field_policies": told}
    read_mapping(connection, spec, parse_settings(spec, settings), row.id)
    connections.save_settings(connection, row.id, settings)
