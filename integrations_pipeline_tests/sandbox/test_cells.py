"""Each field type accepts and returns what Airtable's does; the tables are the specification."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.arrangement import START, Arrangement, error_of

OPTIONS: dict[str, dict[str, Any]] = {
    "number": {"precision": 2},
    "currency": {"precision": 2, "symbol": "€"},
    "percent": {"precision": 1},
    "rating": {"max": 5, "icon": "star", "color": "yellowBright"},
    "singleSelect": {"choices": [{"name": "Red"}, {"name": "Blue"}]},
    "multipleSelects": {"choices": [{"name": "Red"}, {"name": "Blue"}]},
    "dateTime": {
        "timeZone": "Europe/Berlin",
        "dateFormat": {"name": "iso"},
        "timeFormat": {"name": "24hour"},
    },
}


@pytest.fixture
def column(sandbox: Arrangement, kind: str) -> Arrangement:
    document = {"name": "Cell", "type": kind, "options": OPTIONS.get(kind)}
    sandbox.airtable.create_field(sandbox.base_id, "Contacts", document)
    return sandbox


def write(sandbox: Arrangement, value: Any, *, typecast: bool = False) -> Any:
    body = {"fields": {"Cell": value}, "typecast": typecast}
    return sandbox.http.post(sandbox.path, json=body)


@pytest.mark.parametrize(
    ("kind", "sent", "read"),
    [
        ("singleLineText", "a", "a"),
        ("multilineText", "a\nb", "a\nb"),
        ("richText", "**a**", "**a**"),
        ("email", "not an e-mail address", "not an e-mail address"),
        ("url", "anything", "anything"),
        ("phoneNumber", "+1 (2)", "+1 (2)"),
        ("number", 1.5, 1.5),
        ("number", 0, 0),
        ("number", -3, -3),
        ("currency", 9.99, 9.99),
        ("percent", 0.123, 0.123),
        ("duration", 90.5, 90.5),
        ("rating", 5, 5),
        ("checkbox", True, True),
        ("checkbox", False, None),
        ("date", "2026-02-28", "2026-02-28"),
        ("date", "2026-02-28T10:00:00Z", "2026-02-28"),
        ("dateTime", "2026-02-28T10:00:00.000Z", "2026-02-28T10:00:00.000Z"),
        ("dateTime", "2026-02-28T10:00:00+02:00", "2026-02-28T08:00:00.000Z"),
        ("dateTime", "2026-02-28T10:00:00", "2026-02-28T09:00:00.000Z"),
        ("singleSelect", "Red", "Red"),
        ("multipleSelects", ["Blue", "Red", "Blue"], ["Blue", "Red"]),
        ("barcode", {"text": "123"}, {"text": "123"}),
        ("singleCollaborator", {"id": "usr1"}, {"id": "usr1"}),
    ],
)
def test_a_value_is_read_back_in_the_form_of_its_type(column: Arrangement, sent: Any, read: Any) -> None:
    response = write(column, sent)
    assert response.status_code == 200
    assert response.json()["fields"].get("Cell") == read


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("singleLineText", 1),
        ("singleLineText", True),
        ("singleLineText", ["a"]),
        ("singleLineText", "x" * 100_001),
        ("multilineText", {"a": 1}),
        ("number", "1"),
        ("number", "many"),
        ("number", True),
        ("rating", 0),
        ("rating", 6),
        ("rating", 2.5),
        ("checkbox", "yes"),
        ("checkbox", 1),
        ("date", "28.2.2026"),
        ("date", "2026-02-30"),
        ("date", "2/28/2026"),
        ("date", 5),
        ("dateTime", "tomorrow"),
        ("dateTime", "2/28/2026 10:00"),
        ("dateTime", "0001-01-01T00:00:00+05:00"),
        ("singleSelect", 1),
        ("singleSelect", ["Red"]),
        ("multipleSelects", "Red"),
        ("multipleSelects", [1]),
        ("multipleRecordLinks", ["rec1"]),
        ("multipleAttachments", ["https://example.com/x"]),
        ("barcode", "123"),
    ],
)
def test_a_value_of_another_type_is_refused_without_typecast(column: Arrangement, sent: Any) -> None:
    assert error_of(write(column, sent)) == (422, "INVALID_VALUE_FOR_COLUMN")
    assert column.names() == []


@pytest.mark.parametrize(
    ("kind", "sent", "read"),
    [
        ("singleLineText", 5, "5"),
        ("number", " 1,234.50 ", 1234.5),
        ("currency", "€ 12", 12),
        ("checkbox", "true", True),
        ("checkbox", "no", None),
        ("singleSelect", " Green ", "Green"),
        ("singleSelect", 7, "7"),
        ("multipleSelects", ["Red", "Green"], ["Red", "Green"]),
        ("multipleSelects", "Red, Green", ["Red", "Green"]),
    ],
)
def test_typecast_converts_what_it_can(column: Arrangement, sent: Any, read: Any) -> None:
    assert write(column, sent, typecast=True).json()["fields"].get("Cell") == read


@pytest.mark.parametrize(
    ("kind", "sent"), [("number", {"a": 1}), ("date", ["2026-02-28"]), ("checkbox", ["a"]), ("singleLineText", ["a"])]
)
def test_typecast_refuses_what_is_neither_text_nor_number(column: Arrangement, kind: str, sent: Any) -> None:
    assert error_of(write(column, sent, typecast=True)) == (422, "INVALID_VALUE_FOR_COLUMN")


@pytest.mark.parametrize("kind", ["singleSelect"])
def test_a_new_option_needs_typecast_and_is_then_kept_with_its_color(column: Arrangement) -> None:
    assert error_of(write(column, "Green")) == (422, "INVALID_MULTIPLE_CHOICE_OPTIONS")
    assert write(column, "Green", typecast=True).status_code == 200
    field = column.airtable.table(column.base_id, "Contacts").field("Cell")
    assert field is not None
    assert [choice["name"] for choice in field.choices] == ["Red", "Blue", "Green"]
    assert all(choice["id"].startswith("sel") and choice["color"] for choice in field.choices)
    assert write(column, "Green").status_code == 200


@pytest.mark.parametrize("kind", ["formula", "createdTime", "lastModifiedTime", "autoNumber", "rollup", "button"])
def test_a_computed_field_cannot_be_written(column: Arrangement, kind: str) -> None:
    response = write(column, "x", typecast=True)
    assert error_of(response) == (422, "INVALID_VALUE_FOR_COLUMN")
    assert "because the field is computed" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("createdTime", "2026-11-22T12:00:00.000Z", "2026-11-22T12:01:00.000Z"),
        ("lastModifiedTime", "2026-11-22T12:01:00.250Z", "2026-11-22T12:01:00.250Z"),
        ("autoNumber", 1, 2),
    ],
)
def test_computed_times_and_numbers_are_filled_in(column: Arrangement, first: Any, second: Any) -> None:
    assert START.isoformat().startswith("2026-11-22T12:00:00.25")
    (record_id,) = column.create({"Name": "a"})
    column.advance(60)
    column.create({"Name": "b"})
    column.airtable.update_record(column.base_id, "Contacts", record_id, Name="c")
    assert [record["fields"]["Cell"] for record in column.table.all()] == [first, second]


@pytest.mark.parametrize("empty", ["", None, [], False])
def test_empty_cells_vanish_from_every_answer(sandbox: Arrangement, empty: Any) -> None:
    checkbox = {"name": "Ok", "type": "checkbox", "options": {"icon": "check", "color": "redBright"}}
    sandbox.airtable.create_field(sandbox.base_id, "Contacts", checkbox)
    column = "Ok" if empty is False else "Tags" if empty == [] else "Phone"
    (record_id,) = sandbox.create({"Name": "a", "Phone": "1", "Tags": ["x"], "Ok": True})
    updated = sandbox.table.update(record_id, {column: empty})
    assert column not in updated["fields"]
    assert column not in sandbox.table.get(record_id)["fields"]
    assert column not in sandbox.table.all(fields=[column, "Name"])[0]["fields"]


def test_links_name_records_of_the_linked_table(sandbox: Arrangement) -> None:
    companies = sandbox.airtable.create_table(
        sandbox.base_id, "Companies", [{"name": "Name", "type": "singleLineText"}]
    )
    (company,) = sandbox.airtable.create_records(sandbox.base_id, "Companies", [{"Name": "Engines"}])
    options = {"linkedTableId": companies.id}
    sandbox.table.create_field("Employer", "multipleRecordLinks", options=options)
    created = sandbox.table.create({"Name": "Ada", "Employer": [company["id"]]})
    assert created["fields"]["Employer"] == [company["id"]]
    assert len(sandbox.table.all(formula="Employer = 'Engines'")) == 1
    missing = sandbox.http.post(sandbox.path, json={"fields": {"Employer": ["recMissing0000000"]}})
    assert error_of(missing) == (422, "ROW_DOES_NOT_EXIST")


def test_attachments_are_kept_with_an_id_of_their_own(sandbox: Arrangement) -> None:
    sandbox.table.create_field("Files", "multipleAttachments")
    fields: Any = {"Files": [{"url": "https://example.com/a.pdf"}]}
    created = sandbox.table.create(fields)
    (attachment,) = created["fields"]["Files"]
    assert attachment["url"] == "https://example.com/a.pdf"
    assert attachment["id"].startswith("att")
    assert sandbox.table.all(cell_format="string", time_zone="UTC", user_locale="en")[0]["fields"]["Files"]


def test_cells_can_be_asked_for_as_text(sandbox: Arrangement) -> None:
    sandbox.airtable.create_field(sandbox.base_id, "Contacts", {"name": "Ok", "type": "checkbox"})
    sandbox.create({"Name": "a", "Tags": ["x", "y"], "Ok": True})
    found = sandbox.table.all(cell_format="string", time_zone="UTC", user_locale="en")
    assert found[0]["fields"] == {"Name": "a", "Tags": "x, y", "Ok": "checked", "Score": "0"}
    assert sandbox.http.get(sandbox.path, params={"cellFormat": "string"}).status_code == 422
