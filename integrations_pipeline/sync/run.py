"""One sync of one connection, whole: lock, extract, plan, load, checkpoint, record.

Belongs here: the order of the stages and what happens when one fails. Does not: any stage's work.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from integrations_pipeline.engine.plan import plan_sync
from integrations_pipeline.errors import (
    BusyError,
    ConfigurationError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    UnavailableError,
)
from integrations_pipeline.model import DIRECTION_OF, Change, ChangeState, Direction, Plan, Side
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.store import agenda, connections, pitches, sync_log, workspaces
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.store.database import WorkspaceSession
from integrations_pipeline.store.sync_log import Activity
from integrations_pipeline.store.workspaces import Workspace
from integrations_pipeline.sync.contacts.acknowledge import Known, Ledger
from integrations_pipeline.sync.contacts.checkpoint import checkpoint
from integrations_pipeline.sync.contacts.extract import Extracted, extract
from integrations_pipeline.sync.contacts.load import load
from integrations_pipeline.sync.contacts.recovery import settle_creates
from integrations_pipeline.sync.contacts.settled import settled
from integrations_pipeline.sync.full_reads import is_full_read_due
from integrations_pipeline.sync.mailing.job import MailDone, handle_mail
from integrations_pipeline.sync.report import LogBook, SyncReport
from integrations_pipeline.sync.runtime import (
    Progress,
    Run,
    Runtime,
    build_provider,
    no_progress,
    parse_settings,
    read_mapping,
)

#: How often a waiting run asks for the lock again.
LOCK_POLL_SECONDS = 0.25
REMOVED = "the connection was removed while it was being synced; what was done until then stays done"


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


def run_sync(runtime: Runtime, request: SyncRequest, progress: Progress = no_progress) -> SyncReport:
    """Sync one connection both ways, or one way.

    A failed run comes back as a report with `success=False`, is in the log and counts toward `error_count`.
    Raises only what keeps a run from starting: `ConfigurationError`, `BusyError`, `UnavailableError`.
    """
    run_id = uuid4()
    with _opened(runtime, request, run_id, progress, is_locking=True) as (run, workspace):
        _require_plan(run, request)
        book = LogBook.open(run, request.direction, request.dagster_run_id)
        work = _Work(Plan(), Ledger(book.scope(run), Plan()))
        try:
            _sync(run, request, book, work)
        except IntegrationError as error:
            book.close_failed(run, work.plan, work.ledger, str(error), is_own=error.is_own)
            return book.report(workspace, request, work.plan, run_id)
        except BaseException as error:
            # A person who stops a run is in the log, but the connection did not fail. Without a database
            # the next run closes the log.
            is_person = isinstance(error, KeyboardInterrupt)
            message = "stopped by a person" if is_person else f"stopped by {type(error).__name__}"
            with suppress(UnavailableError):
                book.close_failed(run, work.plan, work.ledger, message, is_counted=not is_person)
            raise
        book.close(run, work.plan, work.ledger, work.left_out)
        return book.report(workspace, request, work.plan, run_id)


@dataclass(slots=True)
class _Work:
    """How far a run has come; a run that fails tells it in its log. `left_out`: changes of a preview that no
    longer applied."""

    plan: Plan
    ledger: Ledger
    left_out: int = 0


def _sync(run: Run, request: SyncRequest, book: LogBook, work: _Work) -> None:
    """The work of a run. A connection that is removed meanwhile takes its rows along: the run says so and ends."""
    try:
        _sync_mail(run, request, book)
        _sync_contacts(run, request, book, work)
        _wake_mailbox(run)
    except IntegrationError:
        raise
    except Exception as error:
        # Perhaps a row that found nothing to belong to.
        _require_kept(run, error)
        raise
    _require_kept(run)


def _require_kept(run: Run, cause: Exception | None = None) -> None:
    with run.session.begin() as connection:
        if not connections.exists(connection, run.connection.id):
            raise PermanentError(REMOVED) from cause


def _sync_mail(run: Run, request: SyncRequest, book: LogBook) -> None:
    if run.spec.has_mailbox and request.plan_id is None:
        book.mail = MailDone()
        handle_mail(run, request.direction, book.mail)


def _wake_mailbox(run: Run) -> None:
    if run.spec.has_mailbox:
        with run.session.begin() as connection:
            pitches.wake_for_next(connection, run.connection.id, run.connection.workspace_id)


def _sync_contacts(run: Run, request: SyncRequest, book: LogBook, work: _Work) -> None:
    direction = _of_contacts(run.spec, request.direction)
    if direction is None or (book.mail is not None and book.mail.intake.limit):
        with run.session.begin() as connection:
            connections.record_success(connection, run.connection.id, is_due_again=False)
        return
    run = settle_creates(run)
    extracted, found = _found(run, request, direction)
    sending_calls = book.mail.sending_calls if book.mail else 0
    book.note_read(run.provider.call_count - sending_calls, extracted)
    work.plan, work.left_out = _chosen(run, found, request.plan_id)
    local_names = {rule.name for rule in run.rules if rule.to_local and direction.allows(Side.LOCAL)}
    known = Known(
        recent=extracted.recent,
        local_names=frozenset(local_names),
        waiting=run.agenda,
        fingerprints=settled(extracted.world, work.plan, extracted.fingerprints),
    )
    work.ledger = Ledger(book.scope(run), work.plan, known)
    load(run, work.plan, work.ledger)
    _finish(run, request, extracted, work.plan, work.ledger)


def _found(run: Run, request: SyncRequest, direction: Direction) -> tuple[Extracted, Plan]:
    """Both sides, and what is to be done about them. Nothing is done before the provider's columns were looked at:
    where they are not what they were taken for, both sides are read again."""
    is_full = request.is_full or _is_full_read_due(run, direction)
    extracted = extract(run, direction=direction, is_full=is_full)
    plan = plan_sync(extracted.world)
    is_something = extracted.has_absent or not plan.is_empty
    if run.provider.looked is None and is_something and (run.provider.look().is_news or extracted.has_absent):
        extracted = extract(run, direction=direction, is_full=is_full)
        plan = plan_sync(extracted.world)
    looked = run.provider.looked
    if looked is not None and looked.stopped and run.settings.on_schema_change == "stop_connection":
        name, reason = next(iter(looked.stopped.items()))
        raise ConfigurationError(f"{name} is stopped, and on_schema_change stops the connection with it: {reason}")
    return extracted, plan


def _is_full_read_due(run: Run, direction: Direction) -> bool:
    """A run that only writes to the provider does not take what it reads there, so it cannot make up for one."""
    is_taking = direction is not Direction.TO_EXTERNAL
    return is_taking and is_full_read_due(run.connection.last_full_at, run.runtime.clock(), run.spec.capabilities)


def plan_only(runtime: Runtime, request: SyncRequest, progress: Progress = no_progress) -> SyncReport:
    """Preview: read and plan, apply nothing. Only the journal gets rows, state `planned`, under a plan id
    that `run_sync` takes. Raises `IntegrationError` where a run would have failed."""
    with _opened(runtime, request, uuid4(), progress, is_locking=False) as (run, workspace):
        direction = _of_contacts(run.spec, request.direction)
        if direction is None:
            raise ConfigurationError(f"{run.spec.name} takes no contacts: there is nothing to preview that way")
        extracted, plan = _found(run, request, direction)
        plan_id = uuid4()
        scope = JournalScope(connection_id=run.connection.id, workspace_id=run.connection.workspace_id, plan_id=plan_id)
        with run.session.begin() as connection:
            journal.record_changes(connection, scope, plan.changes, ChangeState.PLANNED)
            activity = Activity(
                integration_name=request.provider,
                action="plan",
                success=True,
                records_affected=len(plan.changes),
                metadata={"plan_id": str(plan_id)},
            )
            sync_log.record_activity(connection, run.connection.workspace_id, activity)
        return SyncReport.of_preview(run, workspace, request.direction, plan, plan_id, extracted)


@contextmanager
def _opened(
    runtime: Runtime, request: SyncRequest, run_id: UUID, progress: Progress, *, is_locking: bool
) -> Iterator[tuple[Run, Workspace]]:
    """The run with its session, lock, settings and provider; everything is given back at the end."""
    spec = runtime.spec(request.provider)
    with runtime.database.admin() as connection:
        workspace = workspaces.find_workspace(connection, request.workspace)
    with runtime.database.session(workspace.id) as session:
        row = _find(session, workspace, request.provider)
        if is_locking:
            _require_ready(row, runtime.clock())
            _lock(session, row.id, run_id, request)
            row = _recover(session, workspace, request.provider)
            _require_ready(row, runtime.clock())
        try:
            settings = parse_settings(spec, row.settings)
            with session.begin() as connection:
                mapping = read_mapping(connection, spec, settings, row.id)
                waiting = agenda.read_agenda(connection, row.id)
            provider = build_provider(runtime, row, mapping, is_read_only=not is_locking)
        except NeedsAttentionError as error:
            if is_locking:
                _record_unready(session, row, error)
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
                    provider=provider,
                    run_id=run_id,
                    is_preview=not is_locking,
                    progress=progress,
                    agenda=waiting,
                ),
                workspace,
            )
        finally:
            provider.close()


def _of_contacts(spec: ProviderSpec, wanted: Direction) -> Direction | None:
    """The direction in which contacts go: as asked for, as far as the provider can; None for neither."""
    sides = [side for side in Side if wanted.allows(side) and spec.capabilities.directions.allows(side)]
    if len(sides) == len(Side):
        return Direction.BIDIRECTIONAL
    return DIRECTION_OF[sides[0]] if sides else None


def _find(session: WorkspaceSession, workspace: Workspace, provider: str) -> connections.ConnectionRow:
    with session.begin() as connection:
        return connections.find_connection(connection, workspace.id, provider)


def _require_ready(row: connections.ConnectionRow, now: datetime) -> None:
    """One in `error` has a try when its time has come, once a day."""
    again = f"`integrations connections authorize {row.integration_type}` connects it again"
    is_told = again in (row.error_message or "")
    if row.status == "disconnected" and (is_told or row.oauth_provider):
        why = row.error_message if is_told else again
        raise ConfigurationError(f"the {row.integration_type} connection is disconnected: {why}")
    has_a_try = row.status == "error" and row.next_sync_at is not None and row.next_sync_at <= now
    if not row.sync_enabled or not (row.status == "active" or has_a_try):
        why = f" ({row.error_message})" if row.error_message else ""
        state = row.status if row.status != "active" else "disabled"
        raise ConfigurationError(
            f"the {row.integration_type} connection is {state}{why}: "
            f"`integrations connections enable {row.integration_type}` lets it sync again"
        )


def _record_unready(session: WorkspaceSession, row: connections.ConnectionRow, error: IntegrationError) -> None:
    """A connection that cannot even begin counts as failed, so that it is not due again every minute."""
    activity = Activity(
        integration_name=row.integration_type, action="sync_failed", success=False, error_message=str(error)
    )
    with session.begin() as connection:
        connections.record_failure(connection, row.id, str(error), is_own=error.is_own)
        sync_log.record_activity(connection, row.workspace_id, activity)


def _require_plan(run: Run, request: SyncRequest) -> None:
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


def _chosen(run: Run, plan: Plan, plan_id: UUID | None) -> tuple[Plan, int]:
    """The plan, cut down to what a preview showed, and how many of its changes no longer apply.

    Of a contact whose situation changed since the preview nothing at all is applied.
    """
    if plan_id is None:
        return plan, 0
    with run.session.begin() as connection:
        shown = {_key(change) for change in journal.read_plan(connection, run.connection.id, plan_id)}
    fresh = {_key(change) for change in plan.changes}
    moved = {key[2:4] for key in shown ^ fresh}
    chosen = [change for change in plan.changes if _key(change)[2:4] not in moved]
    left_out = len({key for key in shown if key[2:4] in moved})
    return replace(plan, changes=tuple(chosen)), left_out


def _key(change: Change) -> tuple[object, ...]:
    fields = (tuple(sorted(part.items())) for part in (change.before, change.after))
    return (change.side, change.kind, change.contact_id, change.external_id, *fields)


def _finish(run: Run, request: SyncRequest, extracted: Extracted, plan: Plan, ledger: Ledger) -> None:
    if request.plan_id is not None:
        with run.session.begin() as connection:
            journal.close_plan(connection, request.plan_id)
            # What the preview did not show waits for a run of its own: the cursor stays before it.
            connections.record_success(connection, run.connection.id, is_due_again=True)
        return
    checkpoint(run, extracted, plan, ledger.outcomes, ledger.scope)
