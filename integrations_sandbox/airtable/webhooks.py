"""Webhooks: subscriptions to what happens in a base, read by polling their payloads.

Belongs here: their life span, their filters, payloads and cursors.
Does not belong here: HTTP and permissions. Notifications are not sent: a `notificationUrl` is only kept.

Life span: 7 days from creation, from a refresh and from every reading of payloads. After that no payload is
added, but those that exist can be read for 7 more days; then the webhook is gone. A payload is kept 7 days.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations_sandbox.airtable import errors
from integrations_sandbox.airtable.cells import CellReader
from integrations_sandbox.airtable.computed import computed_cells
from integrations_sandbox.airtable.model import Base, Field, Record, Table
from integrations_sandbox.airtable.writing import CellChange, Outcome
from integrations_sandbox.stage import IdSource, iso
from integrations_sandbox.wire import JsonObject

LIFE = timedelta(days=7)
MOST_PER_BASE = 10
MOST_PER_OAUTH_CLIENT = 2
MOST_PAYLOADS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did something: `source` is `publicApi` or `client` (a person in the app)."""

    source: str
    user_id: str

    def to_json(self) -> JsonObject:
        user = {
            "id": self.user_id,
            "email": f"{self.user_id.lower()}@example.com",
            "permissionLevel": "create",
        }
        return {"source": self.source, "sourceMetadata": {"user": user}}


@dataclass(frozen=True, slots=True)
class _Kept:
    cursor: int
    at: datetime
    payload: JsonObject


@dataclass(slots=True)
class Webhook:
    """`owner` is the OAuth client that made it, None for personal tokens."""

    id: str
    owner: str | None
    specification: JsonObject
    notification_url: str | None
    expires_at: datetime
    next_cursor: int = 1
    is_notifying: bool = True
    kept: list[_Kept] = field(default_factory=list)

    def is_enabled(self, now: datetime) -> bool:
        return now < self.expires_at

    def to_json(self, now: datetime) -> JsonObject:
        document: JsonObject = {
            "id": self.id,
            "specification": self.specification,
            "notificationUrl": self.notification_url,
            "cursorForNextPayload": self.next_cursor,
            "areNotificationsEnabled": self.is_notifying,
            "lastSuccessfulNotificationTime": None,
            "lastNotificationResult": None,
            "isHookEnabled": self.is_enabled(now),
            "expirationTime": iso(self.expires_at),
        }
        return document

    def add(self, payload: JsonObject, now: datetime) -> None:
        self.kept.append(_Kept(self.next_cursor, now, payload))
        self.next_cursor += 1

    @property
    def filters(self) -> JsonObject:
        filters: JsonObject = self.specification["options"]["filters"]
        return filters

    @property
    def includes(self) -> JsonObject:
        return self.specification["options"].get("includes") or {}


class Webhooks:
    """The webhooks of all bases."""

    def __init__(self, ids: IdSource) -> None:
        self._ids = ids
        self._by_base: dict[str, dict[str, Webhook]] = {}

    def create(self, base: Base, document: JsonObject, owner: str | None, now: datetime) -> JsonObject:
        """Assumed: types and wording of the refusals; the limits are documented."""
        specification = checked_specification(document)
        hooks = self._live(base, now)
        owned = [hook for hook in hooks.values() if owner is not None and hook.owner == owner]
        if len(hooks) >= MOST_PER_BASE or len(owned) >= MOST_PER_OAUTH_CLIENT:
            raise errors.refusal(422, "TOO_MANY_WEBHOOKS", "The base has reached its number of webhooks")
        hook = Webhook(
            id=self._ids.new("ach"),
            owner=owner,
            specification=specification,
            notification_url=document.get("notificationUrl"),
            expires_at=now + LIFE,
        )
        hooks[hook.id] = hook
        secret = base64.b64encode(self._ids.new("", 32).encode()).decode()
        return {"id": hook.id, "macSecretBase64": secret, "expirationTime": iso(hook.expires_at)}

    def list(self, base: Base, owner: str | None, now: datetime) -> JsonObject:
        hooks = self._live(base, now).values()
        return {"webhooks": [hook.to_json(now) for hook in hooks if owner in (None, hook.owner)]}

    def find(self, base: Base, hook_id: str, owner: str | None, now: datetime) -> Webhook:
        """An OAuth client finds only its own. Raises 404 for all others and for what is gone."""
        hook = self._live(base, now).get(hook_id)
        if hook is None or owner not in (None, hook.owner):
            raise errors.schema_not_found()
        return hook

    def refresh(self, hook: Webhook, now: datetime) -> JsonObject:
        if not hook.is_enabled(now):
            # Assumed: an expired webhook cannot be brought back, only replaced.
            raise errors.schema_not_found()
        hook.expires_at = now + LIFE
        return {"expirationTime": iso(hook.expires_at)}

    def delete(self, base: Base, hook: Webhook) -> None:
        del self._by_base[base.id][hook.id]

    def payloads(self, hook: Webhook, cursor: int, limit: int, now: datetime) -> JsonObject:
        """Assumed: payloads that are too old are skipped silently; a cursor ahead of all answers nothing."""
        if hook.is_enabled(now):
            hook.expires_at = now + LIFE
        hook.kept = [kept for kept in hook.kept if now - kept.at < LIFE]
        rest = [kept for kept in hook.kept if kept.cursor >= cursor]
        page = rest[:limit]
        return {
            "payloads": [kept.payload for kept in page],
            "cursor": page[-1].cursor + 1 if page else max(cursor, hook.next_cursor),
            "mightHaveMore": len(rest) > limit,
            "payloadFormat": "v0",
        }

    def publish(self, transaction: "Transaction", now: datetime) -> None:
        """Gives every live webhook of the base its view of what happened, if its filters leave anything."""
        base = transaction.base
        base.transaction_number += 1
        for hook in self._live(base, now).values():
            changes = hook_changes(hook, transaction) if hook.is_enabled(now) else None
            if changes:
                hook.add(_envelope(base, now, transaction.actor, transaction.table, changes), now)

    def publish_error(self, base: Base, code: str, now: datetime) -> None:
        """A payload that says that Airtable could not make one, for every live webhook of the base."""
        base.transaction_number += 1
        envelope = {
            "timestamp": iso(now),
            "baseTransactionNumber": base.transaction_number,
            "payloadFormat": "v0",
            "error": True,
            "code": code,
        }
        for hook in self._live(base, now).values():
            if hook.is_enabled(now):
                hook.add(envelope, now)

    def has_listeners(self, base: Base, now: datetime) -> bool:
        return any(hook.is_enabled(now) for hook in self._live(base, now).values())

    def _live(self, base: Base, now: datetime) -> dict[str, Webhook]:
        hooks = self._by_base.setdefault(base.id, {})
        for hook_id in [each.id for each in hooks.values() if now >= each.expires_at + LIFE]:
            del hooks[hook_id]
        return hooks


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChanges:
    """What happened to columns; `changed` by field id, as `changedFieldsById` tells it."""

    created: tuple[Field, ...] = ()
    changed: Mapping[str, JsonObject] = field(default_factory=dict)
    destroyed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What one request, or one act of a person, did to one table."""

    base: Base
    table: Table
    outcome: Outcome
    reader: CellReader
    actor: Actor
    fields: FieldChanges = field(default_factory=FieldChanges)
    tells_computed: bool = True


def checked_specification(document: JsonObject) -> JsonObject:
    specification: JsonObject = _member(document, "specification")
    filters = _member(_member(specification, "options"), "filters")
    if not filters.get("dataTypes"):
        raise errors.invalid_request("specification.options.filters.dataTypes is required")
    return specification


def _member(document: JsonObject, key: str) -> JsonObject:
    """A member that must be an object; a missing one reads as an empty one."""
    member = document.get(key, {})
    if not isinstance(member, dict):
        raise errors.invalid_request(f"{key} must be an object")
    return member


def hook_changes(hook: Webhook, transaction: Transaction) -> JsonObject:
    """The part of a transaction that a webhook asked for, as in `changedTablesById`; may be empty."""
    filters, table = hook.filters, transaction.table
    scopes = (None, table.id, *(view.id for view in table.views))
    if filters.get("recordChangeScope") not in scopes:
        return {}
    if transaction.actor.source not in (filters.get("fromSources") or [transaction.actor.source]):
        return {}
    return {key: value for key, value in _parts(hook, transaction) if value}


def _parts(hook: Webhook, transaction: Transaction) -> Iterator[tuple[str, Any]]:
    filters = hook.filters
    kinds = filters.get("changeTypes") or ["add", "remove", "update"]
    if "tableFields" in filters["dataTypes"]:
        yield from _field_parts(transaction, kinds)
    if "tableData" not in filters["dataTypes"]:
        return
    outcome = transaction.outcome
    if "add" in kinds:
        records = transaction.table.records
        yield "createdRecordsById", {each: _created(transaction, records[each]) for each in outcome.created}
    if "update" in kinds:
        changed = {change.record_id: _changed(hook, transaction, change) for change in outcome.changes}
        yield "changedRecordsById", {key: value for key, value in changed.items() if value}
    if "remove" in kinds:
        yield "destroyedRecordIds", list(outcome.destroyed)


def _field_parts(transaction: Transaction, kinds: list[str]) -> Iterator[tuple[str, Any]]:
    if "add" in kinds:
        yield "createdFieldsById", {each.id: described(each) for each in transaction.fields.created}
    if "update" in kinds:
        yield "changedFieldsById", dict(transaction.fields.changed)
    if "remove" in kinds:
        yield "destroyedFieldIds", list(transaction.fields.destroyed)


def described(column: Field) -> JsonObject:
    return {"name": column.name, "type": column.type}


def field_changes(before: Mapping[str, JsonObject], table: Table) -> FieldChanges:
    """What became of the columns of a table, given how each was described before."""
    after = {each.id: each for each in table.fields}
    return FieldChanges(
        created=tuple(each for each in table.fields if each.id not in before),
        changed={key: _difference(old, after[key]) for key, old in before.items() if _has_changed(old, after.get(key))},
        destroyed=tuple(key for key in before if key not in after),
    )


def _has_changed(before: JsonObject, column: Field | None) -> bool:
    return column is not None and described(column) != before


def _difference(before: JsonObject, column: Field) -> JsonObject:
    now = described(column)
    changed = [key for key in now if now[key] != before[key]]
    return {"current": {key: now[key] for key in changed}, "previous": {key: before[key] for key in changed}}


def _created(transaction: Transaction, record: Record) -> JsonObject:
    cells = record.cells
    if transaction.tells_computed:
        computed = computed_cells(transaction.reader, [record])[record.id]
        cells = cells | {key: value for key, value in computed.items() if value is not None}
    return {"createdTime": iso(record.created_at), "cellValuesByFieldId": _cells(transaction, cells)}


def _changed(hook: Webhook, transaction: Transaction, change: CellChange) -> JsonObject | None:
    watched = hook.filters.get("watchDataInFieldIds") or list(change.after)
    after = {key: value for key, value in change.after.items() if key in watched}
    if not after:
        return None
    document = {"current": {"cellValuesByFieldId": _cells(transaction, after)}}
    if hook.includes.get("includePreviousCellValues"):
        before = {key: change.before[key] for key in after}
        document["previous"] = {"cellValuesByFieldId": _cells(transaction, before)}
    included = hook.includes.get("includeCellValuesInFieldIds")
    if included:
        cells = transaction.table.records[change.record_id].cells
        rest = {key: cells[key] for key in cells if key not in after and (included == "all" or key in included)}
        document["unchanged"] = {"cellValuesByFieldId": _cells(transaction, rest)}
    return document


def _cells(transaction: Transaction, cells: dict[str, Any]) -> JsonObject:
    columns = {column.id: column for column in transaction.table.fields}
    return {key: transaction.reader.hook_value(columns[key], value) for key, value in cells.items() if key in columns}


def _envelope(base: Base, now: datetime, actor: Actor, table: Table, changes: JsonObject) -> JsonObject:
    return {
        "timestamp": iso(now),
        "baseTransactionNumber": base.transaction_number,
        "payloadFormat": "v0",
        "actionMetadata": actor.to_json(),
        "changedTablesById": {table.id: changes},
    }
