"""One read of the provider: pages folded into records and tombstones.

Belongs here: what is read, again and whole, and folding it. Does not: the workspace's side, the base as frames
(`extract`), deciding anything.
"""

from collections.abc import Collection, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from integrations_pipeline.engine.canonical import identity_key
from integrations_pipeline.errors import CursorExpiredError, RetryableError
from integrations_pipeline.model import Checkpoint, FieldKind
from integrations_pipeline.providers.base import Page, RemoteRecord
from integrations_pipeline.store import contacts, links
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.links import LinkWrite
from integrations_pipeline.sync.runtime import Run

if TYPE_CHECKING:
    from integrations_pipeline.sync.sieve import Sieve

#: Records of a listing that are compared with their links at once.
SIFTED_AT_ONCE = 5_000
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
    #: What the records looked like as they came, by id; None for those that do not tell all their fields.
    fingerprints: dict[str, str | None] = field(default_factory=dict)
    #: Former id → present one, of records that got another id by themselves.
    renamed: dict[str, str] = field(default_factory=dict)
    #: What was seen of everything, where everything was read.
    sieve: "Sieve | None" = None

    def add(self, page: Page) -> None:
        if page.is_certain:
            self.certain |= page.tombstones
        for record in page.records:
            self.records[record.external_id] = record
            self.fingerprints.pop(record.external_id, None)
            self.tombstones.discard(record.external_id)
        for external_id in page.tombstones:
            self.tombstones.add(external_id)
            self.records.pop(external_id, None)
        self.cursor = page.cursor or self.cursor
        self.is_complete = page.is_complete or self.is_complete
        self.tells_own_writes = page.tells_own_writes or self.tells_own_writes
        self.notices |= dict.fromkeys(page.notices)
        self.renamed |= page.renamed


def read_remote(run: Run, stored: Checkpoint | None, *, is_full: bool) -> RemoteRead:
    """What the provider has, or what changed there since the checkpoint."""
    if stored is None:
        return sift(run, run.provider.read_all())
    retry = sorted(run.agenda.retry)
    if is_full or run.agenda.is_full_wanted or len(retry) > MAX_RETRY:
        return read_whole(run, stored)
    try:
        remote = gather(run, run.provider.read_changes(stored.remote))
    except CursorExpiredError:
        return sift(run, run.provider.read_all())
    # A partial record stands on the base, and these are just those that differ from it: they are read whole.
    again = [key for key in retry if key not in remote.records or remote.records[key].is_partial]
    if remote.is_complete:
        return _sifted(run, remote)
    read_again(run, remote, again)
    return remote


def read_whole(run: Run, stored: Checkpoint) -> RemoteRead:
    """Everything. The cursor that comes with it lies past what changed since the last one, so that is asked for
    first: a listing that was cut short may hide new records, and no later read would tell them again."""
    told = RemoteRead()
    if not (run.spec.capabilities.counts_listings or run.spec.capabilities.tells_new_only):
        with suppress(CursorExpiredError, RetryableError):
            told = gather(run, run.provider.read_changes(stored.remote))
    if told.is_complete:
        return _sifted(run, told)
    remote = sift(run, run.provider.read_all())
    hidden = told.records.keys() - remote.records.keys()
    if hidden and remote.sieve:
        # Of those that a change feed told just now, few are as they were.
        hidden -= remote.sieve.seen_of(hidden)
    read_again(run, remote, sorted(hidden))
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


def sift(run: Run, pages: Iterator[Page]) -> RemoteRead:
    """A listing of everything, of which only what changed is kept."""
    remote = RemoteRead(sieve=_new_sieve(run))
    count = 0
    for page in pages:
        remote.add(page)
        count += len(page.records)
        run.progress("read", count, 0)
        if len(remote.records) - len(remote.fingerprints) >= SIFTED_AT_ONCE:
            _sift(remote)
    _sift(remote)
    return remote


def _sifted(run: Run, remote: RemoteRead) -> RemoteRead:
    remote.sieve = _new_sieve(run)
    _sift(remote)
    return remote


def _new_sieve(run: Run) -> "Sieve":
    from integrations_pipeline.sync.sieve import Sieve  # noqa: PLC0415 - numpy, for listings alone

    return Sieve(run)


def _sift(remote: RemoteRead) -> None:
    """Let go of the records that came since the last time and are as agreed."""
    new = {key: record for key, record in remote.records.items() if key not in remote.fingerprints}
    if remote.sieve is None or not new:
        return
    kept = remote.sieve.sift(new.values())
    remote.fingerprints |= kept
    for key in new.keys() - kept.keys():
        del remote.records[key]


def read_again(run: Run, remote: RemoteRead, external_ids: list[str]) -> None:
    """Read single records as they are now, into `remote`; those that do not exist become tombstones."""
    cursor = remote.cursor
    size = run.spec.capabilities.max_read_batch
    for start in range(0, len(external_ids), size):
        remote.add(run.provider.read_records(external_ids[start : start + size]))
    remote.cursor = cursor


def confirm_missing(run: Run, remote: RemoteRead, sieve: "Sieve") -> None:
    """Ask for linked records that a listing of everything did not show, before their absence may mean anything: a
    page cut short or a record that moved while paging is found again here. More than the delete limit are
    not asked for; the guards hold those anyway."""
    missing = [key for key in sieve.missing() if key not in remote.records and key not in remote.tombstones]
    remote.tombstones.update(missing)
    if len(missing) <= max(run.settings.delete_limit, run.spec.capabilities.max_read_batch):
        read_again(run, remote, missing)
    _follow_renames(run, remote)


def _follow_renames(run: Run, remote: RemoteRead) -> None:
    """Point the links of records at the ids that they have now: a record that is known under another name is no other
    one, whatever its e-mail is by now. A preview leaves links alone; there the e-mail or the key tells."""
    if run.is_preview or not remote.renamed:
        return
    with run.session.begin() as connection:
        ids = [*remote.renamed, *remote.renamed.values()]
        linked = links.contacts_by_record(connection, run.connection.id, ids)
        # Of several that became one, the first keeps its link; the others count as gone.
        moved = {new: old for old, new in reversed(remote.renamed.items()) if old in linked and new not in linked}
        writes = [LinkWrite(contact_id=linked[old], external_id=new, agreed={}) for new, old in moved.items()]
        links.upsert_links(connection, run.connection.id, run.connection.workspace_id, writes)
    remote.tombstones -= set(moved.values())


def complete(run: Run, remote: RemoteRead) -> None:
    """Make an incremental read whole: fields that a feed left out, and records that wait for a decision."""
    aside = run.agenda.set_aside
    waiting = (run.agenda.missing_records | run.agenda.records_to_make_again) - remote.tombstones
    with run.session.begin() as connection:
        unknown = complete_partials(run, connection, remote, not_on_base=aside.keys())
    waiting -= remote.records.keys()
    if run.spec.capabilities.tells_returns:
        remote.tombstones |= waiting
    # Else what waits is no memory to act on: the records are asked for, and one that is there clears its question.
    read_again(run, remote, [*unknown, *sorted(waiting - remote.tombstones)])
    _follow_renames(run, remote)
    remember(run, remote, aside)


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
    names = run.names
    base = links.read_base(connection, run.connection.id, names, only={"external_ids": sorted(external_ids)})
    return dict(zip(base["external_id"], base[names].fillna("").to_dict("records"), strict=True))


def remember(run: Run, remote: RemoteRead, aside: Mapping[str, Mapping[str, str]]) -> None:
    """Add the remote records that wait for a decision: the incremental read does not tell them again."""
    missing = {key: fields for key, fields in aside.items() if key not in remote.records}
    if not missing:
        return
    with run.session.begin() as connection:
        known = known_of(run, connection, missing)
    for external_id, fields in missing.items():
        if external_id not in remote.tombstones:
            whole = {**dict.fromkeys(run.names, ""), **known.get(external_id, {}), **fields}
            kept = {name: whole[name] for name in run.names}
            remote.records[external_id] = RemoteRecord(external_id=external_id, fields=kept)
