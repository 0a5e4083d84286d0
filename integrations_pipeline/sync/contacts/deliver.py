"""The remote half of the load: re-read, intent, request, acknowledgement, as a pipeline.

Belongs here: sending changes to a provider so that a crash at any instant loses and doubles nothing. Does
not: the request itself (`providers`) or what an outcome means for the base (`acknowledge`).

The database is used by one thread only, and by the connection that holds the lock: if that session dies,
the next intent cannot be committed and nothing more is sent.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from integrations_pipeline.engine.canonical import is_same
from integrations_pipeline.errors import IntegrationError, PermanentError
from integrations_pipeline.model import AgendaKind, Change, ChangeKind, ChangeState, FieldKind, Outcome
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.sync.contacts.acknowledge import Ledger
from integrations_pipeline.sync.runtime import Run

#: Deletes first: they free e-mails and external ids that creates and updates may take.
_ORDER = (ChangeKind.DELETE, ChangeKind.UPDATE, ChangeKind.CREATE)
_EDITED = "the record was edited at the provider during the run; the next run takes it up"
_BACK = "the record that seemed deleted is there; the next run takes it up"
_GONE = "the record was deleted at the provider during the run; the next run takes it up"

_InFlight = deque[tuple[Sequence[Change], Future[list[Outcome]]]]


def deliver(run: Run, changes: Sequence[Change], ledger: Ledger) -> None:
    """Apply all remote changes, several requests in flight; outcomes go to the ledger one batch at a time.

    If a request fails for a cause that is no record's own, what is in flight is still awaited and
    acknowledged, nothing more is sent, and the error is raised.
    """
    if changes and run.spec.capabilities.keeps_refusals:
        changes = _worth_trying(run, changes, ledger)
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


def _worth_trying(run: Run, changes: Sequence[Change], ledger: Ledger) -> list[Change]:
    """The changes without those that the provider refused for good and that are still the same: they fail
    again without being sent, until the record changes on a side or a person asks for another try."""
    reasons = {item.write_key: item.reason for item in run.agenda.of(AgendaKind.REFUSED)}
    again = [
        replace(_outcome(change, ChangeState.FAILED, reasons[change.write_key]), error_class=PermanentError.__name__)
        for change in changes
        if reasons and change.write_key in reasons
    ]
    if again:
        with run.session.begin() as connection:
            ledger.acknowledge(connection, again)
    done = {outcome.change.id for outcome in again}
    return [change for change in changes if change.id not in done]


def _ready_batches(run: Run, changes: Sequence[Change], ledger: Ledger) -> Iterator[Sequence[Change]]:
    """Batches whose intents are committed. Changes of known records are compared with those as they are now;
    a record that is to be made again because it was gone must still be gone."""
    capabilities = run.spec.capabilities
    for start in range(0, len(changes), capabilities.max_read_batch):
        chosen = changes[start : start + capabilities.max_read_batch]
        known = [change for change in chosen if change.external_id]
        if known:
            refuted = {change.id for change in known} - {c.id for c in _still_true(run, known, ledger)}
            chosen = [change for change in chosen if change.id not in refuted]
        for first in range(0, len(chosen), capabilities.max_batch):
            batch = chosen[first : first + capabilities.max_batch]
            with run.session.begin() as connection:
                ledger.record_intents(connection, batch)
            yield batch


def _still_true(run: Run, changes: Sequence[Change], ledger: Ledger) -> list[Change]:
    """The changes whose record still is as the plan saw it; an edit that landed meanwhile is not overwritten.

    Providers without an etag leave the window between this read and the write; docs/guarantees.md tells it.
    """
    page = run.provider.recheck([change.external_id or "" for change in changes])
    now = {record.external_id: record for record in page.records}
    kinds = {mapped.name: mapped.kind for mapped in run.mapping}
    verdicts = [
        (
            change,
            None
            if change.external_id in page.unchanged
            else _verdict(
                change, now.get(change.external_id or ""), kinds, is_recent=change.external_id in ledger.known.recent
            ),
        )
        for change in changes
    ]
    settled = [outcome for _, outcome in verdicts if outcome]
    if settled:
        with run.session.begin() as connection:
            ledger.acknowledge(connection, settled)
    return [change for change, outcome in verdicts if outcome is None]


def _verdict(
    change: Change, record: RemoteRecord | None, kinds: Mapping[str, FieldKind], *, is_recent: bool
) -> Outcome | None:
    """What the record as it is now makes of the change: an outcome, or None to go ahead.

    `is_recent`: we wrote the record a moment ago and this read may be older than that. Then it does not
    prove that the write is there already.
    """
    if change.kind is ChangeKind.CREATE:
        return None if record is None else _outcome(change, ChangeState.SUPERSEDED, _BACK)
    if record is None:
        # One read that does not show a record proves no delete: it is sent, and a gone record takes it too.
        return _outcome(change, ChangeState.SUPERSEDED, _GONE) if change.kind is ChangeKind.UPDATE else None
    if _shows(record, change.before, kinds):
        return None
    if change.kind is ChangeKind.UPDATE and _shows(record, change.after, kinds):
        return None if is_recent else _outcome(change, ChangeState.APPLIED, "")
    return _outcome(change, ChangeState.SUPERSEDED, _EDITED)


def _shows(record: RemoteRecord, fields: Mapping[str, str], kinds: Mapping[str, FieldKind]) -> bool:
    """Whether the record holds these values; a field that it does not tell shows nothing."""
    told = record.fields
    return all(name in told and is_same(value, told[name], kinds[name]) for name, value in fields.items())


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
