"""Stage 3: apply a plan. Intents before writes, the base only on acknowledgement, record by record.

    journal: all changes at the provider planned
      → unlinks, links, agreements   one transaction
      → local writes                 one transaction per batch with its journal rows, guarded by the contact's version
      → remote writes                `deliver`: re-read, intent, request, acknowledgement

Belongs here: the order, and the local side. Does not: deciding. Killed anywhere, the journal tells what was
in flight, the base holds only what both sides acknowledged, and the next run plans the rest again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from integrations_pipeline.model import CONSENT_OUT, Agreement, Change, ChangeKind, ChangeState, Outcome, Plan, Side
from integrations_pipeline.store import contacts, handover, links, suppressions
from integrations_pipeline.store.arrivals import make_contacts
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.links import LinkWrite
from integrations_pipeline.sync.contacts.acknowledge import Ledger
from integrations_pipeline.sync.contacts.deliver import deliver
from integrations_pipeline.sync.runtime import Run

#: Contacts written per local transaction: long enough to be fast, short enough not to block editors.
LOCAL_BATCH = 500

#: The same for people who are new: nobody edits them yet.
NEWCOMERS = 2_000

#: The same for contacts that get another e-mail: a line of them is written in one transaction.
MOVERS = 5_000
EMAIL = "email"
_TAKEN = "another contact of the workspace has this e-mail; change one of them"

T = TypeVar("T")


def load(run: Run, plan: Plan, ledger: Ledger) -> None:
    """Apply the plan; what became of each change is in `ledger.outcomes`, also when this raises.

    Raises the errors of `errors` for causes that are no single record's: the run has failed then, what was
    acknowledged stays, and the next run takes up the rest.
    """
    with run.session.begin() as connection:
        ledger.record_planned(connection)
        _book_keeping(run, plan, ledger, connection)
    local = [change for change in plan.changes if change.side is Side.LOCAL]
    for kind in (ChangeKind.DELETE, ChangeKind.UPDATE):
        for batch in _batches([change for change in local if change.kind is kind]):
            _write_batch(run, kind, batch, ledger)
    created = [change for change in local if change.kind is ChangeKind.CREATE]
    for batch in chunks([change for change in created if change.contact_id is None], NEWCOMERS):
        _welcome(run, batch, ledger)
    for batch in chunks([change for change in created if change.contact_id is not None], LOCAL_BATCH):
        _write_batch(run, ChangeKind.CREATE, batch, ledger)
    deliver(run, [change for change in plan.changes if change.side is Side.REMOTE], ledger)


def _write_batch(run: Run, kind: ChangeKind, batch: Sequence[Change], ledger: Ledger) -> None:
    with run.session.begin() as connection:
        ledger.acknowledge(connection, _write_local(kind, batch, ledger, connection, run.connection.workspace_id))
    run.progress("write local", len(ledger.outcomes), ledger.count)


def _welcome(run: Run, batch: Sequence[Change], ledger: Ledger) -> None:
    """Make contacts of people who never were in the workspace."""
    ids = [str(run.runtime.new_id()) for _ in batch]
    with run.session.begin() as connection:
        arrivals = [ledger.arrival(change, key) for change, key in zip(batch, ids, strict=True)]
        made = make_contacts(connection, ledger.scope, arrivals)
        ledger.note_arrived([_applied(each.change) for each in arrivals if each.contact_id in made])
        ledger.acknowledge(connection, [_missed(each.change, {}) for each in arrivals if each.contact_id not in made])
    run.progress("write local", len(ledger.outcomes), ledger.count)


def _batches(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Contacts that get another e-mail come first and together: they may be giving theirs to one another."""
    movers = [change for change in changes if change.kind is ChangeKind.UPDATE and EMAIL in change.after]
    moving = {change.id for change in movers}
    yield from chunks(movers, MOVERS)
    yield from chunks([change for change in changes if change.id not in moving], LOCAL_BATCH)


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _book_keeping(run: Run, plan: Plan, ledger: Ledger, connection: Connection) -> None:
    """Unlinks before links: a record may pass from a deleted contact to a new one."""
    for kind in (ChangeKind.UNLINK, ChangeKind.LINK):
        chosen = [change for change in plan.changes if change.kind is kind]
        ledger.acknowledge(connection, [_applied(change) for change in chosen])
    writes = [_agreed(agreement) for agreement in plan.agreements]
    links.upsert_links(connection, run.connection.id, run.connection.workspace_id, writes)


def _agreed(agreement: Agreement) -> LinkWrite:
    return LinkWrite(
        contact_id=agreement.contact_id,
        external_id=agreement.external_id,
        agreed=agreement.agreed,
        contact_version=agreement.version if agreement.version >= 0 else None,
    )


def _write_local(
    kind: ChangeKind, batch: Sequence[Change], ledger: Ledger, connection: Connection, workspace_id: UUID
) -> list[Outcome]:
    ids = {change.id: change.contact_id or "" for change in batch}
    writes = [
        ContactWrite(contact_id=ids[change.id], fields=change.after, version=change.expected_version)
        for change in batch
    ]
    if kind is ChangeKind.DELETE:
        written = contacts.delete_contacts(connection, writes)
    elif kind is ChangeKind.UPDATE:
        written = contacts.update_contacts(connection, writes)
        missed = [write for write in writes if EMAIL in write.fields and write.contact_id not in written]
        written |= handover.hand_over(connection, missed, is_freed=bool(written)) if missed else {}
        left = _left_opted_out([change for change in batch if ids[change.id] in written])
        suppressions.record(connection, workspace_id, left, suppressions.Reason.OPTED_OUT, "contact")
    else:
        written = contacts.restore_contacts(connection, workspace_id, writes)
    for contact_id, version in written.items():
        ledger.note_version(contact_id, version)
    seen = contacts.read_versions(connection, [key for key in ids.values() if key not in written])
    parts = _write_rest(connection, [change for change in batch if _is_email_taken(change, seen)])
    for contact_id, version in parts.items():
        ledger.note_version(contact_id, version)
    return [
        _applied(change, ids[change.id])
        if ids[change.id] in written
        else _without_email(change)
        if change.contact_id in parts
        else _missed(change, seen)
        for change in batch
    ]


def _left_opted_out(changes: Sequence[Change]) -> set[str]:
    """Addresses of people who opted out and got another address since the last look: of which of the two they did it
    nobody tells, so that whoever has the old one next is not mailed either."""
    return {
        change.before[EMAIL]
        for change in changes
        if change.after.get("email_opt_out") == CONSENT_OUT and EMAIL in change.after and change.before.get(EMAIL)
    }


def _is_email_taken(change: Change, seen: Mapping[str, int]) -> bool:
    """Whether an update was refused although the contact is as it was planned: somebody else has what it wants."""
    version = seen.get(change.contact_id or "")
    return change.kind is ChangeKind.UPDATE and version is not None and version == change.expected_version


def _write_rest(connection: Connection, changes: Sequence[Change]) -> dict[str, int]:
    """An e-mail that another contact has keeps none of the other fields from being written."""
    rest = {
        change.contact_id or "": {name: value for name, value in change.after.items() if name != EMAIL}
        for change in changes
        if EMAIL in change.after
    }
    versions = {change.contact_id: change.expected_version for change in changes}
    writes = [
        ContactWrite(contact_id=contact_id, fields=fields, version=versions[contact_id])
        for contact_id, fields in rest.items()
        if fields
    ]
    return contacts.update_contacts(connection, writes) if writes else {}


def _applied(change: Change, contact_id: str | None = None) -> Outcome:
    return Outcome(
        change=change,
        state=ChangeState.APPLIED,
        external_id=change.external_id,
        contact_id=contact_id or change.contact_id,
    )


def _without_email(change: Change) -> Outcome:
    """Everything was written but the e-mail, which both sides still hold otherwise."""
    return replace(
        _applied(change), answered={EMAIL: change.before.get(EMAIL, "")}, lost=frozenset({EMAIL}), reason=_TAKEN
    )


def _is_kept_deleted(change: Change, seen: Mapping[str, int]) -> bool:
    """Whether a deleted contact could not be brought back: somebody else has its e-mail by now."""
    return change.kind is ChangeKind.CREATE and change.contact_id is not None and change.contact_id not in seen


def _missed(change: Change, seen: Mapping[str, int]) -> Outcome:
    """A local write that did not happen: the contact moved on, or another one has the e-mail."""
    if _is_email_taken(change, seen) or _is_kept_deleted(change, seen):
        return Outcome(
            change=change,
            state=ChangeState.FAILED,
            external_id=change.external_id,
            contact_id=change.contact_id,
            reason=_TAKEN,
            error_class="PermanentError",
        )
    return Outcome(
        change=change,
        state=ChangeState.SUPERSEDED,
        external_id=change.external_id,
        contact_id=change.contact_id,
        reason="the contact was edited during the run; the next run takes it up",
    )
