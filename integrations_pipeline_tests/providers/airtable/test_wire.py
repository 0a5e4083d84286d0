"""Airtable on the wire: every error body becomes the right exception, and no value breaks out of a formula."""

from typing import Any

import httpx
import pytest

from integrations_pipeline.errors import (
    ConfigurationError,
    CredentialsError,
    CursorExpiredError,
    IntegrationError,
    PermanentError,
    RateLimitedError,
    RetryableError,
    SharedCauseError,
)
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.airtable import PROVIDER, cells, schema, wire
from integrations_pipeline.sync.runtime import parse_settings
from integrations_sandbox import SandboxOptions, SandboxServer

COLUMNS = ["Email", 'Odd "name"']


def usual(kind: str, message: str = "ann@example.org is wrong") -> dict[str, Any]:
    return {"error": {"type": kind, "message": message}}


#: What would leave a request's path, or the line that it is told in.
ODD_IDS = ("..", ".", "app/../..", "app%2F", "app X", "app?x=1", "app#", "app\x1b[2J", "äpp", "app\n")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, usual("INVALID_REQUEST_BODY"), PermanentError),
        (401, usual("AUTHENTICATION_REQUIRED"), CredentialsError),
        (401, {"error": "UNAUTHORIZED"}, CredentialsError),
        (401, None, CredentialsError),
        (403, usual("INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"), wire.DeniedError),
        (403, usual("INVALID_PERMISSIONS"), wire.DeniedError),
        (404, {"error": "NOT_FOUND"}, PermanentError),
        (404, {"error": {"type": "NOT_FOUND"}}, PermanentError),
        (404, usual("TABLE_NOT_FOUND"), ConfigurationError),
        (404, usual("MODEL_ID_NOT_FOUND"), PermanentError),
        (408, None, RetryableError),
        (413, None, PermanentError),
        (422, usual("INVALID_VALUE_FOR_COLUMN"), PermanentError),
        (422, usual("INVALID_MULTIPLE_CHOICE_OPTIONS"), PermanentError),
        (422, usual("UNKNOWN_FIELD_NAME", 'Unknown field name: "Email"'), wire.UnknownColumnError),
        (422, usual("ROW_DOES_NOT_EXIST"), PermanentError),
        (422, usual("INVALID_RECORDS"), PermanentError),
        (422, usual("INVALID_FILTER_BY_FORMULA"), ConfigurationError),
        (422, usual("LIST_RECORDS_ITERATOR_NOT_AVAILABLE"), CursorExpiredError),
        (429, {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "x"}]}, RateLimitedError),
        (429, usual("RATE_LIMIT_REACHED"), RateLimitedError),
        (429, None, RateLimitedError),
        (429, {"errors": [{"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "message": "x"}]}, SharedCauseError),
        (429, usual("PUBLIC_API_BILLING_LIMIT_EXCEEDED"), SharedCauseError),
        (500, usual("SERVER_ERROR"), RetryableError),
        (502, None, RetryableError),
        (503, {"error": "x"}, RetryableError),
    ],
)
def test_every_error_body_becomes_its_exception(
    status: int, body: dict[str, Any] | None, expected: type[IntegrationError]
) -> None:
    response = httpx.Response(status, json=body) if body else httpx.Response(status, text="<html>ann@example.org")
    error = wire.read_error(response, COLUMNS)
    assert type(error) is expected
    assert "@" not in str(error)


@pytest.mark.parametrize(
    "body", [[], "text", 5, None, {"error": None}, {"error": 5}, {"error": []}, {"errors": []}, {"errors": ["x"]}]
)
@pytest.mark.parametrize("status", [401, 422, 429, 500])
def test_a_body_of_any_other_shape_is_still_classified(status: int, body: Any) -> None:
    assert isinstance(wire.read_error(httpx.Response(status, json=body), COLUMNS), IntegrationError)


def test_errors_that_are_no_list_are_still_classified() -> None:
    body = {"errors": {"error": "x"}}
    assert isinstance(wire.read_error(httpx.Response(422, json=body), COLUMNS), PermanentError)


@pytest.mark.parametrize(
    ("message", "is_named"),
    [
        ('Field "Email" cannot accept the provided value', True),
        ('Field "Other" cannot accept "Email"', True),
        ('Field "ann@example.org" cannot accept it', False),
    ],
)
def test_only_our_own_columns_are_named(message: str, is_named: bool) -> None:
    error = wire.read_error(httpx.Response(422, json=usual("INVALID_VALUE_FOR_COLUMN", message)), COLUMNS)
    assert ('"Email"' in str(error)) is is_named


HOSTILE = ['"', "\\", '\\"', '") , TRUE(), ("', "'", "{Email}", "}", "line\nend", "\t", "\u2028", "ü", "a\\", '"&"']


@pytest.fixture(scope="module")
def hostile_table() -> Any:
    """A table whose records hold the hostile texts, and one innocent."""
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        base = server.airtable.create_base("CRM")
        server.airtable.create_contacts_table(base.id)
        column = {"name": 'Odd} \\"name"', "type": "singleLineText"}
        server.airtable.create_field(base.id, "Contacts", column)
        people = [{"Name": text, column["name"]: text} for text in [*HOSTILE, "innocent"]]
        server.airtable.create_records(base.id, "Contacts", people)
        yield server, base.id


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("column", ["Name", 'Odd} \\"name"'])
def test_a_literal_matches_only_its_own_text(hostile_table: Any, text: str, column: str) -> None:
    server, base_id = hostile_table
    formula = wire.any_of([f"{wire.field_reference(column)}={wire.text_literal(text)}"])
    view = server.airtable.create_view(base_id, "Contacts", f"view {server.stage.ids.new('x')}", formula)
    answer = httpx.get(
        f"{server.airtable_url}/v0/{base_id}/Contacts",
        params={"view": view.id},
        headers={"Authorization": "Bearer patSandbox.token"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    assert [record["fields"]["Name"] for record in answer.json()["records"]] == [text]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"table_id": "T"}, "base_id"),
        ({"base_id": "", "table_id": "T"}, "base_id"),
        *(({"base_id": bad, "table_id": "T"}, "base_id") for bad in ODD_IDS),
        *(({"base_id": "appX", "table_id": bad}, "table_id") for bad in ("", ".", "..", "a\x1b[2J", "a\nb", "\ud800")),
        ({"base_id": "appX", "table_id": "T", "conflict_policy": "mine"}, "conflict_policy"),
        ({"base_id": "appX", "table_id": "T", "delete_policy": "all"}, "delete_policy"),
        ({"base_id": "appX", "table_id": "T", "delete_limit": -1}, "delete_limit"),
        ({"base_id": "appX", "table_id": "T", "delete_limit_fraction": 2}, "delete_limit_fraction"),
        ({"base_id": "appX", "table_id": "T", "typecast": "perhaps"}, "typecast"),
        ({"base_id": "appX", "table_id": "T", "external_id_field": ""}, "external_id_field"),
        ({"base_id": "appX", "table_id": "T", "field_mapping": []}, "field_mapping"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        parse_settings(PROVIDER, settings)
    assert "\n" not in str(caught.value)


NAME = MappedField(name="name", column="X")
TAGS = MappedField(name="tags", column="X")


@pytest.mark.parametrize(
    ("mapped", "kind", "value", "cell"),
    [
        (NAME, "singleLineText", "Ann", "Ann"),
        (NAME, "singleLineText", "", None),
        (NAME, "number", "40", 40),
        (NAME, "number", "1.5", 1.5),
        (NAME, "checkbox", "", False),
        (NAME, "checkbox", "true", True),
        (TAGS, "multipleSelects", "a\x1fb", ["a", "b"]),
        (TAGS, "multipleSelects", "", None),
        (TAGS, "singleLineText", "a\x1fb", "a, b"),
    ],
)
def test_values_become_cells(mapped: MappedField, kind: str, value: str, cell: Any) -> None:
    column = schema.Column(id="fld", name="X", type=kind)
    assert cells.to_cell(value, mapped, column) == cell


@pytest.mark.parametrize("value", ["many", "nan", "inf", "-inf", "1,5", "0x10"])
def test_a_number_column_takes_numbers_only(value: str) -> None:
    with pytest.raises(PermanentError, match='column "X" holds numbers') as caught:
        cells.to_cell(value, NAME, schema.Column(id="fld", name="X", type="number"))
    assert value not in str(caught.value).replace("contact", "")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (None, ""),
        (False, ""),
        (True, "true"),
        (3.0, "3"),
        (0, "0"),
        (1.5, "1.5"),
        (["a", "b"], "a\x1fb"),
        ([{"id": "sel", "name": "a"}], "a"),
        ({"name": "Ann", "email": "x"}, "Ann"),
        ({"specialValue": "NaN"}, ""),
        ({"error": "#ERROR!"}, ""),
        ([], ""),
    ],
)
def test_cells_become_values(cell: Any, value: str) -> None:
    assert cells.to_value(cell) == value
