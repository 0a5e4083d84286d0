"""The certificate of one connection: reads all of both sides, compares, and writes down what it came to.

Belongs here: reading, in an order that tells what was edited meanwhile. Does not: comparing (`compare`), whose turn it
is (`nightly`). Nothing is written at the provider, and no lock is held: a sync may go on beside it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from integrations_pipeline.errors import ConfigurationError, CursorExpiredError, IntegrationError
from integrations_pipeline.model import MappedField, Side
from integrations_pipeline.providers.base import ConnectionSettings, Page, Provider, ProviderSpec, RemoteRecord
from integrations_pipeline.store import connections, sync_log, verification, workspaces
from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline.store.sync_log import Activity
from integrations_pipeline.store.verification import LocalState
from integrations_pipeline.sync.full_reads import is_full_read_due
from integrations_pipeline.sync.runtime import (
    Progress,
    Runtime,
    build_access,
    no_progress,
    parse_settings,
    place_of,
    read_mapping,
)
from integrations_pipeline.verify.compare import Certificate, News, Sides, compare

#: More records than this are not asked for one by one: what a full read tells of them counts.
MOST_ASKED = 1_000


def certify(runtime: Runtime, workspace: str, provider: str, progress: Progress = no_progress) -> Certificate:
    """Compare both sides of a connection in full. The result, or what kept it from being had, is in
    `integration_activity`; raises `IntegrationError` where a read fails."""
    spec = runtime.spec(provider)
    if not is_verifiable(spec):
        raise ConfigurationError(f"{provider} is a mailbox and keeps no address book: there is nothing to verify")
    with runtime.database.admin() as connection:
        workspace_id = workspaces.find_workspace(connection, workspace).id
    with runtime.database.workspace(workspace_id) as connection:
        row = connections.find_connection(connection, workspace_id, provider)
    try:
        certificate = _certified(runtime, spec, row, progress)
    except IntegrationError as error:
        _record(runtime, row, Activity(**_told(row), success=False, error_message=str(error)))
        raise
    counts = {**certificate.to_dict(), "differing": certificate.differing_count, "connection_id": str(row.id)}
    activity = Activity(
        **_told(row),
        success=not certificate.differing,
        records_affected=certificate.differing_count,
        metadata=counts,
    )
    _record(runtime, row, activity)
    return certificate


def is_verifiable(spec: ProviderSpec) -> bool:
    """Whether the provider keeps people as an address book does, so that there are two sides."""
    return spec.contacts is not None


def _told(row: ConnectionRow) -> dict[str, Any]:
    return {"integration_name": row.integration_type, "action": verification.ACTION}


def _record(runtime: Runtime, row: ConnectionRow, activity: Activity) -> None:
    with runtime.database.workspace(row.workspace_id) as connection:
        sync_log.record_activity(connection, row.workspace_id, activity)


def _certified(runtime: Runtime, spec: ProviderSpec, row: ConnectionRow, progress: Progress) -> Certificate:
    settings = parse_settings(spec, row.settings)
    with runtime.database.workspace(row.workspace_id) as connection:
        mapping = read_mapping(connection, spec, settings, row.id)
    access = build_access(runtime, row, mapping, is_read_only=True)
    reader = _Reader(
        runtime=runtime,
        spec=spec,
        row=row,
        settings=settings,
        mapping=mapping,
        provider=access.contacts,
        progress=progress,
    )
    try:
        sides = reader.read()
        found = compare(sides)
        # What differs is looked at once more: a read may have been older than an edit, or than a sync beside it.
        return compare(reader.read_again(sides, found)) if found.differing else found
    finally:
        access.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    runtime: Runtime
    spec: ProviderSpec
    row: ConnectionRow
    settings: ConnectionSettings
    mapping: Collection[MappedField]
    provider: Provider
    progress: Progress

    def read(self) -> Sides:
        """Here, there, what the next sync would be told, and here again: in this order an edit that lands meanwhile is
        either told or seen to have moved something."""
        with self.runtime.database.workspace(self.row.workspace_id) as connection:
            before = verification.read_marks(connection, self.row.workspace_id, self.row.id)
        records = self._all_records()
        news = self._news()
        after = self._local()
        missing = [link.external_id for link in after.links.values() if link.external_id not in records]
        looked = self.provider.looked
        return Sides(
            before=before,
            after=after,
            records=self._asked(records, missing),
            news=news,
            rules=[mapped.rule for mapped in self.mapping],
            silent=frozenset({**(self.row.cursor or {}).get("silent", {}), **(looked.silent if looked else {})}),
            writable=frozenset(side for side in Side if self.spec.capabilities.directions.allows(side)),
        )

    def read_again(self, sides: Sides, found: Certificate) -> Sides:
        """The same with a second look at the records that differ."""
        suspects = sorted({each.external_id for each in found.differing if each.external_id})
        records = self._asked(sides.records, suspects)
        news = self._news()
        return replace(sides, records=records, news=news, after=self._local())

    def _local(self) -> LocalState:
        row, seconds = self.row, self.spec.capabilities.propagation_seconds
        with self.runtime.database.workspace(row.workspace_id) as connection:
            return verification.read_local(connection, row.workspace_id, row.id, seconds)

    def _all_records(self) -> dict[str, RemoteRecord]:
        records: dict[str, RemoteRecord] = {}
        for page in self.provider.read_all():
            _fold(records, page)
            self.progress("read", len(records), 0)
        return records

    def _asked(self, records: Mapping[str, RemoteRecord], external_ids: Collection[str]) -> dict[str, RemoteRecord]:
        """The records with these as they are now: a listing may have been cut short, or be older than an edit."""
        found, wanted = dict(records), list(external_ids)
        if len(wanted) > MOST_ASKED:
            return found
        size = self.spec.capabilities.max_read_batch
        for start in range(0, len(wanted), size):
            _fold(found, self.provider.read_records(wanted[start : start + size]))
        return found

    def _news(self) -> News:
        cursor = self.row.cursor or {}
        if self._is_compared_anew(cursor):
            return News(is_everything=True, is_anew=True)
        if is_full_read_due(self.row.last_full_at, self.runtime.clock(), self.spec):
            return News(is_everything=True)
        try:
            return _gathered(self.provider.read_changes(cursor["remote"]))
        except CursorExpiredError:
            return News(is_everything=True)

    def _is_compared_anew(self, cursor: Mapping[str, Any]) -> bool:
        """Whether the next sync compares everything with everything, whatever has changed."""
        if not cursor.get("remote"):
            return True
        now = {
            "place": place_of(self.settings),
            "columns": {m.name: [m.column, m.direction.value] for m in self.mapping},
        }
        return "configuration" in cursor and cursor["configuration"] != now


def _fold(records: dict[str, RemoteRecord], page: Page) -> None:
    records.update({record.external_id: record for record in page.records})
    for external_id in page.tombstones:
        records.pop(external_id, None)


def _gathered(pages: Iterable[Page]) -> News:
    fields: dict[str, frozenset[str] | None] = {}
    gone: set[str] = set()
    is_everything, tells_deletes = False, True
    for page in pages:
        is_everything |= page.is_complete
        tells_deletes &= page.is_certain
        for record in page.records:
            before = fields.get(record.external_id, frozenset())
            is_whole = not record.is_partial or before is None
            fields[record.external_id] = None if is_whole else frozenset({*(before or ()), *record.fields})
        gone |= page.tombstones
    return News(
        fields=fields, gone=frozenset(gone), tells_deletes=tells_deletes or is_everything, is_everything=is_everything
    )
