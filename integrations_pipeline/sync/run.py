"""One sync of one connection, whole: open and lock, do the jobs in order, close.

Belongs here: that order, and what happens when a job fails. Does not: what keeps a run from starting (`opening`), any
job's work (`mailing.job`, `contacts.job`), what it says it did (`report`).
"""

from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

from integrations_pipeline.errors import IntegrationError, PermanentError, UnavailableError, advised
from integrations_pipeline.store import connections
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.sync.contacts.job import ContactsJob
from integrations_pipeline.sync.job import Job, Tally
from integrations_pipeline.sync.opening import SyncRequest, opened, require_plan
from integrations_pipeline.sync.report import LogBook, SyncReport
from integrations_pipeline.sync.runtime import Progress, Run, Runtime, no_progress

__all__ = ["REMOVED", "SyncRequest", "plan_only", "run_sync"]

REMOVED = "the connection was removed while it was being synced; what was done until then stays done"


def run_sync(runtime: Runtime, request: SyncRequest, progress: Progress = no_progress) -> SyncReport:
    """Sync one connection both ways, or one way.

    A failed run comes back as a report with `success=False`, is in the log and counts toward `error_count`.
    Raises only what keeps a run from starting: `ConfigurationError`, `BusyError`, `UnavailableError`.
    """
    run_id = uuid4()
    with opened(runtime, request, run_id, progress, is_locking=True) as (run, workspace):
        require_plan(run, request)
        book = LogBook.open(run, request.direction, request.dagster_run_id)
        jobs = _jobs(run, request, book.scope(run))
        try:
            _work(run, request, jobs)
        except IntegrationError as error:
            message = advised(str(error), workspace.slug, run.spec.name)
            book.close_failed(run, _tallies(jobs, is_over=False), message, is_own=error.is_own)
        except BaseException as error:
            # A person who stops a run is in the log, but the connection did not fail. Without a database
            # the next run closes the log.
            is_person = isinstance(error, KeyboardInterrupt)
            message = "stopped by a person" if is_person else f"stopped by {type(error).__name__}"
            with suppress(UnavailableError):
                book.close_failed(run, _tallies(jobs, is_over=False), message, is_counted=not is_person)
            raise
        else:
            book.close(run, _tallies(jobs, is_over=True))
        return book.report(workspace, request, run_id)


def _jobs(run: Run, request: SyncRequest, scope: JournalScope) -> list[Job]:
    """What there is to do, in order. A preview shows contacts alone, so applying it does nothing else."""
    jobs: list[Job] = []
    if run.mailbox is not None and request.plan_id is None:
        from integrations_pipeline.sync.mailing.job import MailJob  # noqa: PLC0415 - most connections have no mailbox

        jobs.append(MailJob(run.mailbox))
    jobs.append(ContactsJob(scope=scope, is_full=request.is_full, plan_id=request.plan_id))
    return jobs


def _tallies(jobs: Sequence[Job], *, is_over: bool) -> list[Tally]:
    return [job.tally(is_over=is_over) for job in jobs]


def _work(run: Run, request: SyncRequest, jobs: Sequence[Job]) -> None:
    """The work of a run. A connection that is removed meanwhile takes its rows along: the run says so and ends."""
    try:
        for job in jobs:
            if not job.run(run, request.direction):
                break
        for job in jobs:
            job.finish(run)
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


def plan_only(runtime: Runtime, request: SyncRequest, progress: Progress = no_progress) -> SyncReport:
    """Preview: read and plan, apply nothing. Only the journal gets rows, state `planned`, under a plan id
    that `run_sync` takes. Raises `IntegrationError` where a run would have failed."""
    with opened(runtime, request, uuid4(), progress, is_locking=False) as (run, workspace):
        plan_id = uuid4()
        row = run.connection
        scope = JournalScope(connection_id=row.id, workspace_id=row.workspace_id, plan_id=plan_id)
        told = ContactsJob(scope=scope, is_full=request.is_full).preview(run, request.direction)
        return SyncReport.of_preview(run, workspace, request.direction, told, plan_id)
