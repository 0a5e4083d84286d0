"""What a base is made of: tables, fields, views, records.

Belongs here: the stored shapes, look-up by id or name, and the JSON that the schema calls return.
Does not belong here: rules about cell values, tokens, webhooks, HTTP.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations_sandbox.airtable.index import KeyIndexes
from integrations_sandbox.wire import JsonObject

#: Stands for every record in the outputs of a column.
ALL = "*"


@dataclass(slots=True)
class Field:
    """One column. `options` has Airtable's shape for the type; select choices are kept in it. `outputs` are what a
    computed column shows in place of its own result, by record id, or in all records under `ALL`; None is empty."""

    id: str
    name: str
    type: str
    options: JsonObject | None = None
    description: str | None = None
    outputs: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        document: JsonObject = {"type": self.type, "id": self.id, "name": self.name}
        if self.description is not None:
            document["description"] = self.description
        if self.options is not None:
            document["options"] = self.options
        return document

    @property
    def choices(self) -> list[JsonObject]:
        """The select choices (`id`, `name`, `color`), in their order; the list may be extended."""
        if self.options is None:
            self.options = {}
        choices: list[JsonObject] = self.options.setdefault("choices", [])
        return choices

    def has_output(self, record_id: str) -> bool:
        return record_id in self.outputs or ALL in self.outputs

    def output(self, record_id: str) -> Any:
        return self.outputs[record_id] if record_id in self.outputs else self.outputs.get(ALL)


@dataclass(slots=True)
class Record:
    """One row. `cells` holds what is not empty, by field id; `modified_at` when each field last changed."""

    id: str
    number: int
    created_at: datetime
    cells: dict[str, Any] = field(default_factory=dict)
    modified_at: dict[str, datetime] = field(default_factory=dict)

    @property
    def last_modified_at(self) -> datetime:
        """Assumed: a record that was never changed counts as modified when it was created."""
        return max(self.modified_at.values(), default=self.created_at)


@dataclass(slots=True)
class View:
    """A named view; `formula` limits it to the records for which the formula is true."""

    id: str
    name: str
    formula: str | None = None

    def to_json(self) -> JsonObject:
        return {"id": self.id, "name": self.name, "type": "grid"}


@dataclass(slots=True)
class Table:
    """Fields in column order, the first being the primary one; records in order of creation."""

    id: str
    name: str
    fields: list[Field]
    views: list[View]
    description: str | None = None
    records: dict[str, Record] = field(default_factory=dict)
    record_count: int = 0
    indexes: KeyIndexes = field(default_factory=KeyIndexes)

    @property
    def primary(self) -> Field:
        return self.fields[0]

    def field(self, id_or_name: str) -> Field | None:
        """An id wins over a name; names are compared exactly."""
        by_id = next((each for each in self.fields if each.id == id_or_name), None)
        return by_id or next((each for each in self.fields if each.name == id_or_name), None)

    def view(self, id_or_name: str) -> View | None:
        return next((each for each in self.views if id_or_name in (each.id, each.name)), None)

    def to_json(self) -> JsonObject:
        document: JsonObject = {
            "id": self.id,
            "name": self.name,
            "primaryFieldId": self.primary.id,
            "fields": [each.to_json() for each in self.fields],
            "views": [each.to_json() for each in self.views],
        }
        return document if self.description is None else document | {"description": self.description}


@dataclass(slots=True)
class Base:
    id: str
    name: str
    tables: dict[str, Table] = field(default_factory=dict)
    transaction_number: int = 0

    def table(self, id_or_name: str) -> Table | None:
        if id_or_name in self.tables:
            return self.tables[id_or_name]
        return next((each for each in self.tables.values() if each.name == id_or_name), None)
