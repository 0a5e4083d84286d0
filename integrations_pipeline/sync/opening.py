"""What comes before a run: its connection is found, locked and taken up where a dead run left it.

Belongs here: the request, and everything that keeps a run from starting. Does not: the work (`run`).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from integrations_pipeline.errors import BusyError, ConfigurationError, NeedsAttentionError, advised
from integrations_pipeline.model import Direction
from integrations_pipeline.store import agenda, connections, sync_log, tokens, workspaces
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store.database import WorkspaceSession
from integrations_pipeline.store.encryption import Cipher
from integrations_pipeline.store.sync_log import Activity
from integrations_pipeline.store.workspaces import Workspace
from integrations_pipeline.sync.runtime import Progress, Run, Runtime, build_access, parse_settings, read_mapping

#: How often a waiting run asks for the lock again.
LOCK_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """What to sync. `plan_id` applies exactly that preview; `wait_seconds` is how long to wait for a sync of
    the same connection that is under way before giving up with `BusyError`."""

    workspace: str
    provider: str
    direction: Direction = Direction.BIDIRECTIONAL
    is_full: bool = False
    plan_id: UUID | None = None
    dagster_run_id: str | None = None
    wait_seconds: float = 0.0


@contextmanager
def opened(
    runtime: Runtime, request: SyncRequest, run_id: UUID, progress: Progress, *, is_locking: bool
) -> Iterator[tuple[Run, Workspace]]:
    """The run with its session, lock, settings and provider; everything is given back at the end."""
    spec = runtime.spec(request.provider)
    with runtime.database.admin() as connection:
        workspace = workspaces.find_workspace(connection, request.workspace)
    with runtime.database.session(workspace.id) as session:
        row = _find(session, workspace, request.provider, runtime.cipher)
        if is_locking:
            require_ready(row, runtime.clock())
            _lock(session, row.id, run_id, request)
            row = _recover(session, workspace, request.provider)
            require_ready(row, runtime.clock())
        try:
            settings = parse_settings(spec, row.settings)
            with session.begin() as connection:
                mapping = read_mapping(connection, spec, settings, row.id)
                waiting = agenda.read_agenda(connection, row.id)
            access = build_access(runtime, row, mapping, is_read_only=not is_locking)
        except NeedsAttentionError as error:
            if is_locking:
                _record_unready(session, row, advised(str(error), workspace.slug, spec.name), is_own=error.is_own)
            raise
        try:
            yield (
                Run(
                    runtime=runtime,
                    session=session,
                    connection=row,
                    spec=spec,
                    settings=settings,
                    mapping=mapping,
                    access=access,
                    run_id=run_id,
                    is_preview=not is_locking,
                    progress=progress,
                    agenda=waiting,
                ),
                workspace,
            )
        finally:
            access.close()


def _find(session: WorkspaceSession, workspace: Workspace, provider: str, cipher: Cipher) -> connections.ConnectionRow:
    """The connection; credentials that another program stored in plain are encrypted first."""
    with session.begin() as connection:
        row = connections.find_connection(connection, workspace.id, provider)
        if not row.is_plain:
            return row
        tokens.encrypt_plain(connection, row.id, cipher)
        return connections.find_connection(connection, workspace.id, provider)


def require_ready(row: connections.ConnectionRow, now: datetime) -> None:
    """`ConfigurationError`, with the command that helps, for a connection that is not to be synced. One in `error` has
    a try when its time has come, once a day."""
    advice = f"`integrations connections authorize {row.integration_type}"
    is_told = advice in (row.error_message or "")
    if row.status == "disconnected" and (is_told or row.oauth_provider):
        why = row.error_message if is_told else f"{advice}` connects it again"
        raise ConfigurationError(f"the {row.integration_type} connection is disconnected: {why}")
    has_a_try = row.status == "error" and row.next_sync_at is not None and row.next_sync_at <= now
    if not row.sync_enabled or not (row.status == "active" or has_a_try):
        why = f" ({row.error_message})" if row.error_message else ""
        state = row.status if row.status != "active" else "disabled"
        raise ConfigurationError(
            f"the {row.integration_type} connection is {state}{why}: "
            f"`integrations connections enable {row.integration_type}` lets it sync again"
        )


def _record_unready(session: WorkspaceSession, row: connections.ConnectionRow, message: str, *, is_own: bool) -> None:
    """A connection that cannot even begin counts as failed, so that it is not due again every minute."""
    activity = Activity(
        integration_name=row.integration_type, action="sync_failed", success=False, error_message=message
    )
    with session.begin() as connection:
        connections.record_failure(connection, row.id, message, is_own=is_own)
        sync_log.record_activity(connection, row.workspace_id, activity)


def require_plan(run: Run, request: SyncRequest) -> None:
    """A preview that does not wait is a mistake of the caller, not a failed run."""
    if request.plan_id is not None:
        with run.session.begin() as connection:
            if not journal.is_plan_open(connection, run.connection.id, request.plan_id):
                raise ConfigurationError(
                    f"no preview {request.plan_id} of this connection waits: run `integrations plan`"
                )


def _lock(session: WorkspaceSession, connection_id: UUID, run_id: UUID, request: SyncRequest) -> None:
    holder = f"run {request.dagster_run_id or run_id}"
    give_up_at = time.monotonic() + request.wait_seconds
    while not session.try_lock(connection_id, holder):
        if time.monotonic() >= give_up_at:
            who = session.lock_holder(connection_id) or "another run"
            raise BusyError(
                f"{request.provider} of workspace {request.workspace} is being synced by {who}: "
                "try again when it is done"
            )
        time.sleep(LOCK_POLL_SECONDS)


def _recover(session: WorkspaceSession, workspace: Workspace, provider: str) -> connections.ConnectionRow:
    """Under the lock: close what a dead run left open, and read the connection as it is now."""
    with session.begin() as connection:
        row = connections.find_connection(connection, workspace.id, provider)
        journal.close_stale(connection, row.id)
        sync_log.close_abandoned(connection, row.id, "the run ended without a word")
    return row
