"""`integrations connections`: a workspace's links to providers."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from integrations_pipeline.cli.authorize import authorize
from integrations_pipeline.cli.columns import columns, discovered
from integrations_pipeline.cli.connection_check import checked
from integrations_pipeline.cli.connection_input import (
    FileOption,
    FrequencyOption,
    known_settings,
    read_json,
    valid_credentials,
    valid_settings,
)
from integrations_pipeline.cli.output import (
    Exit,
    JsonOption,
    WorkspaceOption,
    find_workspace,
    print_json,
    print_rows,
    say,
    say_items,
    warn,
    wired,
)
from integrations_pipeline.cli.places import SharedOption, require_own_place
from integrations_pipeline.errors import ConfigurationError, advised
from integrations_pipeline.store import connections, sync_log
from integrations_pipeline.store.connections import ConnectionRow, NewConnection
from integrations_pipeline.store.sync_log import Activity
from integrations_pipeline.sync.runtime import Runtime, build_access, parse_settings, read_mapping
from integrations_pipeline.wiring import Wiring

if TYPE_CHECKING:
    from integrations_pipeline.providers.access import Access

app = typer.Typer(help="Connections: add, look at, check, switch on and off.", no_args_is_help=True)

ProviderArgument = Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's name, in lower case.")]
app.command()(authorize)
app.command()(columns)


@app.command()
def add(
    provider: ProviderArgument,
    workspace: WorkspaceOption,
    credentials: Annotated[str, FileOption],
    settings: Annotated[str | None, FileOption] = None,
    frequency_minutes: FrequencyOption = None,
    create_field: Annotated[
        bool, typer.Option("--create-field", help="Make the provider's key column where the token may.")
    ] = False,
    discover: Annotated[
        bool, typer.Option("--discover", help="Map the provider's columns as `connections columns` proposes.")
    ] = False,
    shared: SharedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add a connection, or replace the credentials of the one there is; settings stay unless given."""
    if credentials == "-" and settings == "-":
        raise ConfigurationError("only one of --credentials and --settings can be read from stdin")
    with wired() as wiring:
        runtime = wiring.runtime
        spec = runtime.spec(provider)
        workspace_id = find_workspace(runtime, workspace)
        new = NewConnection(
            integration_type=provider,
            credentials=valid_credentials(spec, read_json(credentials, "--credentials")),
            settings=valid_settings(spec, known_settings(runtime, workspace_id, provider, settings)),
            frequency_minutes=frequency_minutes,
        )
        if discover:
            new = discovered(runtime, workspace_id, new)
        if not shared:
            require_own_place(runtime, workspace_id, new)
        row = _save(runtime, workspace_id, new)
        if create_field:
            _create_key_column(runtime, row)
    mapped = dict(row.settings.get("field_mapping") or {}) if discover else {}
    if as_json:
        more = {"field_mapping": mapped} if discover else {}
        print_json({"id": str(row.id), "workspace": workspace, "provider": provider, "status": row.status, **more})
    else:
        say_items(*(f"{field} is kept in {column}" for field, column in mapped.items()))
        say(f"saved the {provider} connection of {workspace}; `integrations connections check` tries it")


def _save(runtime: Runtime, workspace_id: UUID, new: NewConnection) -> ConnectionRow:
    with runtime.database.workspace(workspace_id) as connection:
        row = connections.save_connection(connection, workspace_id, new, runtime.cipher)
        if (settings := parse_settings(runtime.spec(row.integration_type), row.settings)).field_policies:
            read_mapping(connection, runtime.spec(row.integration_type), settings, row.id)  # names what is not mapped
        saved = Activity(integration_name=new.integration_type, action="connection_saved", success=True)
        sync_log.record_activity(connection, workspace_id, saved)
    return row


def _create_key_column(runtime: Runtime, row: ConnectionRow) -> None:
    access = _access(runtime, row)
    try:
        create = getattr(access.contacts, "create_key_column", None)
        if create is None:
            raise ConfigurationError(f"{row.integration_type} needs no key column: drop --create-field")
        create()
    finally:
        access.close()


@app.command("list")
def list_all(workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """List the connections of a workspace."""
    with wired() as wiring:
        rows = [_summary(row) for row in _rows(wiring, workspace)]
    columns = (
        "provider",
        "status",
        "enabled",
        "last_sync_at",
        "next_sync_at",
        "error_count",
        "error_message",
    )
    print_rows(rows, columns, title=f"Connections of {workspace}", as_json=as_json)


def _summary(row: ConnectionRow) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "provider": row.integration_type,
        "status": row.status,
        "enabled": row.sync_enabled,
        "frequency_minutes": row.sync_frequency_minutes,
        "last_sync_at": row.last_sync_at,
        "next_sync_at": row.next_sync_at,
        "error_count": row.error_count,
        "error_message": row.error_message,
        "settings": dict(row.settings),
    }


@app.command()
def check(
    workspace: WorkspaceOption,
    provider: Annotated[str | None, typer.Argument(metavar="[PROVIDER]", help="One provider; all if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Look for whatever would surprise later: rights, columns, values, limits. Nothing is written anywhere."""
    with wired() as wiring:
        rows = _rows(wiring, workspace)
        chosen = [row for row in rows if provider in (None, row.integration_type)]
        if not chosen:
            raise ConfigurationError(
                f"workspace {workspace} has no {provider or ''} connection: `integrations connections add`"
            )
        reports = {row.integration_type: checked(wiring.runtime, row) for row in chosen}
    if as_json:
        found = {name: {"problems": r.problems, "notes": r.notes} for name, r in reports.items()}
        print_json(found)
    for name, report in reports.items():
        for problem in report.problems:
            warn(f"{name}: {advised(problem, workspace, name)}")
        if not as_json:
            for note in report.notes:
                say(f"{name}: note: {advised(note, workspace, name)}")
            say(f"{name}: {'not ready' if report.problems else 'ready'}")
    if any(report.problems for report in reports.values()):
        raise typer.Exit(Exit.FAILED)


def _access(runtime: Runtime, row: ConnectionRow) -> "Access":
    spec = runtime.spec(row.integration_type)
    with runtime.database.workspace(row.workspace_id) as connection:
        mapping = read_mapping(connection, spec, parse_settings(spec, row.settings), row.id)
    return build_access(runtime, row, mapping)


@app.command()
def accept(provider: ProviderArgument, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Take the provider's columns for right as they are now: fields that stopped because theirs changed go on."""
    with wired() as wiring:
        runtime = wiring.runtime
        runtime.spec(provider)
        workspace_id = find_workspace(runtime, workspace)
        with runtime.database.workspace(workspace_id) as connection:
            row = connections.find_connection(connection, workspace_id, provider)
            connections.accept_columns(connection, row.id)
            accepted = Activity(integration_name=provider, action="columns_accepted", success=True)
            sync_log.record_activity(connection, workspace_id, accepted)
    if as_json:
        print_json({"workspace": workspace, "provider": provider, "accepted": True})
    else:
        say(f"the columns of {provider} are taken as they are; the next run compares everything")


@app.command()
def enable(
    provider: Annotated[str | None, typer.Argument(metavar="[PROVIDER]", help="The provider's name.")] = None,
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="The workspace's slug.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of --provider that are in error, everywhere.")] = False,
    of: Annotated[str | None, typer.Option("--provider", "-p", help="With --all: whose.")] = None,
    because: Annotated[
        str, typer.Option("--because", metavar="TEXT", help="With --all: why; it stays on record.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Let a connection sync again, also after errors; edits made meanwhile are taken up by the next run."""
    if every:
        if provider or workspace or not of or not because.strip():
            raise ConfigurationError("--all takes --provider and --because, and no workspace")
        _enable_failed(of, because.strip(), as_json=as_json)
    elif not provider or not workspace:
        raise ConfigurationError("name PROVIDER and --workspace, or say --all --provider P --because TEXT")
    else:
        _switch(provider, workspace, is_enabled=True, as_json=as_json)


def _enable_failed(provider: str, because: str, *, as_json: bool) -> None:
    with wired() as wiring:
        wiring.runtime.spec(provider)
        with wiring.runtime.database.admin() as connection:
            found = connections.enable_failed(connection, provider)
            for workspace_id, _ in found:
                switched = Activity(
                    integration_name=provider, action="connection_enabled", success=True, metadata={"because": because}
                )
                sync_log.record_activity(connection, workspace_id, switched)
    slugs = [slug for _, slug in found]
    if as_json:
        print_json({"provider": provider, "enabled": slugs})
    else:
        say(f"{len(slugs)} connections of {provider} sync again" + (f": {', '.join(slugs[:20])}" if slugs else ""))


@app.command()
def disable(provider: ProviderArgument, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Stop syncing a connection; nothing is deleted or forgotten."""
    _switch(provider, workspace, is_enabled=False, as_json=as_json)


def _switch(provider: str, workspace: str, *, is_enabled: bool, as_json: bool) -> None:
    with wired() as wiring:
        runtime = wiring.runtime
        runtime.spec(provider)
        workspace_id = find_workspace(runtime, workspace)
        with runtime.database.workspace(workspace_id) as connection:
            row = connections.find_connection(connection, workspace_id, provider)
            if is_enabled and row.status == "disconnected" and row.oauth_provider:
                raise ConfigurationError(
                    row.error_message or f"`integrations connections authorize {provider}` is needed"
                )
            connections.set_enabled(connection, row.id, is_enabled=is_enabled)
            action = "connection_enabled" if is_enabled else "connection_disabled"
            switched = Activity(integration_name=provider, action=action, success=True)
            sync_log.record_activity(connection, workspace_id, switched)
    if as_json:
        print_json({"workspace": workspace, "provider": provider, "enabled": is_enabled})
    else:
        say(f"{provider} of {workspace} is {'enabled' if is_enabled else 'disabled'}")


def _rows(wiring: Wiring, workspace: str) -> list[ConnectionRow]:
    workspace_id = find_workspace(wiring.runtime, workspace)
    with wiring.runtime.database.workspace(workspace_id) as connection:
        return connections.list_connections(connection, workspace_id)
