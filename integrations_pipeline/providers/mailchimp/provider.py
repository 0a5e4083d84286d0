"""Mailchimp as a provider: reading, incremental reading, rechecking, checking.

Belongs here: `MailchimpProvider`, which joins client, members and writer. Does not: their details. Limits
and oddities are told in docs/providers/mailchimp.md.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from integrations_pipeline.errors import CursorExpiredError
from integrations_pipeline.model import Change, ContactValues, MappedField, Outcome
from integrations_pipeline.providers.base import (
    CheckReport,
    ConnectionSettings,
    Cursor,
    Page,
    PathId,
    ProviderContext,
    RemoteRecord,
)
from integrations_pipeline.providers.batches import created
from integrations_pipeline.providers.columns import SchemaLook
from integrations_pipeline.providers.mailchimp import wire
from integrations_pipeline.providers.mailchimp.answers import email_key
from integrations_pipeline.providers.mailchimp.audience import AudienceFields
from integrations_pipeline.providers.mailchimp.check import MailchimpCheck
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.limits import API_URL
from integrations_pipeline.providers.mailchimp.members import (
    ARCHIVED,
    Member,
    Reader,
    external_id,
    moves_from,
    read_time,
    tags_text,
    unknown_statuses,
    write_time,
)
from integrations_pipeline.providers.mailchimp.moving import put_half_made_aside
from integrations_pipeline.providers.mailchimp.readback import Following
from integrations_pipeline.providers.mailchimp.writer import MailchimpWriter

#: Times have whole seconds and come from several machines: an incremental read looks back by this much.
OVERLAP = timedelta(seconds=3)
#: A run that wrote more members than a page waits so long before it reads on, so that the next run need not
#: read its writes again.
REST_SECONDS = 4.0
#: So many members are asked for one by one rather than looked for in a list.
FEW = 10
#: Mailchimp's clock and the database's may differ so much.
CLOCKS_APART = timedelta(minutes=10)


class MailchimpSettings(ConnectionSettings):
    """`list_id`: the audience; `status_if_new`: of members made by a sync. The default mails nobody.
    `skip_merge_validation`: updates of members go through although a merge field that became required is empty."""

    manners: ClassVar[frozenset[str]] = frozenset({"status_if_new", "skip_merge_validation"})

    list_id: PathId
    status_if_new: Literal["transactional", "subscribed", "unsubscribed", "pending"] = "transactional"
    skip_merge_validation: bool = True


class MailchimpProvider:
    """One audience with one key or token; implements `providers.base.Provider`."""

    def __init__(self, context: ProviderContext) -> None:
        self._settings = MailchimpSettings.model_validate(dict(context.settings))
        self._mapping = tuple(context.mapping)
        self._client = MailchimpClient(context, api_url=context.addresses[API_URL], list_id=self._settings.list_id)
        self._schema = AudienceFields(self._client, self._mapping, context.known)
        #: Members as read in this run one by one; of pages only the names of three words and more: addresses are
        #: the changes', and memory is not to grow with the audience.
        self._seen: dict[str, Member] = {}
        #: Addresses of members that a dead run made for new e-mails, by the id of the old member, which is still there.
        self._half_made: dict[str, str] = {}
        #: Members that a recheck found there.
        self._alive: set[str] = set()
        #: The server's time when this run began to read.
        self._began_at: datetime | None = None
        self._following = Following(self._client)
        self._written = 0
        self._sleep = context.sleep or time.sleep

    @property
    def call_count(self) -> int:
        return self._client.http.call_count

    def check(self, values: ContactValues) -> CheckReport:
        return MailchimpCheck(client=self._client, fields=self._schema).report(values)

    def create_key_column(self) -> None:
        """Make the mapped merge fields that the audience lacks, as text fields."""
        self._schema.look()
        for tag in self._schema.missing():
            self._client.create_merge_field(tag)
        self._schema.forget()

    def look(self) -> SchemaLook:
        return self._schema.require()

    @property
    def looked(self) -> SchemaLook | None:
        return self._schema.looked

    def recently_edited(self, records: Sequence[RemoteRecord], seconds: float) -> frozenset[str]:
        now = self._client.http.server_time
        since = now - timedelta(seconds=seconds) if now else None
        return frozenset(
            each.external_id for each in records if since and each.modified_at and each.modified_at > since
        )

    def is_place_of(self, settings: Mapping[str, Any]) -> bool:
        return settings.get("list_id") == self._settings.list_id

    def read_all(self) -> Iterator[Page]:
        self._schema.require()
        self._begin()
        yield from self._pages(self._client.pages(), None, is_complete=True)

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        since = read_time(cursor.get("since"))
        if since is None:
            raise CursorExpiredError("the last read left no time to go on from: everything is read again")
        following = self._following
        self._begin()
        yield from self._pages(following.pages(since), since, is_complete=False)
        for members in self._client.archived(since):
            gone = frozenset(external_id(member) for member in members if member.get("status") == ARCHIVED)
            yield Page(tombstones=gone, cursor=self._cursor(since), tells_own_writes=True)

    def _begin(self) -> None:
        if self._written > wire.PAGE_SIZE:
            self._sleep(REST_SECONDS)
        self._written = 0
        self._began_at = None
        self._following = Following(self._client)

    def _pages(self, pages: Iterable[list[Member]], since: datetime | None, *, is_complete: bool) -> Iterator[Page]:
        latest = since
        for members in pages:
            self._began_at = self._began_at or self._client.http.server_time
            self._schema.require_values(members)
            times = [when for member in members if (when := read_time(member.get("last_changed")))]
            latest = max([*times, *([latest] if latest else [])], default=None)
            yield Page(
                records=self._records((member for member in members if self._is_there(member)), is_page=True),
                cursor=self._cursor(latest),
                is_complete=is_complete,
                tells_own_writes=True,
                notices=unknown_statuses(members),
            )

    def _is_there(self, member: Member) -> bool:
        """Whether it is somebody's record. One made for a new e-mail is not, as long as the old one is there."""
        key = moves_from(member)
        if key:
            old = self._client.member(key)
            if old is not None and old.get("status") != ARCHIVED:
                self._half_made[key] = str(member["email_address"])
                return False
        return member.get("status") != ARCHIVED

    def _cursor(self, latest: datetime | None) -> Cursor:
        """Where to go on: the server's time when reading began; without one, the latest change seen."""
        since = self._began_at or latest
        return {"since": write_time(since - OVERLAP)} if since else {}

    def _record(self, member: Member) -> RemoteRecord:
        return self._records([member])[0]

    def _records(self, members: Iterable[Member], *, is_page: bool = False) -> list[RemoteRecord]:
        reader, found = Reader.of(self._schema.mapping), []
        joined, seen = reader.joined, self._seen
        for member in members:
            record = reader.record(member)
            seen.pop(record.external_id, None)
            if not is_page:
                seen[record.external_id] = member
            for name in joined:
                # Where a name of three words and more is split only the member tells.
                if is_page and name in record.fields and record.fields[name].count(" ") > 1:
                    seen[record.external_id] = {"merge_fields": reader.parts(member, joined)}
            if int(member.get("tags_count") or 0) > len(member.get("tags") or []):
                tags = self._client.all_tags(str(member["email_address"]))
                record = replace(record, fields={**record.fields, "tags": tags_text(tags)})
            found.append(record)
        return found

    def read_records(self, external_ids: Sequence[str]) -> Page:
        """One request each: Mailchimp lists no members by id."""
        found: dict[str, RemoteRecord] = {}
        for key in external_ids:
            member = self._client.member(key)
            if member is not None and member.get("status") != ARCHIVED:
                self._schema.require_values([member])
                found[key] = self._record(member)
        return Page(records=tuple(found.values()), tombstones=frozenset(set(external_ids) - found.keys()))

    def find_created(self, changes: Sequence[Change], since: datetime) -> Mapping[str, RemoteRecord]:
        """By e-mail: few one by one, many by the members changed since. One that is archived is nobody's."""
        self._schema.require()
        emails = {email for each in changes if (email := each.after.get("email", "").strip().lower())}
        if len(emails) <= FEW:
            members = [found for email in sorted(emails) if (found := self._client.member(wire.member_hash(email)))]
        else:
            pages = self._client.pages(since - CLOCKS_APART)
            members = [each for page in pages for each in page if email_key(each) in emails]
        there = [each for each in members if each.get("status") != ARCHIVED]
        self._schema.require_values(there)
        return created(changes, map(self._record, there))

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
            self._schema.require_values(members)
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
        self._schema.require()
        self._following = Following(self._client, read_time(self._cursor(None).get("since")))

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        writer = MailchimpWriter(
            client=self._client,
            mapping=self._writable(),
            known=self._schema.fields,
            status_if_new=self._settings.status_if_new,
            seen=self._seen,
            alive=self._alive,
            following=self._following,
            skips_validation=self._settings.skip_merge_validation,
        )
        self._written += len(batch)
        put_half_made_aside(self._client, batch, self._half_made)
        return writer.write(batch)

    def close(self) -> None:
        self._client.close()

    def _writable(self) -> list[MappedField]:
        return [mapped for mapped in self._schema.mapping if mapped.rule.to_remote]
