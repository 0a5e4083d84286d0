"""Airtable's change feed: polled webhook payloads, folded into records and tombstones.

Belongs here: webhook bookkeeping and the pure folding of payloads. Does not: reading tables (`provider`).
Source: https://airtable.com/developers/web/api/list-webhook-payloads. Payloads are kept for 7 days and
listing them keeps the webhook alive, so a connection that syncs weekly or oftener never loses its feed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations_pipeline.errors import (
    CursorExpiredError,
    InDoubtError,
    NeedsAttentionError,
    PermanentError,
)
from integrations_pipeline.providers.airtable import wire
from integrations_pipeline.providers.airtable.client import AirtableClient
from integrations_pipeline.providers.base import Cursor

MODE = "webhook"
#: Without a feed: up to this many records, reading everything costs no more calls than an incremental read may.
SMALL_TABLE = 2 * wire.PAGE_SIZE
#: A webhook expires 7 days after it was made or its payloads were last listed (API reference, "Webhooks"),
#: less a margin. An expired one still answers, but tells nothing of what happened since.
LIFETIME = timedelta(days=6, hours=12)


def specification(table_id: str) -> dict[str, Any]:
    """What our webhook watches: cells and records of one table, whoever changes them."""
    return {"options": {"filters": {"dataTypes": ["tableData"], "recordChangeScope": table_id}}}


def open_feed(client: AirtableClient, table_id: str) -> Cursor | None:
    """A cursor at the feed's present end, or None where the token may not use webhooks.

    A webhook of ours for the same table is used again: payloads are read by cursor, so readers do not
    disturb one another, and a base allows only 10.
    """
    try:
        return _reopen(client, table_id) or _cursor(client.create_webhook(specification(table_id)), 1)
    except InDoubtError:
        # It may have been made; if not, this read goes on without, and the next full one tries again.
        return _reopen(client, table_id)
    except (NeedsAttentionError, PermanentError):
        return None


def _reopen(client: AirtableClient, table_id: str) -> Cursor | None:
    for hook in client.webhooks():
        if is_ours(hook, table_id):
            return _cursor(str(hook["id"]), int(hook.get("cursorForNextPayload", 1)))
    return None


def is_outlived(cursor: Cursor, now: datetime | None) -> bool:
    """Whether the webhook may have expired since the feed was last read: then it kept silent about edits."""
    fed_at = cursor.get("fed_at")
    return now is not None and fed_at is not None and now - datetime.fromisoformat(str(fed_at)) > LIFETIME


def fed(cursor: Cursor, now: datetime | None) -> Cursor:
    """The cursor with the provider's time of this reading, which prolonged the webhook's life."""
    return {**cursor, "fed_at": now.isoformat()} if now else cursor


def is_ours(hook: Mapping[str, Any], table_id: str) -> bool:
    """Whether a webhook of the base is one that a sync of this table made, and still tells what happens."""
    return bool(hook.get("isHookEnabled", True)) and was_ours(hook, table_id)


def was_ours(hook: Mapping[str, Any], table_id: str) -> bool:
    """The same, whether or not it has expired."""
    is_polled = not hook.get("notificationUrl")
    return is_polled and hook.get("specification") == specification(table_id)


def _cursor(webhook_id: str, payload_cursor: int) -> Cursor:
    return {"mode": MODE, "webhook_id": webhook_id, "payload_cursor": payload_cursor}


def read_payloads(client: AirtableClient, cursor: Cursor) -> Iterator[tuple[list[Mapping[str, Any]], int]]:
    """Pages of (payloads, next payload cursor); `CursorExpiredError` if the webhook is gone."""
    position = int(cursor["payload_cursor"])
    while True:
        try:
            body = client.payloads(str(cursor["webhook_id"]), position)
        except PermanentError as error:
            raise CursorExpiredError("Airtable's webhook is gone: everything is read again") from error
        except wire.DeniedError as error:
            raise CursorExpiredError("the token may not read Airtable's webhook: everything is read") from error
        payloads = body.get("payloads", [])
        if any(payload.get("error") for payload in payloads):
            raise CursorExpiredError("Airtable's webhook reports a gap: everything is read again")
        following = int(body["cursor"])
        if following - position != len(payloads):
            # Payloads are numbered one by one: some were left out, cut off or dropped after their 7 days.
            raise CursorExpiredError("Airtable's webhook reports a gap: everything is read again")
        position = following
        yield payloads, position
        if not body.get("mightHaveMore"):
            return


@dataclass(slots=True)
class FoldedFeed:
    """What a run of payloads comes to: cells by record and column id, the last value of each; `edited_at`: when a
    record was last touched, where the payload tells it."""

    changed: dict[str, dict[str, Any]] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    destroyed: set[str] = field(default_factory=set)
    edited_at: dict[str, datetime] = field(default_factory=dict)

    def add(self, payloads: Iterable[Mapping[str, Any]], table_id: str) -> None:
        """Fold payloads in, oldest first, as Airtable lists them."""
        for payload in payloads:
            table = (payload.get("changedTablesById") or {}).get(table_id) or {}
            created, changed = table.get("createdRecordsById") or {}, table.get("changedRecordsById") or {}
            for record_id, made in created.items():
                self._create(record_id, made.get("cellValuesByFieldId") or {})
            for record_id, change in changed.items():
                cells = (change.get("current") or {}).get("cellValuesByFieldId") or {}
                self.changed.setdefault(record_id, {}).update(cells)
            if (moment := _moment(payload.get("timestamp"))) is not None:
                self.edited_at |= dict.fromkeys([*created, *changed], moment)
            self._destroy(table.get("destroyedRecordIds") or [])

    def _create(self, record_id: str, cells: Mapping[str, Any]) -> None:
        self.destroyed.discard(record_id)
        self.created.add(record_id)
        self.changed[record_id] = dict(cells)

    def _destroy(self, record_ids: Sequence[str]) -> None:
        for record_id in record_ids:
            self.changed.pop(record_id, None)
            self.created.discard(record_id)
            self.destroyed.add(record_id)


def _moment(text: Any) -> datetime | None:
    """The time of a payload, aware; None where it tells none."""
    try:
        found = datetime.fromisoformat(str(text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None
