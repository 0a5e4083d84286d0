"""`integrations connections columns`: what the other side has, and which field each column may hold.

Belongs here: asking the provider, the command, and what `connections add --discover` writes. Does not: which field a
column is given (`proposals`).
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from integrations_pipeline.cli.connection_check import PATIENCE_SECONDS
from integrations_pipeline.cli.connection_input import tried_access
from integrations_pipeline.cli.output import (
    JsonOption,
    ProviderOption,
    WorkspaceOption,
    find_workspace,
    print_json,
    print_table,
    say,
    say_items,
    wired,
)
from integrations_pipeline.cli.proposals import Proposals, propose
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import ConnectionRow, NewConnection, read_field_mappings
from integrations_pipeline.sync.runtime import Runtime, build_access, effective_mapping, parse_settings

if TYPE_CHECKING:
    from integrations_pipeline.providers.access import Access


def columns(workspace: WorkspaceOption, provider: ProviderOption, as_json: JsonOption = False) -> None:
    """What the other side has, with types, and a proposed mapping. Nothing is written anywhere."""
    with wired() as wiring:
        runtime = wiring.runtime
        spec = runtime.spec(provider)
        workspace_id = find_workspace(runtime, workspace)
        with runtime.database.workspace(workspace_id) as connection:
            row = connections.find_connection(connection, workspace_id, provider)
        mapped = _mapped_by_a_person(runtime, workspace_id, spec, row.settings, row)
        # Without a mapping a look stops at no field, whatever is wrong with those that are mapped now.
        access = build_access(runtime, row, (), is_read_only=True, patience_seconds=PATIENCE_SECONDS)
        try:
            found = _proposed(access, spec, mapped)
        finally:
            access.close()
    if as_json:
        print_json(_document(workspace, provider, found))
    elif found is None:
        say(_untold(provider))
    else:
        _show(f"Columns of {provider} for {workspace}", found)


def discovered(runtime: Runtime, workspace_id: UUID, new: NewConnection) -> NewConnection:
    """The connection with the proposed mapping in its settings; `ConfigurationError` where no columns are told. What
    its settings map already stays."""
    spec = runtime.spec(new.integration_type)
    with runtime.database.workspace(workspace_id) as connection:
        row = connections.get_connection(connection, workspace_id, new.integration_type)
    mapped = _mapped_by_a_person(runtime, workspace_id, spec, new.settings, row)
    with tried_access(runtime, workspace_id, new, mapping=()) as access:
        found = _proposed(access, spec, mapped)
    if found is None:
        raise ConfigurationError(f"{_untold(spec.name)}: drop --discover")
    settings = {**new.settings, "field_mapping": dict(found.field_mapping)}
    effective_mapping(spec, parse_settings(spec, settings), ())  # names what cannot be
    return replace(new, settings=settings)


def _mapped_by_a_person(
    runtime: Runtime, workspace_id: UUID, spec: ProviderSpec, settings: Any, row: ConnectionRow | None
) -> list[MappedField]:
    """What `field_mapping` and the mappings table say; the provider's default is nobody's wish."""
    named = parse_settings(spec, settings).field_mapping or {}
    mapping = {name: MappedField(name=name, column=column) for name, column in named.items()}
    if row is not None:
        with runtime.database.workspace(workspace_id) as connection:
            mapping |= {each.name: each for each in read_field_mappings(connection, row.id)}
    return [each for each in mapping.values() if each.name not in spec.fixed_mapping]


def _proposed(access: "Access", spec: ProviderSpec, mapped: Sequence[MappedField]) -> Proposals | None:
    """None where the provider tells no columns."""
    look = access.contacts.look()
    if look.rules is None:
        return None
    return propose(look, mapped=mapped, fixed=spec.fixed_mapping, default=spec.default_mapping)


def _untold(provider: str) -> str:
    return f"{provider} tells no columns: it has none to choose from, or the token may not read them"


def _document(workspace: str, provider: str, found: Proposals | None) -> dict[str, Any]:
    document: dict[str, Any] = {"workspace": workspace, "provider": provider, "columns": None}
    if found is not None:
        document["columns"] = [asdict(each) for each in found.columns]
        document["field_mapping"] = dict(found.field_mapping)
        document["missing"] = list(found.missing)
    return document


def _show(title: str, found: Proposals) -> None:
    rows = [[each.column, each.type, each.field, each.found] for each in found.columns]
    print_table(title, ("column", "type", "field", "found"), rows)
    if reasons := [f"{each.column}: {each.reason}" for each in found.columns if each.reason]:
        say("not mapped:")
        say_items(*reasons)
    if found.missing:
        say(f"no column for {', '.join(found.missing)}")
    say("`integrations connections add --discover` writes this as field_mapping")
