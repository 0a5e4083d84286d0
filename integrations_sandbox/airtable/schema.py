"""Making tables and fields from the documents that the schema calls take.

Belongs here: names, types and options of fields; the standard contacts table.
Does not belong here: records, HTTP, permissions.
"""

from typing import Any

from integrations_sandbox.airtable import errors
from integrations_sandbox.airtable.cell_input import WRITABLE_TYPES, make_choice
from integrations_sandbox.airtable.cells import COMPUTED_TYPES, SELECT_TYPES
from integrations_sandbox.airtable.model import Field, Table, View
from integrations_sandbox.stage import IdSource
from integrations_sandbox.wire import JsonObject

#: Options without which the API does not make a field of the type.
NEEDED_OPTIONS = {
    "number": "precision",
    "currency": "precision",
    "percent": "precision",
    "rating": "max",
    "singleSelect": "choices",
    "multipleSelects": "choices",
    "multipleRecordLinks": "linkedTableId",
}

SCORE_FORMULA = "IF({Email}, 50, 0) + IF({Phone}, 30, 0) + IF({Company}, 20, 0)"
CONTACT_FIELDS: tuple[JsonObject, ...] = (
    {"name": "Name", "type": "singleLineText"},
    {"name": "Email", "type": "email"},
    {"name": "Phone", "type": "phoneNumber"},
    {"name": "Company", "type": "singleLineText"},
    {"name": "Job Title", "type": "singleLineText"},
    {"name": "Tags", "type": "multipleSelects", "options": {"choices": []}},
    {"name": "Contact ID", "type": "singleLineText"},
    {"name": "Notes", "type": "multilineText"},
    {"name": "Score", "type": "formula", "options": {"formula": SCORE_FORMULA}},
)


def contact_fields(with_contact_id: bool) -> list[JsonObject]:
    return [each for each in CONTACT_FIELDS if with_contact_id or each["name"] != "Contact ID"]


def make_table(ids: IdSource, document: JsonObject, by_person: bool) -> Table:
    """A table with its fields and one grid view. `by_person` allows what only the app can make."""
    if not document.get("name") or not document.get("fields"):
        raise errors.invalid_request("a table needs a name and at least one field")
    table = Table(
        id=ids.new("tbl"),
        name=document["name"],
        fields=[],
        views=[View(ids.new("viw"), "Grid view")],
        description=document.get("description"),
    )
    for each in document["fields"]:
        add_field(ids, table, each, by_person)
    return table


def add_field(ids: IdSource, table: Table, document: Any, by_person: bool) -> Field:
    """Assumed: the types of these refusals. The API makes no computed fields; a person in the app does."""
    if not isinstance(document, dict):
        raise errors.invalid_request("a field must be an object")
    name, kind = document.get("name"), document.get("type")
    if not isinstance(name, str) or not name.strip() or table.field(name) is not None:
        raise errors.field_name_taken()
    check_type(kind)
    options = document.get("options")
    if not by_person:
        _check_for_api(kind, options)
    field = Field(ids.new("fld"), name, str(kind), stored_options(ids, kind, options), document.get("description"))
    table.fields.append(field)
    return field


def check_type(kind: Any) -> None:
    if not isinstance(kind, str) or kind not in WRITABLE_TYPES | COMPUTED_TYPES:
        raise errors.invalid_request(f"unknown field type {kind}")


def _check_for_api(kind: Any, options: Any) -> None:
    if kind in COMPUTED_TYPES:
        message = f"Creating {kind} fields is not supported at this time"
        raise errors.refusal(422, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE", message)
    needed = NEEDED_OPTIONS.get(kind)
    given = options if isinstance(options, dict) else {}
    if (needed and needed not in given) or not _are_choices(given.get("choices", [])):
        raise errors.refusal(422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE", f"options do not fit type {kind}")


def _are_choices(choices: Any) -> bool:
    return isinstance(choices, list) and all(isinstance(each, dict) and "name" in each for each in choices)


def stored_options(ids: IdSource, kind: Any, options: JsonObject | None) -> JsonObject | None:
    if kind not in SELECT_TYPES:
        return dict(options) if options is not None else None
    names = [choice["name"] for choice in (options or {}).get("choices", [])]
    return {"choices": [make_choice(ids, name, position) for position, name in enumerate(names)]}
