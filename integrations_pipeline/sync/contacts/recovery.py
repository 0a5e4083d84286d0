"""Stage 0: writes that were sent and never answered: what became of them is asked before anything is planned.

What a run that died sent was the contact as it was then. Since then it may have another e-mail, or be deleted, and
neither matching nor the plan would know the record that was made for it. So each create in doubt is looked up as it was
sent, and linked where its record is there; so is an update whose record is gone and that gave another e-mail, for which
a provider may have made another record. What is there of any other update was agreed on by both sides: without it in
the base it would pass for somebody's edit there, which beats a delete here. Belongs here: from doubts to links. Does
not: how a provider looks (`find_created`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from integrations_pipeline.engine.canonical import differing
from integrations_pipeline.model import ChangeKind, ChangeState
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store import links
from integrations_pipeline.store.changes import Doubt, StateChange
from integrations_pipeline.store.links import LinkWrite
from integrations_pipeline.sync.runtime import Run

_NOT_THERE = "the run ended before it was done, and the record is not there; planned again"
_FOUND = "the run ended before it was told; what it wrote was found"


def settle_doubts(run: Run) -> Run:
    """Agree on what is there of updates in doubt; link the records that creates and moves in doubt made, and look at
    these again in this run, whoever else edited them."""
    with run.session.begin() as connection:
        doubts = journal.changes_in_doubt(connection, run.connection.id)
    updates = [doubt for doubt in doubts if doubt.change.kind is ChangeKind.UPDATE]
    there, gone = _read(run, updates)
    moved = [each for each in updates if each.change.external_id in gone and "email" in each.change.after]
    _settle_updates(run, [each for each in updates if each not in moved], there)
    return _settle_made(run, [each for each in doubts if each.change.kind is ChangeKind.CREATE] + moved)


def _read(run: Run, doubts: Sequence[Doubt]) -> tuple[dict[str, RemoteRecord], set[str]]:
    """Their records by id, as they are now, and the ids of those that are gone."""
    wanted = sorted({doubt.change.external_id for doubt in doubts if doubt.change.external_id})
    there: dict[str, RemoteRecord] = {}
    gone: set[str] = set()
    size = run.spec.capabilities.max_read_batch
    for start in range(0, len(wanted), size):
        page = run.provider.read_records(wanted[start : start + size])
        there |= {record.external_id: record for record in page.records}
        gone |= page.tombstones
    return there, gone


def _settle_updates(run: Run, doubts: Sequence[Doubt], there: Mapping[str, RemoteRecord]) -> None:
    if not doubts:
        return
    with run.session.begin() as connection:
        owners = links.contacts_by_record(connection, run.connection.id, list(there))
        found = {
            doubt.change.contact_id or "": there[key]
            for doubt in doubts
            if (key := doubt.change.external_id or "") in there
            and owners.get(key) == doubt.change.contact_id
            and _still_there(run, doubt, there[key])
        }
        writes = [_link(run, doubt, found[key]) for doubt in doubts if (key := doubt.change.contact_id or "") in found]
        links.upsert_links(connection, run.connection.id, run.connection.workspace_id, writes)
        journal.record_states(connection, [_state(run, doubt, found) for doubt in doubts])


def _settle_made(run: Run, doubts: Sequence[Doubt]) -> Run:
    if not doubts:
        return run
    since = min(doubt.intended_at for doubt in doubts)
    found = run.provider.find_created([doubt.change for doubt in doubts], since)
    with run.session.begin() as connection:
        made = _unlinked(links.contacts_by_record(connection, run.connection.id, _ids(found)), found)
        writes = [_link(run, doubt, made[key]) for doubt in doubts if (key := doubt.change.contact_id or "") in made]
        links.upsert_links(connection, run.connection.id, run.connection.workspace_id, writes)
        journal.record_states(connection, [_state(run, doubt, made) for doubt in doubts])
    return _looking_again(run, _ids(made))


def _ids(found: Mapping[str, RemoteRecord]) -> list[str]:
    return sorted(record.external_id for record in found.values())


def _unlinked(linked: Mapping[str, str], found: Mapping[str, RemoteRecord]) -> dict[str, RemoteRecord]:
    """Without records that belong to somebody else by now."""
    return {key: each for key, each in found.items() if linked.get(each.external_id, key) == key}


def _link(run: Run, doubt: Doubt, record: RemoteRecord) -> LinkWrite:
    """The base is what was sent and is still there; of anything else nobody can say that both sides agreed on it."""
    agreed = _still_there(run, doubt, record)
    return LinkWrite(contact_id=doubt.change.contact_id or "", external_id=record.external_id, agreed=agreed)


def _still_there(run: Run, doubt: Doubt, record: RemoteRecord) -> dict[str, str]:
    sent = doubt.change.after
    told = [rule for rule in run.rules if rule.name in sent and rule.name in record.fields]
    others = {rule.name for rule in differing(sent, record.fields, told)}
    return {rule.name: sent[rule.name] for rule in told if rule.name not in others}


def _state(run: Run, doubt: Doubt, made: Mapping[str, RemoteRecord]) -> StateChange:
    """What is not there counts as not written: it may have been a request of its own, which never left."""
    record = made.get(doubt.change.contact_id or "")
    if record is None:
        reason = _NOT_THERE if doubt.change.kind is ChangeKind.CREATE else journal.STALE
        return StateChange(change_id=doubt.change_id, state=ChangeState.SUPERSEDED, reason=reason)
    return StateChange(
        change_id=doubt.change_id,
        state=ChangeState.APPLIED,
        reason=_FOUND,
        external_id=record.external_id,
        after=_still_there(run, doubt, record),
    )


def _looking_again(run: Run, external_ids: Sequence[str]) -> Run:
    """Without a checkpoint everything is read anyway."""
    return replace(run, agenda=run.agenda.with_retry(external_ids)) if external_ids else run
