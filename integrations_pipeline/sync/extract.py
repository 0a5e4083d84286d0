"""Stage 1: read what changed on each side since the last checkpoint, or everything.

Belongs here: reading both sides and the base into the planner's `World`. Does not: deciding anything about
them. Remote first, its cursor taken before reading; then local: an edit that lands later is found by the
version guard or by the next run.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from integrations_pipeline.engine.canonical import identity_key
from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.reader import World
from integrations_pipeline.errors import CursorExpiredError, RetryableError
from integrations_pipeline.model import ConflictPolicy, Direction, FieldKind, Side, Snapshot
from integrations_pipeline.providers.base import Page, RemoteRecord
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store import contacts, links
from integrations_pipeline.store.database import Connection
from integrations_pipeline.sync.runtime import Run
from integrations_pipeline.sync.stale import overlook_stale

#: More records than this to read again one by one, and reading everything is cheaper.
MAX_RETRY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """Both sides and the base, and the cursor to store once the plan is applied."""

    world: World
    cursor: Mapping[str, Any]
    is_complete: bool
    tells_own_writes: bool
    #: Records that we wrote a moment ago: a read of them may still show the state before.
    recent: frozenset[str]


@dataclass(slots=True)
class RemoteRead:
    """Records of a read, by id: a record that comes twice counts as it came last."""

    records: dict[str, RemoteRecord] = field(default_factory=dict)
    tombstones: set[str] = field(default_factory=set)
    cursor: Mapping[str, Any] = field(default_factory=dict)
    is_complete: bool = False
    tells_own_writes: bool = False
    #: Tombstones that a change feed told: no stale copy can have made them.
    certain: set[str] = field(default_factory=set)

    def add(self, page: Page) -> None:
        if page.is_certain:
            self.certain |= page.tombstones
        for record in page.records:
            self.records[record.external_id] = record
            self.tombstones.discard(record.external_id)
        for external_id in page.tombstones:
            self.tombstones.add(external_id)
            self.records.pop(external_id, None)
        self.cursor = page.cursor or self.cursor
        self.is_complete = page.is_complete or self.is_complete
        self.tells_own_writes = page.tells_own_writes or self.tells_own_writes


def extract(run: Run, *, direction: Direction, is_full: bool) -> Extracted:
    """Read both sides. A read that fails raises; it is never taken for an empty side."""
    stored = run.connection.cursor or {}
    before = stored.get("configuration", {})
    is_changed = bool(stored) and before != run.configuration
    if is_changed or not stored:
        remote = gather(run, run.provider.read_all())
    else:
        remote = _read_remote(run, stored, is_full=is_full)
    if run.spec.capabilities.tells_new_only:
        _forget_known(run, remote)
    if remote.is_complete:
        _confirm_missing(run, remote)
    else:
        _complete(run, remote)
    with run.session.begin() as connection:
        window = max(run.settings.settle_seconds, run.spec.capabilities.propagation_seconds)
        writes = journal.recent_remote_writes(connection, run.connection.id, window)
        suspects = overlook_stale(
            remote.records,
            remote.tombstones,
            writes,
            is_complete=remote.is_complete,
            certain=remote.certain,
            base=_known_of(run, connection, {write.external_id for write in writes} - remote.records.keys()),
        )
        local, base = _read_local(run, connection, remote)
        moved = _moved_fields(run, stored, remote)
        is_changed = is_changed or bool(moved)
        if is_changed:
            _forget_base(run, connection, before, base, remote, moved)
        gone = () if remote.is_complete else links.gone_contact_ids(connection, run.connection.id)
        policy = _policy(run, connection, direction, before if is_changed else None)
    world = World(
        local=Snapshot(side=Side.LOCAL, frame=local, is_complete=remote.is_complete, tombstones=frozenset(gone)),
        remote=Snapshot(
            side=Side.REMOTE,
            frame=_to_frame(remote.records.values(), run.names),
            is_complete=remote.is_complete,
            tombstones=frozenset(remote.tombstones),
        ),
        base=base,
        rules=run.rules,
        policy=policy,
    )
    cursor = {"remote": dict(remote.cursor), "configuration": run.configuration, "retry": sorted(suspects)}
    return Extracted(
        world=world,
        cursor=cursor,
        is_complete=remote.is_complete,
        tells_own_writes=remote.tells_own_writes,
        recent=frozenset(write.external_id for write in writes),
    )


def _read_remote(run: Run, stored: Mapping[str, Any], *, is_full: bool) -> RemoteRead:
    retry = list(stored.get("retry", ()))
    if is_full or stored.get("is_full_wanted") or len(retry) > MAX_RETRY:
        return _read_whole(run, stored)
    try:
        remote = gather(run, run.provider.read_changes(stored["remote"]))
    except CursorExpiredError:
        return gather(run, run.provider.read_all())
    # A partial record stands on the base, and these are just those that differ from it: they are read whole.
    again = [key for key in retry if key not in remote.records or remote.records[key].is_partial]
    if not remote.is_complete:
        read_again(run, remote, again)
    return remote


def _read_whole(run: Run, stored: Mapping[str, Any]) -> RemoteRead:
    """Everything. The cursor that comes with it lies past what changed since the last one, so that is asked for
    first: a listing that was cut short may hide new records, and no later read would tell them again."""
    told = RemoteRead()
    if not (run.spec.capabilities.counts_listings or run.spec.capabilities.tells_new_only):
        with suppress(CursorExpiredError, RetryableError):
            told = gather(run, run.provider.read_changes(stored["remote"]))
    if told.is_complete:
        return told
    remote = gather(run, run.provider.read_all())
    read_again(run, remote, sorted(told.records.keys() - remote.records.keys()))
    return remote


def _forget_known(run: Run, remote: RemoteRead) -> None:
    """Leave those out whom the workspace knows, or knew and deleted: meeting them again tells nothing."""
    with run.session.begin() as connection:
        emails = set(_emails(run, (record.fields for record in remote.records.values())))
        known = contacts.known_emails(connection, run.connection.workspace_id, emails)
        linked = set(links.linked_external_ids(connection, run.connection.id))
    for external_id, record in list(remote.records.items()):
        if external_id in linked or set(_emails(run, [record.fields])) & known:
            del remote.records[external_id]


def gather(run: Run, pages: Iterator[Page]) -> RemoteRead:
    remote = RemoteRead()
    for page in pages:
        remote.add(page)
        run.progress("read", len(remote.records), 0)
    return remote


def read_again(run: Run, remote: RemoteRead, external_ids: list[str]) -> None:
    """Read single records as they are now, into `remote`; those that do not exist become tombstones."""
    cursor = remote.cursor
    size = run.spec.capabilities.max_read_batch
    for start in range(0, len(external_ids), size):
        remote.add(run.provider.read_records(external_ids[start : start + size]))
    remote.cursor = cursor


def _confirm_missing(run: Run, remote: RemoteRead) -> None:
    """Ask for linked records that a complete read did not list, before their absence may mean anything: a
    page cut short or a record that moved while paging is found again here. More than the delete limit are
    not asked for; the guards hold those anyway."""
    with run.session.begin() as connection:
        known = links.linked_external_ids(connection, run.connection.id)
    missing = [external_id for external_id in known if external_id not in remote.records]
    if len(missing) <= max(run.settings.delete_limit, run.spec.capabilities.max_read_batch):
        read_again(run, remote, missing)


def _complete(run: Run, remote: RemoteRead) -> None:
    """Make an incremental read whole: fields that a feed left out, and records that wait for a decision."""
    with run.session.begin() as connection:
        aside = dict(journal.set_aside(connection, run.connection.id))
        held = set(journal.held_external_ids(connection, run.connection.id)) - remote.tombstones
        unknown = complete_partials(run, connection, remote, not_on_base=aside.keys())
    # Held deletes are no memory to act on: the records are asked for again, and one that is there clears its hold.
    read_again(run, remote, [*unknown, *sorted(held - remote.records.keys())])
    with run.session.begin() as connection:
        _remember(run, connection, remote, aside)


def complete_partials(
    run: Run, connection: Connection, remote: RemoteRead, *, not_on_base: Set[str] = frozenset()
) -> list[str]:
    """Fill the fields that a change feed left out from the base; returns ids that must be read instead:
    those without a base, and those known to differ from it."""
    partial = [external_id for external_id, record in remote.records.items() if record.is_partial]
    if not partial:
        return []
    known = _known_of(run, connection, partial)
    for external_id in partial:
        record = remote.records[external_id]
        if external_id in known and external_id not in not_on_base:
            fields = {**known[external_id], **record.fields}
            remote.records[external_id] = replace(record, fields=fields, is_partial=False)
    return [key for key in partial if key not in known or key in not_on_base]


def _known_of(run: Run, connection: Connection, external_ids: Collection[str]) -> dict[str, dict[Any, Any]]:
    """The base of these records, by their ids; of those that are linked."""
    if not external_ids:
        return {}
    base = links.read_base(connection, run.connection.id, run.names, only={"external_ids": sorted(external_ids)})
    return dict(zip(base["external_id"], base[run.names].fillna("").to_dict("records"), strict=True))


def _remember(run: Run, connection: Connection, remote: RemoteRead, aside: Mapping[str, Mapping[str, str]]) -> None:
    """Add the remote records that wait for a decision: the incremental read does not tell them again."""
    missing = {key: fields for key, fields in aside.items() if key not in remote.records}
    known = _known_of(run, connection, missing)
    for external_id, fields in missing.items():
        if external_id not in remote.tombstones:
            whole = {**dict.fromkeys(run.names, ""), **known.get(external_id, {}), **fields}
            kept = {name: whole[name] for name in run.names}
            remote.records[external_id] = RemoteRecord(external_id=external_id, fields=kept)


def _read_local(run: Run, connection: Connection, remote: RemoteRead) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Local contacts and base: all of them beside a complete read, else those that the plan may touch."""
    if not remote.is_complete:
        return _read_affected(run, connection, remote)
    local = contacts.read_contacts(connection, run.connection.workspace_id, run.names)
    return local, links.read_base(connection, run.connection.id, run.names)


def _read_affected(run: Run, connection: Connection, remote: RemoteRead) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The local rows and links that the plan may touch: what changed on either side, the counterparts of
    both, and whoever holds an e-mail that an unlinked record brings."""
    workspace_id, connection_id = run.connection.workspace_id, run.connection.id
    touched = [*remote.records, *remote.tombstones]
    # A provider that only tells of new people takes no edits: those of contacts change nothing there.
    is_asked = not run.spec.capabilities.tells_new_only
    changed = contacts.changed_contact_ids(connection, workspace_id, connection_id) if is_asked else []
    gone = links.gone_contact_ids(connection, connection_id)
    if not touched and not changed and not gone:
        nobody: dict[str, list[str]] = {}
        return (
            contacts.read_contacts(connection, workspace_id, run.names, ids=[]),
            links.read_base(connection, connection_id, run.names, only=nobody),
        )
    local = contacts.read_contacts(connection, workspace_id, run.names, ids=changed)
    emails = set(_emails(run, (record.fields for record in remote.records.values())))
    emails.update(_emails(run, local.to_dict("records")))
    by_email = contacts.contact_ids_by_email(connection, workspace_id, emails)
    only = {
        "contact_ids": [*changed, *gone, *by_email],
        "external_ids": touched,
        "emails": sorted(emails),
    }
    base = links.read_base(connection, connection_id, run.names, only=only)
    wanted = {*changed, *by_email, *base.index}
    return contacts.read_contacts(connection, workspace_id, run.names, ids=sorted(wanted)), base


def _emails(run: Run, rows: Iterable[Mapping[Any, Any]]) -> Iterator[str]:
    column = next((mapped.name for mapped in run.mapping if mapped.kind is FieldKind.EMAIL), None)
    if column is not None:
        yield from (key for row in rows if (key := identity_key(str(row.get(column, "")))))


def _to_frame(records: Iterable[RemoteRecord], names: list[str]) -> pd.DataFrame:
    """A REMOTE snapshot frame (`model.Snapshot`), column by column."""
    rows = list(records)
    frame = pd.DataFrame(
        {name: pd.array([row.fields.get(name, "") for row in rows], dtype="str") for name in names},
        index=pd.Index(pd.array([row.external_id for row in rows], dtype="str"), name="external_id"),
    )
    frame["contact_key"] = pd.array([row.contact_key for row in rows], dtype="str")
    frame["modified_at"] = pd.array([row.modified_at for row in rows], dtype="datetime64[us, UTC]")
    return frame


def _moved_fields(run: Run, stored: Mapping[str, Any], remote: RemoteRead) -> list[str]:
    """Fields that another column holds now: by the mapping, or because the column was made anew."""
    is_same_place = stored.get("configuration", {}).get("place") == run.configuration["place"]
    old = (stored.get("remote") or {}).get("column_ids", {}) if is_same_place else {}
    new = remote.cursor.get("column_ids", {})
    renewed = {m.name for m in run.mapping if m.column in old and m.column in new and old[m.column] != new[m.column]}
    by_mapping = run.moved_fields(stored.get("configuration", {}))
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


def _policy(run: Run, connection: Connection, direction: Direction, changed_from: Mapping[str, Any] | None) -> Policy:
    settings = run.settings
    default = ConflictPolicy.NEWEST_WINS if run.spec.capabilities.tells_modified_at else ConflictPolicy.LOCAL_WINS
    connection_id = run.connection.id
    return Policy(
        conflict_policy=settings.conflict_policy or default,
        delete_policy=settings.delete_policy,
        delete_limit=settings.delete_limit,
        delete_limit_fraction=settings.delete_limit_fraction,
        direction=direction,
        linked_count=links.count_links(connection, connection_id),
        deleted_today=journal.deleted_in_last_day(connection, connection_id),
        approved=journal.approved_deletes(connection, connection_id),
        held=journal.held_deletes(connection, connection_id),
        is_configuration_changed=changed_from is not None,
        is_place_changed=changed_from is not None and changed_from.get("place") != run.configuration["place"],
    )
