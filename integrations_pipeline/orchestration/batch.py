"""The work of one step: many workspaces of one provider, several at a time, each by itself.

Belongs here: who of a batch is synced, who is skipped and why, and stopping early. Does not: Dagster's events
(`assets`), the sync itself (`sync.run`).
"""

import logging
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from traceback import format_tb

from integrations_pipeline.errors import BusyError, IntegrationError, UnavailableError
from integrations_pipeline.model import Direction, RunStatus
from integrations_pipeline.orchestration.metadata import Told
from integrations_pipeline.orchestration.turns import Turn, Turns
from integrations_pipeline.store import connections, fleet
from integrations_pipeline.store.faults import words_of
from integrations_pipeline.store.fleet import Candidate
from integrations_pipeline.sync.full_reads import is_full_read_due
from integrations_pipeline.sync.report import SyncReport, is_quiet
from integrations_pipeline.sync.run import SyncRequest, plan_only, run_sync
from integrations_pipeline.sync.runtime import Runtime

_log = logging.getLogger(__name__)

#: Run tag: read everything instead of what changed.
FULL = "integrations/full"
#: Workspaces that one step syncs at the same time, and how many more may have begun and wait for their provider; each
#: of both holds one database connection.
WORKERS, WAITING = 4, 6
#: When so many of the last so many syncs failed, the cause is not in the workspaces: the rest is left for later.
BREAKER_FAILURES, BREAKER_WINDOW = 8, 10
STOPPED = "the run was stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """What a step was asked for; `direction` None is a preview. `is_automatic`: no person asked, so those that
    failed lately keep their wait."""

    provider: str
    slugs: Sequence[str]
    direction: Direction | None
    dagster_run_id: str
    is_full: bool = False
    is_only_due: bool = False
    is_automatic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceOutcome:
    """What became of one workspace in a step: it was done, or why it was skipped, or why it failed.

    `told`: the report of a sync that came so far, done or failed. `trouble`: why it should have been synced although
    it was skipped: its last sync failed, or the run did not come to it. Whatever shows that must go on doing so.
    `is_busy`: it was skipped because somebody else syncs it. `is_quiet`: it was due, nothing was found to do, and its
    run before told the same. `waited_seconds`: for so long the provider made it wait, and others were synced in its
    place.
    """

    slug: str
    told: Told | None = None
    skipped: str = ""
    failed: str = ""
    trouble: str = ""
    is_busy: bool = False
    is_quiet: bool = False
    waited_seconds: float = 0.0

    @property
    def is_done(self) -> bool:
        return self.told is not None and not self.failed


class Breaker:
    """Opens when most of the last syncs failed, and stays open for the rest of the batch."""

    def __init__(self, failures: int = BREAKER_FAILURES, window: int = BREAKER_WINDOW) -> None:
        self._failures = failures
        self._recent: deque[bool] = deque(maxlen=window)
        self._lock = threading.Lock()
        self.is_open = False

    def note(self, *, has_failed: bool) -> None:
        with self._lock:
            self._recent.append(has_failed)
            self.is_open = self.is_open or sum(self._recent) >= self._failures

    @property
    def reason(self) -> str:
        return f"left for later: {self._failures} of the last {self._recent.maxlen} syncs of this run failed"


class Batch:
    """One step's work. `outcomes` is to be called once."""

    def __init__(self, runtime: Runtime, request: BatchRequest) -> None:
        self._runtime = runtime
        self._request = request
        self._breaker = Breaker()
        self._is_stopped = threading.Event()
        self._turns = Turns(WORKERS, self._pause)

    def outcomes(self) -> Generator[WorkspaceOutcome, None, None]:
        """One per workspace, as they come. Who is being synced by somebody else is taken up again at the end.

        When the caller stops asking, as Dagster does with a run that is cancelled, those at work stop at
        their next step and say so in their log rows, and the others are not begun.
        """
        busy: list[str] = []
        with ThreadPoolExecutor(WORKERS + WAITING, thread_name_prefix=f"{self._request.provider}_sync") as pool:
            try:
                for outcome in self._round(pool, self._request.slugs):
                    if not outcome.is_busy:
                        yield outcome
                        continue
                    _log.info("%s: taken up again at the end: %s", outcome.slug, outcome.skipped)
                    busy.append(outcome.slug)
                yield from self._round(pool, busy)
            finally:
                self._is_stopped.set()

    def _round(self, pool: ThreadPoolExecutor, slugs: Sequence[str]) -> Iterator[WorkspaceOutcome]:
        for done in as_completed([pool.submit(self._in_turn, slug) for slug in slugs]):
            yield done.result()

    def _in_turn(self, slug: str) -> WorkspaceOutcome:
        with self._turns.turn(slug) as turn:
            outcome = self._guarded(slug, turn)
        return replace(outcome, waited_seconds=turn.waited_seconds)

    def _pause(self, seconds: float) -> None:
        """Sleep until then, or until the batch is stopped; a request that waited is not sent any more then."""
        (self._runtime.sleep or self._is_stopped.wait)(seconds)
        if self._is_stopped.is_set():
            raise KeyboardInterrupt

    def _guarded(self, slug: str, turn: Turn) -> WorkspaceOutcome:
        """Whatever happens to a workspace stays with it."""
        try:
            return self._outcome(slug, turn)
        except BusyError as error:
            return WorkspaceOutcome(slug=slug, skipped=str(error), is_busy=True)
        except IntegrationError as error:
            return self._failed(slug, str(error))
        except Exception as error:  # noqa: BLE001 - a defect in one workspace's data must not stop the others
            # Where it happened, but not its message: that may hold somebody's data.
            _log.error("%s: %s\n%s", slug, words_of(error), "".join(format_tb(error.__traceback__)))
            return self._failed(slug, f"{words_of(error)}; see the run's stderr")

    def _outcome(self, slug: str, turn: Turn) -> WorkspaceOutcome:
        if self._is_stopped.is_set():
            return WorkspaceOutcome(slug=slug, skipped=STOPPED, trouble=STOPPED)
        candidate = self._candidate(slug)
        reason = reason_to_skip(self._request, candidate, self._runtime.clock())
        if candidate is None or reason:
            trouble = (candidate.error_message or reason) if candidate and candidate.error_count else ""
            return WorkspaceOutcome(slug=slug, skipped=reason, trouble=trouble)
        if self._breaker.is_open:
            self._postpone(candidate)
            return WorkspaceOutcome(slug=slug, skipped=self._breaker.reason, trouble=self._breaker.reason)
        told = self._told(candidate, self._sync(slug, candidate, turn))
        if told.report.status is RunStatus.FAILED:
            return self._failed(slug, told.report.error, told)
        self._breaker.note(has_failed=False)
        is_same = self._request.is_only_due and candidate.was_quiet
        return WorkspaceOutcome(slug=slug, told=told, is_quiet=is_same and is_quiet(told.report))

    def _told(self, candidate: Candidate, report: SyncReport) -> Told:
        """The report with the e-mails of those it names; it is done either way, also if they cannot be read now."""
        ids = Told(report=report).named_ids
        if not ids:
            return Told(report=report)
        with suppress(UnavailableError), self._runtime.database.workspace(candidate.workspace_id) as connection:
            return Told(report=report, emails=fleet.emails_of(connection, ids))
        return Told(report=report)

    def _failed(self, slug: str, message: str, told: Told | None = None) -> WorkspaceOutcome:
        with suppress(UnavailableError):
            if self._candidate(slug) is None:
                return WorkspaceOutcome(slug=slug, skipped="the workspace was deleted during its sync")
        self._breaker.note(has_failed=True)
        return WorkspaceOutcome(slug=slug, failed=message, told=told)

    def _candidate(self, slug: str) -> Candidate | None:
        with self._runtime.database.admin() as connection:
            return fleet.read_candidate(connection, slug, self._request.provider)

    def _postpone(self, candidate: Candidate) -> None:
        if candidate.connection_id is not None:
            with self._runtime.database.workspace(candidate.workspace_id) as connection:
                connections.postpone(connection, candidate.connection_id)

    def _is_full(self, candidate: Candidate) -> bool:
        """A person's run takes what it is asked for, and what is overdue by then (`sync.run`)."""
        if self._request.is_full or not self._request.is_only_due:
            return self._request.is_full
        spec = self._runtime.spec(self._request.provider)
        share = 1.0 if candidate.share is None else candidate.share
        return is_full_read_due(candidate.last_full_at, self._runtime.clock(), spec, share=share)

    def _sync(self, slug: str, candidate: Candidate, turn: Turn) -> SyncReport:
        request = SyncRequest(
            workspace=slug,
            provider=self._request.provider,
            direction=self._request.direction or Direction.BIDIRECTIONAL,
            is_full=self._is_full(candidate),
            dagster_run_id=self._request.dagster_run_id,
        )
        run = plan_only if self._request.direction is None else run_sync
        return run(self._runtime.sleeping(turn.sleep), request, self._go_on)

    def _go_on(self, _stage: str, _done: int, _total: int) -> None:
        """Called by a sync as it goes on. A stop is a person's wish, and is told to the sync as such."""
        if self._is_stopped.is_set():
            raise KeyboardInterrupt


def reason_to_skip(request: BatchRequest, found: Candidate | None, now: datetime) -> str:
    """Why this workspace is not synced, or "" if it is."""
    if found is None:
        return "the workspace does not exist any more"
    if found.connection_id is None:
        return f"no {request.provider} connection"
    if not found.sync_enabled:
        return f"the {request.provider} connection is disabled"
    is_early = found.next_sync_at is not None and found.next_sync_at > now
    has_a_try = found.status == "error" and found.next_sync_at is not None and not is_early
    if found.status != "active" and not has_a_try:
        return f"the {request.provider} connection is in status {found.status}"
    if is_early and request.is_only_due:
        return "not due"
    if is_early and request.is_automatic and found.error_count:
        return f"waits after {found.error_count} failed syncs"
    return ""
