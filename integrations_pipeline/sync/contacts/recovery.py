"""Stage 0: writes that were sent and never answered: what became of them is asked before anything is planned.

What a run that died sent was the contact as it was then. Since then it may have another e-mail, or be deleted, and
neither matching nor the plan would know the record that was made for it. So each create in doubt is looked up as it was
sent, and linked where its record is there. So is an update that gives another e-mail: a provider may make a new record
for it, whose the contact is once the old one is gone. Belongs here: from doubts to links. Does not: how a provider
looks (`find_created`).
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
_FOUND = "the run ended before it was told; the record was found"


def settle_doubts(run: Run) -> Run:
    """Link the records of writes in doubt, and look at these records again in this run, whoever else edited them."""
    with run.session.begin() as connection:
        doubts = journal.in_doubt(connection, run.connection.id)
    if not doubts:
        return run
    since = min(doubt.intended_at for doubt in doubts)
    found = _made(run, doubts, run.provider.find_created([doubt.change for doubt in doubts], since))
    with run.session.begin() as connection:
        made = _unlinked(links.contacts_by_record(connection, run.connection.id, _ids(found)), found)
        writes = [_link(run, doubt, made[key]) for doubt in doubts if (key := doubt.change.contact_id or "") in made]
        links.upsert_links(connection, run.connection.id, run.connection.workspace_id, writes)
        journal.record_states(connection, [_state(run, doubt, made) for doubt in doubts])
    return _looking_again(run, _ids(made))


def _made(run: Run, doubts: Sequence[Doubt], found: Mapping[str, RemoteRecord]) -> dict[str, RemoteRecord]:
    """The records that these writes made: of an update only another one than the contact had, if that is gone."""
    old = {doubt.change.contact_id or "": doubt.change.external_id for doubt in doubts if doubt.change.external_id}
    others = {key: each for key, each in found.items() if key in old and each.external_id != old[key]}
    wanted = sorted(key for key in map(old.get, others) if key)
    gone = run.provider.read_records(wanted).tombstones if wanted else frozenset()
    return {key: each for key, each in found.items() if key not in old or (key in others and old[key] in gone)}


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
        is_create = doubt.change.kind is ChangeKind.CREATE
        reason = _NOT_THERE if is_create else journal.STALE
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
