"""Two workspaces on one table or audience: refused where a connection is made, unless that is meant.

Belongs here: asking, and its words. Does not: when two places are the same (each provider's `is_place_of`).
"""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from integrations_pipeline.cli.connection_input import tried_access
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.sync.runtime import Runtime

SharedOption = Annotated[
    bool, typer.Option("--shared", help="Another workspace syncs the same table or audience, and that is meant.")
]


def require_own_place(runtime: Runtime, workspace_id: UUID, new: NewConnection) -> None:
    """Two workspaces on one table or audience have each other's contacts after two runs."""
    others = elsewhere(runtime, workspace_id, new.integration_type)
    if not others:
        return
    with tried_access(runtime, workspace_id, new) as access:
        same = [slug for slug, settings in others if access.contacts.is_place_of(settings)]
    if same:
        title = runtime.spec(new.integration_type).title
        raise ConfigurationError(
            f"workspace {same[0]} syncs the same place at {title} already, and each would get the other's "
            "contacts: name another place in --settings, or say --shared if that is meant"
        )


def elsewhere(runtime: Runtime, workspace_id: UUID, integration_type: str) -> list[tuple[str, Mapping[str, Any]]]:
    """(workspace slug, settings) of the other workspaces' connections of this provider."""
    with runtime.database.admin() as connection:
        return connections.places_elsewhere(connection, integration_type, workspace_id)
