"""One read of the provider: pages folded into records and tombstones.

Belongs here: what is read, again and whole, and folding it. Does not: the workspace's side, the base as frames
(`extract`), deciding anything.
"""

from collections.abc import Collection, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from integrations_pipeline.engine.canonical import identity_key
from integrations_pipeline.errors import CursorExpiredError, RetryableError
from integrations_pipeline.model import FieldKind
from integrations_pipeline.providers.base import Page, RemoteRecord
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store import contacts, links
from integrations_pipeline.store.database import Connection
from integrations_pipeline.sync.runtime import Run

#: More records than this to read again one by one, and reading everything is cheaper.
MAX_RETRY = 1000


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
    #: What a person should know of the answers, each once.
    notices: dict[str, None] = field(default_factory=dict)

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
        self.notices |= dict.fromkeys(page.notices)


def read_remote(run: Run, stored: Mapping[str, Any], *, is_full: bool) -> RemoteRead:
    """What the provider has, or what changed there since the stored cursor."""
    if not stored:
        return gather(run, run.provider.read_all())
    retry = list(stored.get("retry", ()))
    if is_full or stored.get("is_full_wanted") or len(retry) > MAX_RETRY:
        return read_whole(run, stored)
    try:
        remote = gather(run, run.provider.read_changes(stored["remote"]))
    except CursorExpiredError:
        return gather(run, run.provider.read_all())
    # A partial record stands on the base, and these are just those that differ from it: they are read whole.
    again = [key for key in retry if key not in remote.records or remote.records[key].is_partial]
    if not remote.is_complete:
        read_again(run, remote, again)
    return remote


def read_whole(run: Run, stored: Mapping[str, Any]) -> RemoteRead:
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


def forget_known(run: Run, remote: RemoteRead) -> None:
    """Leave those out whom the workspace knows, or knew and deleted: meeting them again tells nothing."""
    with run.session.begin() as connection:
        emails = {key for record in remote.records.values() if (key := email_of(run, record.fields))}
        known = contacts.known_emails(connection, run.connection.workspace_id, emails)
        linked = set(links.linked_external_ids(connection, run.connection.id))
    for external_id, record in list(remote.records.items()):
        if external_id in linked or email_of(run, record.fields) in known:
            del remote.records[external_id]


def email_of(run: Run, fields: Mapping[Any, Any]) -> str:
    """The identity key of a record or contact, or ""."""
    column = next((mapped.name for mapped in run.active if mapped.kind is FieldKind.EMAIL), None)
    return identity_key(str(fields.get(column) or "")) if column is not None else ""


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


def confirm_missing(run: Run, remote: RemoteRead) -> None:
    """Ask for linked records that a complete read did not list, before their absence may mean anything: a
    page cut short or a record that moved while paging is found again here. More than the delete limit are
    not asked for; the guards hold those anyway."""
    with run.session.begin() as connection:
        known = links.linked_external_ids(connection, run.connection.id)
    missing = [external_id for external_id in known if external_id not in remote.records]
    if len(missing) <= max(run.settings.delete_limit, run.spec.capabilities.max_read_batch):
        read_again(run, remote, missing)


def complete(run: Run, remote: RemoteRead) -> None:
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
    known = known_of(run, connection, partial)
    for external_id in partial:
        record = remote.records[external_id]
        if external_id in known and external_id not in not_on_base:
            fields = {**known[external_id], **record.fields}
            remote.records[external_id] = replace(record, fields=fields, is_partial=False)
    return [key for key in partial if key not in known or key in not_on_base]


def known_of(run: Run, connection: Connection, external_ids: Collection[str]) -> dict[str, dict[Any, Any]]:
    """The base of these records, by their ids; of those that are linked."""
    if not external_ids:
        return {}
    base = links.read_base(connection, run.connection.id, run.names, only={"external_ids": sorted(external_ids)})
    return dict(zip(base["external_id"], base[run.names].fillna("").to_dict("records"), strict=True))


def _remember(run: Run, connection: Connection, remote: RemoteRead, aside: Mapping[str, Mapping[str, str]]) -> None:
    """Add the remote records that wait for a decision: the incremental read does not tell them again."""
    missing = {key: fields for key, fields in aside.items() if key not in remote.records}
    known = known_of(run, connection, missing)
    for external_id, fields in missing.items():
        if external_id not in remote.tombstones:
            whole = {**dict.fromkeys(run.names, ""), **known.get(external_id, {}), **fields}
            kept = {name: whole[name] for name in run.names}
            remote.records[external_id] = RemoteRecord(external_id=external_id, fields=kept)
