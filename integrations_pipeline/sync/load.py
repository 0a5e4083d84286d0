"""Stage 3: apply a plan. Intents before writes, the base only on acknowledgement, record by record.

    journal: all changes planned
      → unlinks, links, agreements   one transaction
      → local writes                 one transaction per batch, guarded by the contact's version
      → remote writes                `deliver`: re-read, intent, request, acknowledgement

Belongs here: the order, and the local side. Does not: deciding. Killed anywhere, the journal tells what was
in flight, the base holds only what both sides acknowledged, and the next run plans the rest again.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from integrations_pipeline.model import Agreement, Change, ChangeKind, ChangeState, Outcome, Plan, Side
from integrations_pipeline.store import contacts, links
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.links import LinkWrite
from integrations_pipeline.sync.acknowledge import Ledger
from integrations_pipeline.sync.deliver import deliver
from integrations_pipeline.sync.runtime import Run

#: Contacts written per local transaction: long enough to be fast, short enough not to block editors.
LOCAL_BATCH = 500

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
    for kind in (ChangeKind.DELETE, ChangeKind.UPDATE, ChangeKind.CREATE):
        chosen = [change for change in local if change.kind is kind]
        for batch in chunks(chosen, LOCAL_BATCH):
            with run.session.begin() as connection:
                ledger.acknowledge(connection, _write_local(run, kind, batch, ledger, connection))
            run.progress("write local", len(ledger.outcomes), len(plan.changes))
    deliver(run, [change for change in plan.changes if change.side is Side.REMOTE], ledger)


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
    run: Run, kind: ChangeKind, batch: Sequence[Change], ledger: Ledger, connection: Connection
) -> list[Outcome]:
    ids = {id(change): change.contact_id or str(run.runtime.new_id()) for change in batch}
    writes = [
        ContactWrite(contact_id=ids[id(change)], fields=change.after, version=change.expected_version)
        for change in batch
    ]
    if kind is ChangeKind.DELETE:
        written = contacts.delete_contacts(connection, writes)
    elif kind is ChangeKind.UPDATE:
        written = contacts.update_contacts(connection, writes)
    else:
        written = _create_local(run, batch, writes, connection)
    for contact_id, version in written.items():
        ledger.note_version(contact_id, version)
    missed = [ids[id(change)] for change in batch if ids[id(change)] not in written]
    seen = contacts.read_versions(connection, missed)
    return [
        _applied(change, ids[id(change)]) if ids[id(change)] in written else _missed(change, seen.get(ids[id(change)]))
        for change in batch
    ]


def _create_local(
    run: Run, batch: Sequence[Change], writes: Sequence[ContactWrite], connection: Connection
) -> dict[str, int]:
    """New contacts in one statement; contacts that a delete is undone for come back under their old id."""
    workspace_id = run.connection.workspace_id
    new = [write for change, write in zip(batch, writes, strict=True) if change.contact_id is None]
    old = [write for change, write in zip(batch, writes, strict=True) if change.contact_id is not None]
    made = contacts.insert_contacts(connection, workspace_id, new)
    return made | contacts.restore_contacts(connection, workspace_id, old)


def _applied(change: Change, contact_id: str | None = None) -> Outcome:
    return Outcome(
        change=change,
        state=ChangeState.APPLIED,
        external_id=change.external_id,
        contact_id=contact_id or change.contact_id,
    )


def _missed(change: Change, version: int | None) -> Outcome:
    """A local write that did not happen: the contact moved on, or another one has the e-mail."""
    if change.kind is ChangeKind.UPDATE and version is not None and version == change.expected_version:
        reason = "another contact of the workspace has this e-mail; change one of them"
        return Outcome(
            change=change,
            state=ChangeState.FAILED,
            external_id=change.external_id,
            contact_id=change.contact_id,
            reason=reason,
            error_class="PermanentError",
        )
    return Outcome(
        change=change,
        state=ChangeState.SUPERSEDED,
        external_id=change.external_id,
        contact_id=change.contact_id,
        reason="the contact was edited during the run; the next run takes it up",
    )
