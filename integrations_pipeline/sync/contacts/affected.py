"""Both sides and the base as frames, as far as anything was told: what the planner looks at.

Belongs here: whatever of stage 1 needs frames, whose libraries take longer to load than a run in which nothing was told
takes; `extract` imports this when something was. Does not: reading the provider (`sync.reading`), deciding anything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.reader import World
from integrations_pipeline.model import AgendaKind, ConflictPolicy, Direction, Side, Snapshot
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store import contacts, links, suppressions
from integrations_pipeline.store.database import Connection
from integrations_pipeline.sync.contacts.belief import (
    Unsettled,
    disbelieve_blank,
    newly_blank,
    spare_resumed,
    unsettled,
)
from integrations_pipeline.sync.contacts.extract import Extracted, News, checkpoint_of
from integrations_pipeline.sync.contacts.limits import changes_allowed, creates_allowed
from integrations_pipeline.sync.contacts.stale import overlook_stale
from integrations_pipeline.sync.reading import RemoteRead, email_of, known_of
from integrations_pipeline.sync.runtime import Run

#: More changes than this, and reading all contacts and links costs less than choosing among them.
MANY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doubts:
    """Ids of records: written a moment ago (`recent`), without any value (`blank`), to be read `again` next time."""

    recent: frozenset[str]
    blank: frozenset[str]
    again: frozenset[str]


def read_affected(run: Run, remote: RemoteRead, news: News, direction: Direction) -> Extracted:
    """With the contacts and links that are affected on either side."""
    stored = run.checkpoint
    before = stored.configuration if stored else {}
    is_changed = stored is not None and before != run.configuration
    with run.session.begin() as connection:
        local, base = _read_local(run, connection, remote, news)
        doubts = _doubts(run, connection, remote, base)
        moved = _moved_fields(run, before)
        if is_changed or moved:
            _forget_base(run, connection, before, base, remote, moved)
        names = run.names
        frame = _to_frame(remote.records.values(), names)
        linked_count = links.count_links(connection, run.connection.id)
        policy = _policy(run, linked_count, direction, before if is_changed or moved else None)
        spare_resumed(run, base, frame)
        waiting = _waiting(run, connection, (local, frame, base), remote)
        bounced = _bounced(run, connection, local)
        is_deserted = remote.is_complete and contacts.is_nobody_there(connection, run.connection.workspace_id)
    is_empty = remote.sieve is not None and remote.sieve.has_seen_nobody and frame.empty
    world = World(
        local=Snapshot(side=Side.LOCAL, frame=local, tombstones=frozenset(news.gone), is_empty=is_deserted),
        remote=Snapshot(side=Side.REMOTE, frame=frame, tombstones=frozenset(remote.tombstones), is_empty=is_empty),
        base=base,
        rules=run.rules,
        policy=_with_spent(run, policy, (local, base, frame)),
        waiting=waiting.ids,
        bounced=bounced,
        is_identity_silent=run.is_identity_silent,
        unread_count=policy.linked_count - len(base) if remote.is_complete else 0,
    )
    look = run.provider.looked
    silent = stored.silent if stored else {}
    return Extracted(
        world=world,
        checkpoint=checkpoint_of(run, stored, remote),
        again=doubts.again,
        settling=waiting.since,
        settling_here=frozenset(key for key in waiting.since if key in local.index),
        is_complete=remote.is_complete,
        fingerprints=_believed(remote, doubts.again),
        tells_own_writes=remote.tells_own_writes,
        recent=doubts.recent,
        blank=doubts.blank,
        silent=look.silent if look is not None else silent,
        newly_stopped=frozenset(look.stopped.keys() - silent.keys()) if look else frozenset(),
        has_absent=any(bool(frame[name].isna().any()) for name in names),
        notices=tuple(remote.notices),
    )


def _doubts(run: Run, connection: Connection, remote: RemoteRead, base: pd.DataFrame) -> _Doubts:
    """Take out of the read what is not believed yet: records as they were before our own writes, and blank ones."""
    writes = _recent_writes(run, connection, remote, base)
    # What an earlier run took for gone and asked about is not doubted anew because we wrote it before that.
    suspects = overlook_stale(
        remote.records,
        remote.tombstones,
        writes,
        certain=remote.certain | run.agenda.believed_gone,
        base=known_of(run, connection, {write.external_id for write in writes} - remote.records.keys()),
    )
    blank = disbelieve_blank(run, remote, base)
    return _Doubts(
        recent=frozenset(write.external_id for write in writes),
        blank=blank,
        again=frozenset(suspects | blank | newly_blank(run, remote, base)),
    )


def _believed(remote: RemoteRead, again: Collection[str]) -> dict[str, str]:
    """Fingerprints of the records that told everything and are not doubted."""
    return {key: found for key, found in remote.fingerprints.items() if found and key not in again}


def _bounced(run: Run, connection: Connection, local: pd.DataFrame) -> frozenset[str]:
    """Contacts that take no mail; nobody is asked for where nobody of the workspace is looked at."""
    return suppressions.bounced_contact_ids(connection, run.connection.workspace_id) if len(local) else frozenset()


def _waiting(
    run: Run,
    connection: Connection,
    frames: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    remote: RemoteRead,
) -> Unsettled:
    """Nobody waits in the first sync of a connection: there nothing was typed to be synced."""
    if run.checkpoint is None:
        return Unsettled()
    return unsettled(run, connection, frames, remote.records)


def _recent_writes(run: Run, connection: Connection, remote: RemoteRead, base: pd.DataFrame) -> list[Any]:
    """Our own writes that this read may not show yet, as far as they concern it."""
    touched = {*remote.records, *remote.tombstones, *base["external_id"]}
    concerned = sorted(touched) if len(touched) <= MANY else None
    seconds = run.spec.capabilities.propagation_seconds
    return journal.recent_remote_writes(connection, run.connection.id, seconds, concerned)


def _read_local(run: Run, connection: Connection, remote: RemoteRead, news: News) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The local rows and links that the plan may touch: what changed on either side, the counterparts of
    both, and whoever holds an e-mail that an unlinked record brings; of very many, simply all."""
    workspace_id, connection_id, names = run.connection.workspace_id, run.connection.id, run.names
    touched = [*remote.records, *remote.tombstones]
    if len(touched) + len(news.changed) + len(news.gone) > MANY:
        everybody = contacts.read_contacts(connection, workspace_id, names)
        return everybody, links.read_base(connection, connection_id, names)
    local = contacts.read_contacts(connection, workspace_id, names, ids=news.changed)
    theirs: list[Mapping[Any, Any]] = [record.fields for record in remote.records.values()]
    emails = {key for row in (*theirs, *local.to_dict("records")) if (key := email_of(run, row))}
    by_email = contacts.contact_ids_by_email(connection, workspace_id, emails)
    only = {
        "contact_ids": [*news.changed, *news.gone, *by_email],
        "external_ids": touched,
        "emails": sorted(emails),
    }
    base = links.read_base(connection, connection_id, names, only=only)
    wanted = {*news.changed, *by_email, *base.index}
    return contacts.read_contacts(connection, workspace_id, names, ids=sorted(wanted)), base


def _to_frame(records: Iterable[RemoteRecord], names: list[str]) -> pd.DataFrame:
    """A REMOTE snapshot frame (`model.Snapshot`), column by column; a field that a record does not tell is null."""
    rows = list(records)
    frame = pd.DataFrame(
        {name: pd.array([row.fields.get(name) for row in rows], dtype="str") for name in names},
        index=pd.Index(pd.array([row.external_id for row in rows], dtype="str"), name="external_id"),
    )
    frame["contact_key"] = pd.array([row.contact_key for row in rows], dtype="str")
    frame["modified_at"] = pd.array([row.modified_at for row in rows], dtype="datetime64[us, UTC]")
    return frame


def _moved_fields(run: Run, before: Mapping[str, Any]) -> list[str]:
    """Fields that another column holds now: by the mapping, or because the column was made anew."""
    look = run.provider.looked
    renewed = look.renewed if look is not None else frozenset()
    by_mapping = run.moved_fields(before)
    return [name for name in run.names if name in renewed or name in by_mapping]


def _forget_base(
    run: Run,
    connection: Connection,
    before: Mapping[str, Any],
    base: pd.DataFrame,
    remote: RemoteRead,
    moved: list[str],
) -> None:
    """Forget what was agreed with another column, table or base: those fields merge like a new link's, so
    that nothing counts as cleared or edited there. Records missing in a new place keep their base: whether
    they count as deleted is decided, and held, by what was agreed."""
    base[moved] = ""
    if moved and not run.is_preview:
        links.forget_fields(connection, run.connection.id, moved, None)
    if before.get("place") != run.configuration["place"]:
        there = base["external_id"].isin(list(remote.records))
        base.loc[there, run.names] = ""
        if not run.is_preview:
            ids = base.loc[there, "external_id"].tolist()
            links.forget_fields(connection, run.connection.id, run.names, ids)


def _policy(run: Run, linked_count: int, direction: Direction, changed_from: Mapping[str, Any] | None) -> Policy:
    settings = run.settings
    default = ConflictPolicy.NEWEST_WINS if run.spec.capabilities.tells_modified_at else ConflictPolicy.LOCAL_WINS
    return Policy(
        conflict_policy=settings.conflict_policy or default,
        delete_policy=settings.delete_policy,
        delete_limit=settings.delete_limit,
        delete_limit_fraction=settings.delete_limit_fraction,
        direction=direction,
        linked_count=linked_count,
        approved=run.agenda.approved_deletes,
        held=run.agenda.held_deletes,
        one_sided=run.agenda.one_sided_deletes,
        changes_allowed=changes_allowed(settings, linked_count),
        creates_allowed=creates_allowed(settings, linked_count) if run.checkpoint else None,
        held_changes=run.agenda.held_changes,
        held_emails=run.agenda.held_emails,
        field_policies=settings.field_policies,
        answers=run.agenda.answers,
        is_configuration_changed=changed_from is not None,
        is_place_changed=changed_from is not None and changed_from.get("place") != run.configuration["place"],
    )


def _with_spent(run: Run, policy: Policy, found: Sequence[pd.DataFrame]) -> Policy:
    """With what was made of each kind in the last 24 hours; where nothing was found nobody asks."""
    if not any(map(len, found)):
        return policy
    with run.session.begin() as connection:
        made = journal.made_in_last_day(connection, run.connection.id)
    deleted = {side: n for (side, kind, _), n in made.items() if kind is AgendaKind.HELD_DELETE}
    return replace(policy, spent=made, deleted_today=deleted)
