"""Mailchimp as a provider: reading, incremental reading, rechecking, checking.

Belongs here: `MailchimpProvider`, which joins client, members and writer. Does not: their details. Limits
and oddities are told in docs/providers/mailchimp.md.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from integrations_pipeline.errors import ConfigurationError, CursorExpiredError
from integrations_pipeline.model import Change, MappedField, Outcome
from integrations_pipeline.providers.base import (
    CheckReport,
    ConnectionSettings,
    Cursor,
    Page,
    ProviderContext,
    RemoteRecord,
)
from integrations_pipeline.providers.mailchimp import fields, wire
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.members import (
    ARCHIVED,
    Member,
    external_id,
    read_time,
    tags_text,
    to_record,
    write_time,
)
from integrations_pipeline.providers.mailchimp.writer import MailchimpWriter

API_URL = "INTEGRATIONS_MAILCHIMP_API_URL"
#: Times have whole seconds and come from several machines: an incremental read looks back by this much.
OVERLAP = timedelta(seconds=3)
#: A run that wrote more members than a page waits so long before it reads on, so that the next run need not
#: read its writes again.
REST_SECONDS = 4.0


class MailchimpSettings(ConnectionSettings):
    """`list_id`: the audience; `status_if_new`: of members made by a sync. The default mails nobody."""

    manners: ClassVar[frozenset[str]] = frozenset({"status_if_new"})

    list_id: str = Field(min_length=1)
    status_if_new: Literal["transactional", "subscribed", "unsubscribed", "pending"] = "transactional"


class MailchimpProvider:
    """One audience with one key or token; implements `providers.base.Provider`."""

    def __init__(self, context: ProviderContext) -> None:
        self._settings = MailchimpSettings.model_validate(dict(context.settings))
        self._mapping = tuple(context.mapping)
        self._client = MailchimpClient(context, api_url=context.addresses[API_URL], list_id=self._settings.list_id)
        self._known: dict[str, fields.MergeField] | None = None
        #: Members as read in this run: their addresses, and how their names are split.
        self._seen: dict[str, Member] = {}
        #: Members that a recheck found there.
        self._alive: set[str] = set()
        #: The server's time when this run began to read.
        self._began_at: datetime | None = None
        self._written = 0
        self._sleep = context.sleep or time.sleep

    @property
    def call_count(self) -> int:
        return self._client.http.call_count

    def check(self) -> CheckReport:
        try:
            self._client.audience()
        except ConfigurationError as error:
            return CheckReport(problems=(str(error),))
        known = self._read_schema()
        problems = self._missing(known) if known else []
        required = [each.tag for each in known.values() if each.is_required and each.tag not in self._tags()]
        notes = (
            [f"the audience requires {', '.join(required)}, which is not mapped: new members will be refused"]
            if required
            else []
        )
        return CheckReport(problems=tuple(problems), notes=tuple(notes))

    def create_key_column(self) -> None:
        """Make the mapped merge fields that the audience lacks, as text fields."""
        known = self._read_schema()
        for tag in self._tags():
            if tag not in known:
                self._client.create_merge_field(tag)
        self._known = None

    def read_all(self) -> Iterator[Page]:
        self._require_schema()
        self._begin()
        yield from self._pages(self._client.pages(), None, is_complete=True)

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        since = read_time(cursor.get("since"))
        if since is None:
            raise CursorExpiredError("the last read left no time to go on from: everything is read again")
        self._begin()
        yield from self._pages(self._client.pages(since), since, is_complete=False)
        for members in self._client.archived(since):
            gone = frozenset(external_id(member) for member in members if member.get("status") == ARCHIVED)
            yield Page(tombstones=gone, cursor=self._cursor(since), tells_own_writes=True)

    def _begin(self) -> None:
        if self._written > wire.PAGE_SIZE:
            self._sleep(REST_SECONDS)
        self._written = 0
        self._began_at = None

    def _pages(self, pages: Iterable[list[Member]], since: datetime | None, *, is_complete: bool) -> Iterator[Page]:
        latest = since
        for members in pages:
            self._began_at = self._began_at or self._client.http.server_time
            times = [when for member in members if (when := read_time(member.get("last_changed")))]
            latest = max([*times, *([latest] if latest else [])], default=None)
            yield Page(
                records=[self._record(member) for member in members if member.get("status") != ARCHIVED],
                cursor=self._cursor(latest),
                is_complete=is_complete,
                tells_own_writes=True,
            )

    def _cursor(self, latest: datetime | None) -> Cursor:
        """Where to go on: the server's time when reading began; without one, the latest change seen."""
        since = self._began_at or latest
        return {"since": write_time(since - OVERLAP)} if since else {}

    def _record(self, member: Member) -> RemoteRecord:
        record = to_record(member, self._mapping)
        self._seen[record.external_id] = member
        if int(member.get("tags_count") or 0) <= len(member.get("tags") or []):
            return record
        tags = self._client.all_tags(str(member["email_address"]))
        return replace(record, fields={**record.fields, "tags": tags_text(tags)})

    def read_records(self, external_ids: Sequence[str]) -> Page:
        """One request each: Mailchimp lists no members by id."""
        found: dict[str, RemoteRecord] = {}
        for key in external_ids:
            member = self._client.member(key)
            if member is not None and member.get("status") != ARCHIVED:
                found[key] = self._record(member)
        return Page(records=tuple(found.values()), tombstones=frozenset(set(external_ids) - found.keys()))

    def recheck(self, external_ids: Sequence[str]) -> Page:
        """Whoever changed or was archived since this run began to read; the others are as they were."""
        page = self._recheck(external_ids)
        self._alive |= page.unchanged | {record.external_id for record in page.records}
        return page

    def _recheck(self, external_ids: Sequence[str]) -> Page:
        if self._began_at is None or len(external_ids) <= 1:
            return self.read_records(external_ids)
        wanted, since = set(external_ids), self._began_at - OVERLAP
        changed: dict[str, RemoteRecord] = {}
        for members in self._client.pages(since):
            changed |= {key: self._record(each) for each in members if (key := external_id(each)) in wanted}
        gone: set[str] = set()
        for members in self._client.archived(since):
            gone |= wanted & {external_id(each) for each in members}
        return Page(
            records=[record for key, record in changed.items() if key not in gone],
            tombstones=frozenset(gone),
            unchanged=frozenset(wanted - changed.keys() - gone),
        )

    def prepare_write(self) -> None:
        self._require_schema()

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        writer = MailchimpWriter(
            client=self._client,
            mapping=self._writable(),
            known=self._known or {},
            status_if_new=self._settings.status_if_new,
            seen=self._seen,
            alive=self._alive,
        )
        self._written += len(batch)
        return writer.write(batch)

    def close(self) -> None:
        self._client.close()

    def _writable(self) -> list[MappedField]:
        return [mapped for mapped in self._mapping if mapped.rule.to_remote]

    def _tags(self) -> list[str]:
        return [tag for mapped in self._mapping for tag in fields.tags_of(mapped)]

    def _require_schema(self) -> None:
        """Mailchimp ignores merge tags that it does not know, and would never agree: better to say so."""
        if self._known is None:
            problems = self._missing(self._read_schema())
            if problems:
                more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
                raise ConfigurationError(problems[0] + more)

    def _read_schema(self) -> dict[str, fields.MergeField]:
        documents = self._client.merge_fields()
        self._known = fields.merge_fields(documents) if documents is not None else {}
        return self._known

    def _missing(self, known: Mapping[str, Any]) -> list[str]:
        if not known:
            return []
        return [
            f"the audience has no merge field {tag}: make it there or with `integrations connections add mailchimp "
            "--create-field`, or leave it out of field_mapping"
            for tag in self._tags()
            if tag not in known
        ]
