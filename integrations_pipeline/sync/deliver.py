"""The remote half of the load: re-read, intent, request, acknowledgement, as a pipeline.

Belongs here: sending changes to a provider so that a crash at any instant loses and doubles nothing. Does
not: the request itself (`providers`) or what an outcome means for the base (`acknowledge`).

The database is used by one thread only, and by the connection that holds the lock: if that session dies,
the next intent cannot be committed and nothing more is sent.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from integrations_pipeline.engine.canonical import is_same
from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.model import Change, ChangeKind, ChangeState, FieldKind, Outcome
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.sync.acknowledge import Ledger
from integrations_pipeline.sync.runtime import Run

#: Deletes first: they free e-mails and external ids that creates and updates may take.
_ORDER = (ChangeKind.DELETE, ChangeKind.UPDATE, ChangeKind.CREATE)
_EDITED = "the record was edited at the provider during the run; the next run takes it up"
_GONE = "the record was deleted at the provider during the run; the next run takes it up"

_InFlight = deque[tuple[Sequence[Change], Future[list[Outcome]]]]


def deliver(run: Run, changes: Sequence[Change], ledger: Ledger) -> None:
    """Apply all remote changes, several requests in flight; outcomes go to the ledger one batch at a time.

    If a request fails for a cause that is no record's own, what is in flight is still awaited and
    acknowledged, nothing more is sent, and the error is raised.
    """
    if not changes:
        return
    run.provider.prepare_write()
    flight: _InFlight = deque()
    pool = ThreadPoolExecutor(run.spec.capabilities.max_concurrency, thread_name_prefix="deliver")
    try:
        for kind in _ORDER:
            chosen = [change for change in changes if change.kind is kind]
            for batch in _ready_batches(run, chosen, ledger):
                if len(flight) >= run.spec.capabilities.max_concurrency:
                    _land(run, flight, ledger)
                flight.append((batch, pool.submit(run.provider.write, batch)))
                run.progress("write remote", len(ledger.outcomes), len(changes))
            # Kinds do not overlap: an update may need what a delete frees.
            while flight:
                _land(run, flight, ledger)
    except IntegrationError:
        _land_rest(run, flight, ledger)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _ready_batches(run: Run, changes: Sequence[Change], ledger: Ledger) -> Iterator[Sequence[Change]]:
    """Batches whose intents are committed. Updates and deletes are compared with the record as it is now."""
    capabilities = run.spec.capabilities
    for start in range(0, len(changes), capabilities.max_read_batch):
        chosen = changes[start : start + capabilities.max_read_batch]
        if chosen[0].kind is not ChangeKind.CREATE:
            chosen = _still_true(run, chosen, ledger)
        for first in range(0, len(chosen), capabilities.max_batch):
            batch = chosen[first : first + capabilities.max_batch]
            with run.session.begin() as connection:
                ledger.record_intents(connection, batch)
            yield batch


def _still_true(run: Run, changes: Sequence[Change], ledger: Ledger) -> list[Change]:
    """The changes whose record still is as the plan saw it; an edit that landed meanwhile is not overwritten.

    Providers without an etag leave the window between this read and the write; docs/guarantees.md tells it.
    """
    page = run.provider.read_records([change.external_id or "" for change in changes])
    now = {record.external_id: record for record in page.records}
    kinds = {mapped.name: mapped.kind for mapped in run.mapping}
    verdicts = [(change, _verdict(change, now.get(change.external_id or ""), kinds)) for change in changes]
    settled = [outcome for _, outcome in verdicts if outcome]
    if settled:
        with run.session.begin() as connection:
            ledger.acknowledge(connection, settled)
    return [change for change, outcome in verdicts if outcome is None]


def _verdict(change: Change, record: RemoteRecord | None, kinds: Mapping[str, FieldKind]) -> Outcome | None:
    if record is None:
        state = ChangeState.APPLIED if change.kind is ChangeKind.DELETE else ChangeState.SUPERSEDED
        return _outcome(change, state, _GONE)
    is_untouched = all(
        is_same(value, record.fields.get(name, ""), kinds[name]) for name, value in change.before.items()
    )
    if is_untouched:
        return None
    is_there_already = change.kind is ChangeKind.UPDATE and all(
        is_same(value, record.fields.get(name, ""), kinds[name]) for name, value in change.after.items()
    )
    return (
        _outcome(change, ChangeState.APPLIED, "")
        if is_there_already
        else _outcome(change, ChangeState.SUPERSEDED, _EDITED)
    )


def _outcome(change: Change, state: ChangeState, reason: str) -> Outcome:
    return Outcome(
        change=change,
        state=state,
        external_id=change.external_id,
        contact_id=change.contact_id,
        reason=reason,
    )


def _land(run: Run, flight: _InFlight, ledger: Ledger) -> None:
    """Await the oldest request and acknowledge its outcomes."""
    batch, future = flight[0]
    outcomes = future.result()
    flight.popleft()
    if len(outcomes) != len(batch):
        raise IntegrationError(f"{run.spec.name} gave {len(outcomes)} outcomes for {len(batch)} changes")
    with run.session.begin() as connection:
        ledger.acknowledge(connection, outcomes)


def _land_rest(run: Run, flight: _InFlight, ledger: Ledger) -> None:
    """After an error: acknowledge what the other requests in flight still achieve."""
    while flight:
        try:
            _land(run, flight, ledger)
        except IntegrationError:
            flight.popleft()
