"""Airtable's Web API for one base: records, schema, whoami, and webhooks where the token may use them.

After airtable.com/developers/web/api. Belongs here: state, the wire, what cells do under `typecast`. Does not: rate
limits, views, OAuth.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from integrations_pipeline_tests.outsiders.imitation.airtable_cells import COMPUTED, NotForColumn, stored
from integrations_pipeline_tests.outsiders.imitation.formula import UnknownFormula, evaluate
from integrations_pipeline_tests.outsiders.imitation.http import Refused, Request, Service

MAX_RECORDS = 10
MAX_PAGE = 100
_NUMBERS = itertools.count(1)


def _new_id(prefix: str) -> str:
    return f"{prefix}{next(_NUMBERS):014d}"


def _error(status: int, kind: str, message: str = "") -> Refused:
    return Refused(status, {"error": {"type": kind, **({"message": message} if message else {})}})


@dataclass(kw_only=True)
class Column:
    """A column. `compute` makes a computed one's cells; `reads_back` alters what is stored, as some columns do."""

    name: str
    type: str = "singleLineText"
    id: str = field(default_factory=lambda: _new_id("fld"))
    options: dict[str, Any] = field(default_factory=dict)
    compute: Callable[["Record"], Any] | None = None
    reads_back: Callable[[Any], Any] | None = None


@dataclass(kw_only=True)
class Record:
    """A record; its cells by column id, empty ones left out."""

    id: str = field(default_factory=lambda: _new_id("rec"))
    cells: dict[str, Any] = field(default_factory=dict)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class _Looked:
    """A record as formulas see it."""

    table: "Table"
    record: Record

    @property
    def record_id(self) -> str:
        return self.record.id

    @property
    def modified(self) -> datetime:
        return self.record.modified

    @property
    def created(self) -> datetime:
        return self.record.created

    def value(self, name: str) -> Any:
        column = self.table.find(name)
        if column is None:
            raise KeyError(name)
        return self.table.cell(self.record, column)


@dataclass(kw_only=True)
class Table:
    """A table: its columns in order, its records in order."""

    name: str
    columns: list[Column]
    id: str = field(default_factory=lambda: _new_id("tbl"))
    records: list[Record] = field(default_factory=list)
    #: What webhooks tell: (record id, kind, column id or "", value, when).
    log: list[tuple[str, str, str, Any, datetime]] = field(default_factory=list)

    def find(self, name: str) -> Column | None:
        """By name or id."""
        return next((column for column in self.columns if name in (column.name, column.id)), None)

    def column(self, name: str) -> Column:
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def record(self, record_id: str) -> Record | None:
        return next((record for record in self.records if record.id == record_id), None)

    def cell(self, record: Record, column: Column) -> Any:
        return column.compute(record) if column.compute else record.cells.get(column.id)

    # What a person does in the grid.

    def add(self, **cells: Any) -> Record:
        record = self.insert(Record())
        self.edit(record, **cells)
        return record

    def insert(self, record: Record) -> Record:
        self.records.append(record)
        self.log.append((record.id, "created", "", None, datetime.now(UTC)))
        return record

    def remove(self, record: Record) -> None:
        self.records.remove(record)
        self.log.append((record.id, "destroyed", "", None, datetime.now(UTC)))

    def edit(self, record: Record, **cells: Any) -> None:
        """Write cells; names with `_` stand for those with a blank."""
        for name, value in cells.items():
            self.put(record, self.column(name.replace("_", " ")), value)

    def put(self, record: Record, column: Column, value: Any) -> None:
        if value in (None, "", [], False):
            record.cells.pop(column.id, None)
        else:
            record.cells[column.id] = value
        record.modified = datetime.now(UTC)
        self.log.append((record.id, "changed", column.id, record.cells.get(column.id), record.modified))

    def by(self, name: str, value: Any) -> Record:
        column = self.column(name)
        found = [record for record in self.records if self.cell(record, column) == value]
        if len(found) != 1:
            raise LookupError(f"{len(found)} records with this {name}")
        return found[0]

    def values(self, name: str) -> list[Any]:
        column = self.column(name)
        return [self.cell(record, column) for record in self.records]


def contacts_table(*more: Column) -> Table:
    """The table that the product's page describes, with its key column."""
    named = [Column(name=name) for name in ("Name", "Company", "Job Title", "Contact ID")]
    typed = [
        Column(name="Email", type="email"),
        Column(name="Phone", type="phoneNumber"),
        Column(name="Tags", type="multipleSelects", options={"choices": []}),
    ]
    return Table(name="Contacts", columns=[*named, *typed, *more])


@dataclass(kw_only=True)
class Airtable(Service):
    """One base. `may_use_webhooks` and `may_read_schema` are scopes of the token."""

    base_id: str = field(default_factory=lambda: _new_id("app"))
    token: str = "patImitation.token"
    table: Table = field(default_factory=contacts_table)
    others: list[Table] = field(default_factory=list)
    may_read_schema: bool = True
    may_use_webhooks: bool = False
    #: Every record is told without its values, as was seen for hours.
    is_hollow: bool = False
    _iterators: dict[str, tuple[list[Record], int]] = field(default_factory=dict)
    _webhooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    _began: dict[str, int] = field(default_factory=dict)

    routes: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("GET", r"/v0/meta/whoami/?", "whoami"),
        ("GET", r"/v0/meta/bases/?", "bases"),
        ("GET", r"/v0/meta/bases/([^/]+)/tables/?", "schema"),
        ("POST", r"/v0/meta/bases/([^/]+)/tables/([^/]+)/fields/?", "add_column"),
        ("GET", r"/v0/bases/([^/]+)/webhooks/?", "list_webhooks"),
        ("POST", r"/v0/bases/([^/]+)/webhooks/?", "add_webhook"),
        ("DELETE", r"/v0/bases/([^/]+)/webhooks/([^/]+)/?", "remove_webhook"),
        ("GET", r"/v0/bases/([^/]+)/webhooks/([^/]+)/payloads/?", "payloads"),
        ("POST", r"/v0/([^/]+)/([^/]+)/listRecords/?", "list_records"),
        ("GET", r"/v0/([^/]+)/([^/]+)/?", "list_records"),
        ("POST", r"/v0/([^/]+)/([^/]+)/?", "create"),
        ("PATCH", r"/v0/([^/]+)/([^/]+)/?", "update"),
        ("PUT", r"/v0/([^/]+)/([^/]+)/?", "update"),
        ("DELETE", r"/v0/([^/]+)/([^/]+)/?", "delete"),
        ("GET", r"/v0/([^/]+)/([^/]+)/([^/]+)/?", "get_one"),
        ("PATCH", r"/v0/([^/]+)/([^/]+)/([^/]+)/?", "update_one"),
        ("DELETE", r"/v0/([^/]+)/([^/]+)/([^/]+)/?", "delete_one"),
    )

    @property
    def records(self) -> list[Record]:
        return self.table.records

    def age(self, by: timedelta) -> None:
        with self.lock:
            for record in self.table.records:
                record.created -= by
                record.modified -= by

    def admit(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise _error(401, "AUTHENTICATION_REQUIRED", "Authentication required")

    # Meta.

    def whoami(self, _request: Request) -> Any:
        return {"id": "usrImitation00001"}

    def bases(self, _request: Request) -> Any:
        return {"bases": [{"id": self.base_id, "name": "CRM", "permissionLevel": "create"}]}

    def schema(self, _request: Request, base: str) -> Any:
        self._own(base)
        if not self.may_read_schema:
            raise _error(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
        return {"tables": [_table_json(table) for table in (self.table, *self.others)]}

    def add_column(self, request: Request, base: str, table: str) -> Any:
        found = self._table(base, table)
        told = request.json()
        column = Column(name=told["name"], type=told["type"], options=told.get("options", {}))
        found.columns.append(column)
        return _column_json(column)

    # Records.

    def list_records(self, request: Request, base: str, name: str) -> Any:
        table = self._table(base, name)
        told = request.json() if request.method == "POST" else _listing(request)
        size = min(int(told.get("pageSize") or MAX_PAGE), MAX_PAGE)
        records, at = self._position(table, told)
        page = records[at : at + size]
        answer: dict[str, Any] = {"records": [self._told(table, record, told) for record in page]}
        if at + size < len(records):
            token = f"itr{next(_NUMBERS)}/{page[-1].id}"
            self._iterators[token] = (records, at + size)
            answer["offset"] = token
        return answer

    def _position(self, table: Table, told: dict[str, Any]) -> tuple[list[Record], int]:
        for column in told.get("fields") or ():
            if table.find(column) is None:
                raise _error(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{column}"')
        if not told.get("offset"):
            chosen = list(self._filtered(table, told.get("filterByFormula") or ""))
            return chosen[: int(told.get("maxRecords") or len(chosen))], 0
        if told["offset"] not in self._iterators:
            raise _error(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
        return self._iterators[told["offset"]]

    def _filtered(self, table: Table, formula: str) -> Iterator[Record]:
        try:
            for record in table.records:
                if not formula or evaluate(formula, _Looked(table, record)):
                    yield record
        except UnknownFormula as problem:
            self.unknown.append(f"formula {formula[:200]}: {problem}")
            message = f"The formula for filtering records is invalid: {problem}"
            raise _error(422, "INVALID_FILTER_BY_FORMULA", message) from None

    def get_one(self, request: Request, base: str, name: str, record_id: str) -> Any:
        table = self._table(base, name)
        return self._told(table, self._record(table, record_id, 404), _listing(request))

    def create(self, request: Request, base: str, name: str) -> Any:
        table = self._table(base, name)
        told = request.json()
        if "records" not in told:
            return self._write(table, [(None, told.get("fields", {}))], told)[0]
        return {"records": self._write(table, [(None, each["fields"]) for each in self._few(told)], told)}

    def update(self, request: Request, base: str, name: str) -> Any:
        table = self._table(base, name)
        told = request.json()
        records = self._few(told)
        clears = request.method == "PUT"
        if "performUpsert" in told:
            return self._upsert(table, told, clears=clears)
        pairs: list[tuple[Record | None, dict[str, Any]]] = [
            (self._record(table, each.get("id", ""), 422), each["fields"]) for each in records
        ]
        return {"records": self._write(table, pairs, told, clears=clears)}

    def update_one(self, request: Request, base: str, name: str, record_id: str) -> Any:
        table = self._table(base, name)
        told = request.json()
        return self._write(table, [(self._record(table, record_id, 404), told.get("fields", {}))], told)[0]

    def _upsert(self, table: Table, told: dict[str, Any], *, clears: bool) -> Any:
        keys = told["performUpsert"].get("fieldsToMergeOn") or []
        if not 1 <= len(keys) <= 3:
            raise _error(422, "INVALID_REQUEST_UNKNOWN", "fieldsToMergeOn takes one to three fields")
        columns = [self._mergeable(table, key) for key in keys]
        pairs: list[tuple[Record | None, dict[str, Any]]] = []
        for each in told["records"]:
            if "id" in each:
                pairs.append((self._record(table, each["id"], 422), each["fields"]))
                continue
            wanted = [each["fields"].get(column.name, each["fields"].get(column.id)) for column in columns]
            found = [record for record in table.records if [record.cells.get(c.id) for c in columns] == wanted]
            if len(found) > 1:
                raise _error(422, "INVALID_RECORDS", "Cannot update more than one record with the same fields")
            pairs.append((found[0] if found else None, each["fields"]))
        is_new = [record is None for record, _ in pairs]
        records = self._write(table, pairs, told, clears=clears)
        return {
            "records": records,
            "createdRecords": [record["id"] for record, new in zip(records, is_new, strict=True) if new],
            "updatedRecords": [record["id"] for record, new in zip(records, is_new, strict=True) if not new],
        }

    def _mergeable(self, table: Table, key: str) -> Column:
        column = table.find(key)
        kinds = ("number", "singleLineText", "multilineText", "singleSelect", "multipleSelects", "date")
        if column is None:
            raise _error(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{key}"')
        if column.type not in kinds:
            raise _error(422, "INVALID_REQUEST_UNKNOWN", f'Field "{key}" cannot be merged on')
        return column

    def _write(
        self,
        table: Table,
        pairs: list[tuple[Record | None, dict[str, Any]]],
        told: dict[str, Any],
        *,
        clears: bool = False,
    ) -> list[dict[str, Any]]:
        """All or nothing: every cell is looked at before any is written."""
        ready = [(record, dict(self._cells(table, fields, told))) for record, fields in pairs]
        written = []
        for found, cells in ready:
            record = found or table.insert(Record())
            if clears:
                record.cells = {key: value for key, value in record.cells.items() if key in cells}
            for column_id, value in cells.items():
                table.put(record, table.column(column_id), value)
            record.modified = datetime.now(UTC)
            written.append(self._told(table, record, told))
        return written

    def _cells(self, table: Table, fields: dict[str, Any], told: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, value in fields.items():
            column = table.find(name)
            if column is None:
                raise _error(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')
            if column.type in COMPUTED:
                text = f'Field "{name}" cannot accept a value because the field is computed'
                raise _error(422, "INVALID_VALUE_FOR_COLUMN", text)
            try:
                cell = stored(column.type, column.options, value, typecast=bool(told.get("typecast")))
            except NotForColumn as problem:
                raise _error(422, problem.kind, f'Field "{name}" cannot accept the provided value') from None
            yield column.id, column.reads_back(cell) if column.reads_back and cell else cell

    def delete(self, request: Request, base: str, name: str) -> Any:
        table = self._table(base, name)
        ids = request.args("records")
        self._check_count(len(ids))
        gone = [self._record(table, record_id, 404) for record_id in ids]
        for record in gone:
            table.remove(record)
        return {"records": [{"deleted": True, "id": record.id} for record in gone]}

    def delete_one(self, _request: Request, base: str, name: str, record_id: str) -> Any:
        table = self._table(base, name)
        table.remove(self._record(table, record_id, 404))
        return {"deleted": True, "id": record_id}

    # Webhooks: polled; every change of a cell is a payload of its own. No notification address is ever called.

    def _may_hook(self, base: str) -> None:
        self._own(base)
        if not self.may_use_webhooks:
            raise _error(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")

    def list_webhooks(self, _request: Request, base: str) -> Any:
        self._may_hook(base)
        return {"webhooks": [*self._webhooks.values()]}

    def add_webhook(self, request: Request, base: str) -> Any:
        self._may_hook(base)
        expires = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        hook = {
            "id": _new_id("ach"),
            "specification": request.json()["specification"],
            "notificationUrl": None,
            "cursorForNextPayload": 1,
            "areNotificationsEnabled": False,
            "isHookEnabled": True,
            "expirationTime": expires,
        }
        self._began[hook["id"]] = len(self.table.log)
        self._webhooks[hook["id"]] = hook
        return {"id": hook["id"], "macSecretBase64": "c2VjcmV0", "expirationTime": expires}

    def remove_webhook(self, _request: Request, base: str, hook: str) -> Any:
        self._may_hook(base)
        if self._webhooks.pop(hook, None) is None:
            raise _error(404, "NOT_FOUND")
        return {}

    def payloads(self, request: Request, base: str, hook: str) -> Any:
        self._may_hook(base)
        if hook not in self._webhooks:
            raise _error(404, "NOT_FOUND")
        at, limit = int(request.arg("cursor", "1")), min(int(request.arg("limit", "50")), 50)
        entries = self.table.log[self._began[hook] + at - 1 :]
        payloads = [_payload(self.table, entry, number) for number, entry in enumerate(entries[:limit], at)]
        return {"payloads": payloads, "cursor": at + len(payloads), "mightHaveMore": len(entries) > limit}

    # What all of them use.

    def _own(self, base: str) -> None:
        if base != self.base_id:
            raise Refused(404, {"error": "NOT_FOUND"})

    def _table(self, base: str, name: str) -> Table:
        if base != self.base_id:
            raise _error(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
        for table in (self.table, *self.others):
            if name in (table.id, table.name):
                return table
        raise _error(404, "TABLE_NOT_FOUND", f"Could not find table {name} in application {base}")

    def _record(self, table: Table, record_id: str, status: int) -> Record:
        found = table.record(record_id)
        if found is not None:
            return found
        if status == 404:
            raise _error(404, "MODEL_ID_NOT_FOUND", "Record not found")
        raise _error(422, "ROW_DOES_NOT_EXIST", f"Record ID {record_id} does not exist in this table")

    def _few(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = told.get("records") or []
        self._check_count(len(records))
        return records

    def _check_count(self, count: int) -> None:
        if not 1 <= count <= MAX_RECORDS:
            message = f"A maximum of 10 records can be sent per request but you have provided {count}."
            raise _error(422, "INVALID_RECORDS", message)

    def _told(self, table: Table, record: Record, told: dict[str, Any]) -> dict[str, Any]:
        wanted = told.get("fields")
        by_id = str(told.get("returnFieldsByFieldId", "")).lower() in ("true", "1")
        fields = {}
        for column in table.columns:
            if isinstance(wanted, list) and column.name not in wanted and column.id not in wanted:
                continue
            value = table.cell(record, column)
            if value not in (None, "", [], False):
                fields[column.id if by_id else column.name] = value
        time = record.created.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return {"id": record.id, "createdTime": time, "fields": {} if self.is_hollow else fields}


def _listing(request: Request) -> dict[str, Any]:
    """The parameters of a GET in the names of `listRecords`."""
    told: dict[str, Any] = {key: value for key, value in request.query if not re.search(r"\[", key)}
    fields = request.args("fields")
    return {**told, **({"fields": fields} if fields else {})}


def _column_json(column: Column) -> dict[str, Any]:
    told: dict[str, Any] = {"id": column.id, "name": column.name, "type": column.type}
    return {**told, **({"options": column.options} if column.options else {})}


def _table_json(table: Table) -> dict[str, Any]:
    return {
        "id": table.id,
        "name": table.name,
        "primaryFieldId": table.columns[0].id,
        "fields": [_column_json(column) for column in table.columns],
        "views": [{"id": f"viw{table.id[3:]}", "name": "Grid view", "type": "grid"}],
    }


def _payload(table: Table, entry: tuple[str, str, str, Any, datetime], number: int) -> dict[str, Any]:
    record_id, kind, column_id, value, when = entry
    time = when.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    cells = {"cellValuesByFieldId": {column_id: value} if column_id else {}}
    kinds: dict[str, dict[str, Any]] = {
        "created": {"createdRecordsById": {record_id: {"createdTime": time, **cells}}},
        "changed": {"changedRecordsById": {record_id: {"current": cells}}},
        "destroyed": {"destroyedRecordIds": [record_id]},
    }
    return {
        "timestamp": time,
        "baseTransactionNumber": number,
        "payloadFormat": "v0",
        "actionMetadata": {"source": "client", "sourceMetadata": {"user": {"id": "usrImitation00001"}}},
        "changedTablesById": {table.id: kinds[kind]},
    }
