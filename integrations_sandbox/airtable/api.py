"""Airtable's public Web API: admission, routes, and one handler per endpoint.

Belongs here: reading requests, permissions, limits, the documents that go back.
Does not belong here: what the operations do (`reading`, `writing`, `webhooks`, `schema`), sockets.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from integrations_sandbox.airtable import errors, reading, writing
from integrations_sandbox.airtable.cell_input import CellWriter
from integrations_sandbox.airtable.cells import is_empty
from integrations_sandbox.airtable.limits import BASE_RATE, TOKEN_RATE
from integrations_sandbox.airtable.model import Base, Record, Table
from integrations_sandbox.airtable.reading import ListQuery
from integrations_sandbox.airtable.state import BASE_ID, Airtable, Token, record_json
from integrations_sandbox.airtable.webhooks import MOST_PAYLOADS, Actor
from integrations_sandbox.faults import FaultRule
from integrations_sandbox.wire import JsonObject, Reply, Request, Route, WireError, find_route

#: A URL of this length or more is refused.
URL_LIMIT = 16_000
MOST_RECORDS = 10
#: The permission levels that a user needs besides the token's scope.
_LEVELS = {"data.records:write": ("edit", "create"), "schema.bases:write": ("create",)}


class AirtableApi:
    """Answers requests whose `segments` begin with `v0`."""

    def __init__(self, airtable: Airtable) -> None:
        self.airtable = airtable
        self.routes = (
            Route(method="GET", template="v0/meta/whoami", handler=self.whoami),
            Route(method="GET", template="v0/meta/bases", handler=self.list_bases),
            Route(method="GET", template="v0/meta/bases/{}/tables", handler=self.list_tables),
            Route(method="POST", template="v0/meta/bases/{}/tables", handler=self.create_table),
            Route(method="POST", template="v0/meta/bases/{}/tables/{}/fields", handler=self.create_field),
            Route(method="PATCH", template="v0/meta/bases/{}/tables/{}/fields/{}", handler=self.update_field),
            Route(method="GET", template="v0/bases/{}/webhooks", handler=self.list_webhooks),
            Route(method="POST", template="v0/bases/{}/webhooks", handler=self.create_webhook),
            Route(method="DELETE", template="v0/bases/{}/webhooks/{}", handler=self.delete_webhook),
            Route(method="POST", template="v0/bases/{}/webhooks/{}/refresh", handler=self.refresh_webhook),
            Route(method="GET", template="v0/bases/{}/webhooks/{}/payloads", handler=self.list_payloads),
            Route(method="POST", template="v0/bases/{}/webhooks/{}/enableNotifications", handler=self.notify),
            Route(method="GET", template="v0/{}/{}", handler=self.list_records),
            Route(method="POST", template="v0/{}/{}/listRecords", handler=self.post_list_records),
            Route(method="POST", template="v0/{}/{}", handler=self.create_records),
            Route(method="PATCH", template="v0/{}/{}", handler=self.update_records),
            Route(method="PUT", template="v0/{}/{}", handler=self.update_records),
            Route(method="DELETE", template="v0/{}/{}", handler=self.delete_records),
            Route(method="GET", template="v0/{}/{}/{}", handler=self.get_record),
            Route(method="PATCH", template="v0/{}/{}/{}", handler=self.update_record),
            Route(method="PUT", template="v0/{}/{}/{}", handler=self.update_record),
            Route(method="DELETE", template="v0/{}/{}/{}", handler=self.delete_record),
        )

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        """Answers one request; `fault` is the rule that hits it, if its action is one of Airtable's own."""
        action = fault.action if fault else ""
        try:
            self._admit(request, segments, action)
            answer = find_route(self.routes, request, segments)
            if answer is None:
                raise errors.bare_not_found()
            reply = answer()
        except WireError as error:
            return Reply(status=error.status, body=error.body)
        return _cut_page(reply, action)

    # Admission

    def _admit(self, request: Request, segments: Sequence[str], action: str) -> None:
        """Length, token, limits, in this order. Assumed: the order."""
        if request.url_length >= URL_LIMIT:
            raise errors.url_too_long()
        token = self.airtable.token(request.token)
        self._count(token, segments, action)
        if action == "expire_iterators":
            self.airtable.iterators.expire_all()

    def _count(self, token: Token, segments: Sequence[str], action: str) -> None:
        now, limiter = self.airtable.stage.clock.now(), self.airtable.limiter
        rates = {f"user {token.user_id}": TOKEN_RATE}
        base_id = next((each for each in segments if BASE_ID.fullmatch(each)), None)
        if base_id:
            rates[f"base {base_id}"] = BASE_RATE
        if action == "rate_limit":
            limiter.punish(list(rates)[-1], now)
            raise errors.rate_limit_reached()
        if not limiter.admit(rates, now):
            raise errors.rate_limit_reached()
        if action == "billing_limit":
            raise errors.billing_limit_exceeded()

    def _base(self, request: Request, base_id: str, *scopes: str) -> tuple[Base, Token]:
        """The base, if the token may see it, holds the scopes and its user may do that there; a malformed id answers
        404. Assumed: that a user's level is looked at after the scopes, and answered so."""
        token = self.airtable.token(request.token)
        if not BASE_ID.fullmatch(base_id):
            raise errors.bare_not_found()
        base = self.airtable.find_base(base_id)
        if base is None or not token.reaches(base_id) or not token.scopes.issuperset(scopes):
            raise errors.no_permission_or_model()
        if any(token.permission not in _LEVELS.get(scope, (token.permission,)) for scope in scopes):
            raise errors.no_permission()
        return base, token

    def _schema_base(self, request: Request, base_id: str, scope: str) -> tuple[Base, Token]:
        """As `_base`, but the schema calls answer 404 for what they may not show."""
        try:
            return self._base(request, base_id, scope)
        except WireError as error:
            raise error if error.status == 404 else errors.schema_not_found() from error

    def _table(self, request: Request, base_id: str, table: str, scope: str) -> tuple[Table, Actor]:
        base, token = self._base(request, base_id, scope)
        found = base.table(table)
        if found is None:
            raise self.airtable.missing_table(base_id, table)
        return found, Actor(source="publicApi", user_id=token.user_id)

    # Schema

    def whoami(self, request: Request) -> Reply:
        token = self.airtable.token(request.token)
        scopes = {"scopes": sorted(token.scopes)} if token.oauth_client else {}
        return Reply(body={"id": token.user_id} | scopes)

    def list_bases(self, request: Request) -> Reply:
        token = self.airtable.token(request.token)
        if "schema.bases:read" not in token.scopes:
            raise errors.no_permission_or_model()
        bases = [base for base in self.airtable.bases if token.reaches(base.id)]
        start, size = _position(request.value("offset")), self.airtable.options.bases_page_size
        page = bases[start : start + size]
        level = token.permission
        body: JsonObject = {"bases": [{"id": base.id, "name": base.name, "permissionLevel": level} for base in page]}
        if start + size < len(bases):
            body["offset"] = f"itr{start + size}"
        return Reply(body=body)

    def list_tables(self, request: Request, base_id: str) -> Reply:
        base, _ = self._schema_base(request, base_id, "schema.bases:read")
        return Reply(body={"tables": [table.to_json() for table in base.tables.values()]})

    def create_table(self, request: Request, base_id: str) -> Reply:
        self._schema_base(request, base_id, "schema.bases:write")
        document = _document(request)
        name, fields = document.get("name"), document.get("fields")
        if not isinstance(name, str) or not isinstance(fields, list):
            raise errors.invalid_request("a table needs a name and at least one field")
        table = self.airtable.create_table(
            base_id,
            name,
            fields,
            description=document.get("description"),
            by_person=False,
        )
        return Reply(body=table.to_json())

    def create_field(self, request: Request, base_id: str, table: str) -> Reply:
        base, token = self._schema_base(request, base_id, "schema.bases:write")
        if base.table(table) is None:
            raise errors.schema_not_found()
        actor = Actor(source="publicApi", user_id=token.user_id)
        return Reply(body=self.airtable.create_field(base_id, table, _document(request), actor=actor).to_json())

    def update_field(self, request: Request, base_id: str, table: str, column: str) -> Reply:
        """Name and description; the type of a column changes in the app only."""
        base, token = self._schema_base(request, base_id, "schema.bases:write")
        found, document = base.table(table), _document(request)
        field = None if found is None else found.field(column)
        if field is None:
            raise errors.schema_not_found()
        if "name" in document:
            actor = Actor(source="publicApi", user_id=token.user_id)
            self.airtable.rename_field(base_id, table, field.id, str(document["name"]), actor=actor)
        field.description = document.get("description", field.description)
        return Reply(body=field.to_json())

    # Reading

    def list_records(self, request: Request, base_id: str, table: str) -> Reply:
        found, _ = self._table(request, base_id, table, "data.records:read")
        return self._page(base_id, found, reading.query_from_url(request))

    def post_list_records(self, request: Request, base_id: str, table: str) -> Reply:
        found, _ = self._table(request, base_id, table, "data.records:read")
        return self._page(base_id, found, reading.query_from_json(_document(request), request))

    def _page(self, base_id: str, table: Table, query: ListQuery) -> Reply:
        reader = self.airtable.reader(base_id, table.id)
        columns = reading.columns_of(table, query.fields)
        iterators = self.airtable.iterators
        if query.offset:
            page, offset = iterators.resume(table, query.offset, query.page_size)
        else:
            record_ids = reading.select_ids(table, query, reader)
            if self.airtable.options.shuffle_pages and not query.sort and not query.view:
                self.airtable.stage.ids.shuffle(record_ids)
            page, offset = iterators.page(table, record_ids, query.page_size)
        records = [table.records[each] for each in page if each in table.records]
        body: JsonObject = {"records": [self._listed(reader, record, columns, query) for record in records]}
        return Reply(body=body | ({"offset": offset} if offset else {}))

    @staticmethod
    def _listed(reader: Any, record: Record, columns: list[Any], query: ListQuery) -> JsonObject:
        document = record_json(reader, record, columns, by_id=query.is_by_id)
        if query.is_text:
            texts = ((column, reader.text(column, record)) for column in columns)
            document["fields"] = {
                (column.id if query.is_by_id else column.name): text for column, text in texts if not is_empty(text)
            }
        return document | ({"commentCount": 0} if query.has_comment_count else {})

    def get_record(self, request: Request, base_id: str, table: str, record_id: str) -> Reply:
        found, _ = self._table(request, base_id, table, "data.records:read")
        record = _record(found, record_id)
        by_id = reading.is_yes(request.value("returnFieldsByFieldId"))
        reader = self.airtable.reader(base_id, found.id)
        return Reply(body=record_json(reader, record, found.fields, by_id=by_id))

    # Writing

    def _writer(self, request: Request, base_id: str, table: Table, document: JsonObject) -> CellWriter:
        """For this request; an option that does not exist is a column's configuration, which takes a creator."""
        writer = self.airtable.writer(base_id, table.id, is_typecast=reading.is_yes(document.get("typecast")))
        writer.may_configure = self.airtable.token(request.token).permission == "create"
        return writer

    def create_records(self, request: Request, base_id: str, table: str) -> Reply:
        found, actor = self._table(request, base_id, table, "data.records:write")
        document = _document(request)
        items = _items(document, "created") if "records" in document else [document]
        writer = self._writer(request, base_id, found, document)
        outcome = self.airtable.apply(writer, writing.plan_creates(writer, items), actor)
        shown = self._shown(base_id, found, document, outcome.records)
        return Reply(body={"records": shown} if "records" in document else shown[0])

    def update_records(self, request: Request, base_id: str, table: str) -> Reply:
        found, actor = self._table(request, base_id, table, "data.records:write")
        document = _document(request)
        items, is_replace = _items(document, "updated"), request.method == "PUT"
        writer = self._writer(request, base_id, found, document)
        upsert = document.get("performUpsert")
        if upsert is None:
            edits = writing.plan_updates(writer, items, is_replace)
        else:
            merge_on = upsert.get("fieldsToMergeOn") if isinstance(upsert, dict) else None
            edits = writing.plan_upserts(writer, items, merge_on, is_replace)
        outcome = self.airtable.apply(writer, edits, actor)
        body: JsonObject = {"records": self._shown(base_id, found, document, outcome.records)}
        if upsert is not None:
            body |= {"createdRecords": outcome.created, "updatedRecords": outcome.updated}
        return Reply(body=body)

    def update_record(self, request: Request, base_id: str, table: str, record_id: str) -> Reply:
        found, actor = self._table(request, base_id, table, "data.records:write")
        _record(found, record_id)
        document = _document(request)
        writer = self._writer(request, base_id, found, document)
        edit = writing.plan_update(writer, document | {"id": record_id}, request.method == "PUT")
        outcome = self.airtable.apply(writer, [edit], actor)
        return Reply(body=self._shown(base_id, found, document, outcome.records)[0])

    def delete_records(self, request: Request, base_id: str, table: str) -> Reply:
        found, actor = self._table(request, base_id, table, "data.records:write")
        record_ids = request.values("records[]") + request.values("records")
        if not record_ids:
            raise errors.invalid_request("records[] must name the records to delete")
        if len(record_ids) > MOST_RECORDS:
            raise errors.too_many_records("deleted", len(record_ids))
        outcome = self.airtable.remove(base_id, found, record_ids, actor)
        return Reply(body={"records": [{"id": each, "deleted": True} for each in outcome.destroyed]})

    def delete_record(self, request: Request, base_id: str, table: str, record_id: str) -> Reply:
        found, actor = self._table(request, base_id, table, "data.records:write")
        _record(found, record_id)
        self.airtable.remove(base_id, found, [record_id], actor)
        return Reply(body={"id": record_id, "deleted": True})

    def _shown(self, base_id: str, table: Table, document: JsonObject, records: list[Record]) -> list[JsonObject]:
        by_id = reading.is_yes(document.get("returnFieldsByFieldId"))
        reader = self.airtable.reader(base_id, table.id)
        return [record_json(reader, record, table.fields, by_id=by_id) for record in records]

    # Webhooks

    def list_webhooks(self, request: Request, base_id: str) -> Reply:
        base, token = self._base(request, base_id, "webhook:manage")
        return Reply(body=self.airtable.webhooks.list(base, token.oauth_client, self._now()))

    def create_webhook(self, request: Request, base_id: str) -> Reply:
        base, token = self._base(request, base_id, "webhook:manage", "data.records:read")
        if not self.airtable.options.allows_webhooks or token.permission != "create":
            raise errors.no_permission()
        document = _document(request)
        return Reply(body=self.airtable.webhooks.create(base, document, token.oauth_client, self._now()))

    def refresh_webhook(self, request: Request, base_id: str, hook_id: str) -> Reply:
        base, token = self._base(request, base_id, "webhook:manage")
        hook = self.airtable.webhooks.find(base, hook_id, token.oauth_client, self._now())
        return Reply(body=self.airtable.webhooks.refresh(hook, self._now()))

    def delete_webhook(self, request: Request, base_id: str, hook_id: str) -> Reply:
        base, token = self._base(request, base_id, "webhook:manage")
        hook = self.airtable.webhooks.find(base, hook_id, token.oauth_client, self._now())
        self.airtable.webhooks.delete(base, hook)
        return Reply(body=None)

    def notify(self, request: Request, base_id: str, hook_id: str) -> Reply:
        base, token = self._base(request, base_id, "webhook:manage")
        hook = self.airtable.webhooks.find(base, hook_id, token.oauth_client, self._now())
        hook.is_notifying = bool(_document(request).get("enable"))
        return Reply(body=None)

    def list_payloads(self, request: Request, base_id: str, hook_id: str) -> Reply:
        base, token = self._base(request, base_id, "webhook:manage")
        hook = self.airtable.webhooks.find(base, hook_id, token.oauth_client, self._now())
        cursor, limit = (
            _position(request.value("cursor"), 1),
            _position(request.value("limit"), MOST_PAYLOADS),
        )
        if cursor < 1 or not 1 <= limit <= MOST_PAYLOADS:
            raise errors.invalid_request("cursor or limit is out of range")
        return Reply(body=self.airtable.webhooks.payloads(hook, cursor, limit, self._now()))

    def _now(self) -> Any:
        return self.airtable.stage.clock.now()


def _document(request: Request) -> JsonObject:
    try:
        document = request.json()
    except ValueError as error:
        raise errors.invalid_json() from error
    if not isinstance(document, dict):
        raise errors.invalid_json()
    return document


def _items(document: JsonObject, verb: str) -> list[Any]:
    items = document.get("records")
    if not isinstance(items, list) or not items:
        raise errors.invalid_request("records must be a list of one to ten records")
    if len(items) > MOST_RECORDS:
        raise errors.too_many_records(verb, len(items))
    return items


def _record(table: Table, record_id: str) -> Record:
    if record_id not in table.records:
        raise errors.record_not_found()
    return table.records[record_id]


def _position(text: str | None, default: int = 0) -> int:
    """A whole number, also from an offset such as `itr2000`."""
    if not text:
        return default
    try:
        return int(text.removeprefix("itr"))
    except ValueError as error:
        raise errors.invalid_request("not a whole number") from error


def _cut_page(reply: Reply, action: str) -> Reply:
    """What `truncate_page` and `empty_page` leave of a list: fewer or no records, and no sign of it."""
    if action not in ("truncate_page", "empty_page") or "records" not in (reply.body or {}):
        return reply
    records = reply.body["records"]
    return replace(reply, body={"records": records[: len(records) // 2] if action == "truncate_page" else []})
