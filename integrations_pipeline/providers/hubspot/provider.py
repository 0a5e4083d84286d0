"""HubSpot as a provider: reading, incremental reading, rechecking, checking.

Belongs here: `HubSpotProvider`, which joins client, properties, search and writer. Does not: their details. Limits and
oddities are told in docs/providers/hubspot.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from integrations_pipeline.errors import CursorExpiredError, WrongAnswerError
from integrations_pipeline.model import Change, ContactValues, MappedField, Outcome
from integrations_pipeline.providers.base import (
    CheckReport,
    ConnectionSettings,
    Cursor,
    Page,
    ProviderContext,
    RemoteRecord,
)
from integrations_pipeline.providers.batches import chunks, created
from integrations_pipeline.providers.columns import SchemaLook
from integrations_pipeline.providers.hubspot import values, wire
from integrations_pipeline.providers.hubspot.check import HubSpotCheck, require_portal
from integrations_pipeline.providers.hubspot.client import Contact, HubSpotClient
from integrations_pipeline.providers.hubspot.limits import API_URL
from integrations_pipeline.providers.hubspot.properties import MODIFIED, ContactProperties, names_of
from integrations_pipeline.providers.hubspot.values import Shown
from integrations_pipeline.providers.hubspot.walking import modified_since, read_time
from integrations_pipeline.providers.hubspot.writer import HubSpotWriter

#: The search index lags by seconds to minutes, and tells changes out of order: a read looks back so far. What it read
#: there before, and has not changed since, is not read again.
OVERLAP = timedelta(minutes=10)
#: A date so young may be another edit's, too, by another of HubSpot's clocks: that contact is read again once more.
SAME_MOMENT = timedelta(seconds=2)
#: So many modification dates are remembered from one read to the next; whoever is not among them is read again.
MOST_KNOWN = 2000
#: HubSpot's clock and ours may differ so much.
CLOCKS_APART = timedelta(minutes=10)


def _account_id(value: str) -> str:
    if value and not (value.isascii() and value.isdecimal()):
        raise ValueError("is no account's id: it holds digits only, as HubSpot shows it (Hub ID)")
    return value


class HubSpotSettings(ConnectionSettings):
    """`portal_id`: the account's id (Hub ID): a token of another one is refused. Without it any token's will do."""

    portal_id: Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_account_id)] = ""


class HubSpotProvider:
    """One account with one token; implements `providers.base.Provider`."""

    def __init__(self, context: ProviderContext) -> None:
        self._settings = HubSpotSettings.model_validate(dict(context.settings))
        self._account = context.account
        self._client = HubSpotClient(context, api_url=context.addresses[API_URL], names=names_of(context.mapping))
        self._properties = ContactProperties(self._client, context.mapping, context.known)
        #: Properties of contacts that were asked for by id in this run: how names are split, who is opted out.
        self._seen: dict[str, Shown] = {}

    @property
    def call_count(self) -> int:
        return self._client.call_count

    def check(self, values: ContactValues) -> CheckReport:
        check = HubSpotCheck(client=self._client, fields=self._properties, portal_id=self._settings.portal_id)
        return check.report(values)

    def look(self) -> SchemaLook:
        if self._properties.looked is None:
            require_portal(self._client, self._settings.portal_id)
        return self._properties.require()

    @property
    def looked(self) -> SchemaLook | None:
        return self._properties.looked

    def recently_edited(self, records: Sequence[RemoteRecord], seconds: float) -> frozenset[str]:
        now = self._client.server_time
        since = now - timedelta(seconds=seconds) if now else None
        return frozenset(
            each.external_id for each in records if since and each.modified_at and each.modified_at > since
        )

    def is_place_of(self, settings: Mapping[str, Any]) -> bool:
        """Told by the account's id alone; a connection that names none may be of any."""
        other = str(settings.get("portal_id") or "")
        return bool(other) and other == (self._settings.portal_id or self._client.portal_id())

    # Reading everything

    def read_all(self) -> Iterator[Page]:
        """By the list, which goes by id and does not lag; the cursor begins before the first page."""
        self.look()
        since: datetime | None = None
        known: dict[str, str] = {}
        after = ""
        seen: set[str] = set()
        while after not in seen:
            seen.add(after)
            contacts, after = self._client.page(after)
            since = since or self._overlapped()
            known |= _settled(_dates(contacts), since)
            yield Page(records=self._records(contacts), cursor=_cursor(since, known), is_complete=True)
            if not after:
                return
        raise WrongAnswerError("HubSpot's list of contacts leads back to a page that was read")

    # Reading changes

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        """The archive first, a page of it per read and on from there; then whom the search finds, read by id, because
        the search may still show their old values. Of those that were merged, the ids that are gone."""
        since = read_time(cursor.get("since"))
        if since is None:
            raise CursorExpiredError("the last read left no time to go on from: everything is read again")
        archived, bin_after = self._client.page(str(cursor.get("bin") or ""), is_archived=True)
        following = self._overlapped() or since
        yield Page(tombstones=frozenset(each["id"] for each in archived if each.get("archived") is True))
        found = modified_since(self._client.search, since)
        before: Mapping[str, str] = cursor.get("known") or {}
        wanted = {key for key, date in found.items() if before.get(key) != date}
        known = {key: date for key, date in found.items() if key not in wanted}
        for chosen in chunks(sorted(wanted), wire.BATCH):
            contacts, gone = self._read(chosen)
            known |= _dates(contacts)
            yield Page(records=self._records(contacts), tombstones=gone | _merged(contacts))
        yield Page(cursor=_cursor(following, _settled(known, following), bin_after))

    def _overlapped(self) -> datetime | None:
        """Where the next read begins, by HubSpot's clock at the first answer of this one."""
        now = self._client.server_time
        return now - OVERLAP if now else None

    # Reading some

    def read_records(self, external_ids: Sequence[str]) -> Page:
        """By id; one that was merged is gone, and comes as what it became besides."""
        contacts: list[Contact] = []
        tombstones: frozenset[str] = frozenset()
        for chosen in chunks(list(dict.fromkeys(external_ids)), wire.BATCH):
            found, gone = self._read(chosen)
            contacts += found
            tombstones |= gone
        return Page(records=self._records(contacts), tombstones=tombstones)

    def _read(self, ids: Sequence[str]) -> tuple[list[Contact], frozenset[str]]:
        """Contacts by id, and those of the ids that are gone by evidence: named as such, taken in by another one, or
        not found by a question of its own."""
        contacts, gone = self._client.read(ids)
        found = {each["id"]: each for each in contacts if each.get("archived") is not True}
        merged = set(ids) & _merged(contacts)
        for key in sorted(set(ids) - found.keys() - gone - merged):
            contact = self._client.one(key)
            if contact is not None and contact.get("archived") is not True:
                found[contact["id"]] = contact
        self._seen |= {key: values.shown_of(each) for key, each in found.items()}
        return list(found.values()), frozenset(set(ids) - found.keys())

    def find_created(self, changes: Sequence[Change], since: datetime) -> Mapping[str, RemoteRecord]:
        """By e-mail. A contact that is older than the first of these creates is nobody's of them."""
        self._properties.require()
        emails = sorted({email for each in changes if (email := each.after.get("email", "").strip().lower())})
        found: list[Contact] = []
        for chosen in chunks(emails, wire.BATCH):
            found += self._client.read(chosen, by_email=True)[0]
        young = [each for each in found if _is_young(each, since)]
        return created(changes, self._records(young))

    def recheck(self, external_ids: Sequence[str]) -> Page:
        return self.read_records(external_ids)

    # Writing

    def prepare_write(self) -> None:
        self.look()

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        writer = HubSpotWriter(
            client=self._client,
            mapping=self._writable(),
            known=self._properties.definitions,
            seen=self._seen,
        )
        return writer.write(batch)

    def close(self) -> None:
        self._client.close()

    def _writable(self) -> list[MappedField]:
        return [mapped for mapped in self._properties.mapping if mapped.rule.to_remote]

    def _records(self, contacts: Iterable[Contact]) -> list[RemoteRecord]:
        mapping = self._properties.mapping
        return [values.record_of(each, mapping) for each in contacts]


def _cursor(since: datetime | None, known: Mapping[str, str], bin_after: str = "") -> Cursor:
    """`known`: modification dates of those already read whom the next read finds again, the latest of them."""
    if since is None:
        return {}
    latest = sorted(known.items(), key=lambda each: each[1])[-MOST_KNOWN:]
    return {"since": since.isoformat(), "known": dict(latest), "bin": bin_after}


def _dates(contacts: Iterable[Contact]) -> dict[str, str]:
    return {each["id"]: str(values.shown_of(each)[MODIFIED] or "") for each in contacts}


def _settled(dates: Mapping[str, str], since: datetime | None) -> dict[str, str]:
    """Those that the next read, which begins at `since`, finds again, without those of the last moment."""
    if since is None:
        return {}
    until = since + OVERLAP - SAME_MOMENT
    return {key: date for key, date in dates.items() if (when := read_time(date)) and since <= when < until}


def _merged(contacts: Iterable[Contact]) -> frozenset[str]:
    """Ids that others took in. The winner may be among the losers of an earlier merge, never of its own."""
    return frozenset(key for each in contacts for key in values.merged_ids(each["properties"]) if key != each["id"])


def _is_young(contact: Contact, since: datetime) -> bool:
    """Whether a contact may have been made at that time or later."""
    made_at = read_time(contact.get("createdAt"))
    return made_at is None or made_at > since - CLOCKS_APART
