"""A person changes the columns of a table: every answer after it tells the truth about them."""

from typing import Any

import httpx
import pytest
import requests

from integrations_pipeline_tests.sandbox.arrangement import Arrangement, error_of


def control(sandbox: Arrangement, rest: str = "") -> str:
    return f"/sandbox/airtable/bases/{sandbox.base_id}/tables/Contacts/fields{rest}"


def change(sandbox: Arrangement, column: str, **document: Any) -> httpx.Response:
    response = sandbox.http.patch(control(sandbox, f"/{column}"), json=document)
    assert response.status_code == 200, response.text
    return response


def schema(sandbox: Arrangement) -> dict[str, str]:
    """The ids of the columns by name, as the schema call tells them."""
    tables = sandbox.http.get(f"/airtable/v0/meta/bases/{sandbox.base_id}/tables").json()["tables"]
    return {each["name"]: each["id"] for each in tables[0]["fields"]}


def only(sandbox: Arrangement) -> dict[str, Any]:
    return dict(sandbox.table.all()[0]["fields"])


def test_a_renamed_column_keeps_its_id_and_cells_and_loses_its_old_name(sandbox: Arrangement) -> None:
    (record_id,) = sandbox.create({"Name": "Ada", "Company": "Engines"})
    before = schema(sandbox)
    change(sandbox, "Company", name="Firm")
    assert schema(sandbox)["Firm"] == before["Company"]
    assert "Company" not in schema(sandbox)
    assert only(sandbox) == {"Name": "Ada", "Firm": "Engines", "Score": 20}
    refused = sandbox.http.get(sandbox.path, params={"fields[]": "Company"})
    assert error_of(refused) == (422, "UNKNOWN_FIELD_NAME")
    written = sandbox.http.patch(f"{sandbox.path}/{record_id}", json={"fields": {"Company": "x"}})
    assert error_of(written) == (422, "UNKNOWN_FIELD_NAME")
    filtered = sandbox.http.get(sandbox.path, params={"filterByFormula": "{Company} = 'Engines'"})
    assert error_of(filtered) == (422, "INVALID_FILTER_BY_FORMULA")


def test_everything_that_names_a_column_takes_its_id_as_well(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "Ada", "Company": "Engines", "Contact ID": "1"})
    ids = schema(sandbox)
    change(sandbox, "Company", name="Firm")
    company, key = ids["Company"], ids["Contact ID"]
    for by_id in (True, False):
        found = sandbox.table.all(
            fields=[company], formula=f"{{{company}}} = 'Engines'", sort=[company], use_field_ids=by_id
        )
        assert [each["fields"] for each in found] == [{company if by_id else "Firm": "Engines"}]
    merged = sandbox.table.batch_upsert([{"fields": {key: "1", company: "Mills"}}], [key], use_field_ids=True)
    assert [each["fields"][company] for each in merged["records"]] == ["Mills"]
    assert (len(merged["updatedRecords"]), only(sandbox)["Firm"]) == (1, "Mills")


def test_formulas_and_views_follow_a_renamed_column(sandbox: Arrangement) -> None:
    formula = {"formula": "Company & '/' & {Company} & '/Company'"}
    sandbox.airtable.create_field(sandbox.base_id, "Contacts", {"name": "Sum", "type": "formula", "options": formula})
    sandbox.airtable.create_view(sandbox.base_id, "Contacts", "Firms", "{Company} != ''")
    sandbox.create({"Name": "Ada", "Company": "X"})
    change(sandbox, "Company", name="Firm")
    assert only(sandbox) == {"Name": "Ada", "Firm": "X", "Score": 20, "Sum": "X/X/Company"}
    assert len(sandbox.table.all(view="Firms")) == 1


@pytest.mark.parametrize("name", ["Phone", "", " "])
def test_a_name_that_is_taken_or_empty_is_refused(sandbox: Arrangement, name: str) -> None:
    response = sandbox.http.patch(control(sandbox, "/Company"), json={"name": name})
    assert error_of(response) == (422, "DUPLICATE_OR_EMPTY_FIELD_NAME")


def test_two_columns_can_swap_their_names(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "Ada", "Company": "Engines", "Phone": "1"})
    before = schema(sandbox)
    assert sandbox.http.post(control(sandbox, "/swap"), json={"fields": ["Company", "Phone"]}).status_code == 200
    after = schema(sandbox)
    assert (after["Company"], after["Phone"]) == (before["Phone"], before["Company"])
    assert only(sandbox) == {"Name": "Ada", "Company": "1", "Phone": "Engines", "Score": 50}


def test_a_column_can_be_deleted_and_made_anew(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "Ada", "Company": "Engines"})
    before = schema(sandbox)
    made = sandbox.http.post(control(sandbox, "/Company/replace"), json={}).json()
    after = schema(sandbox)
    assert (made["id"], made["type"]) == (after["Company"], "singleLineText")
    assert after["Company"] != before["Company"]
    assert list(after) == list(before)
    assert "Company" not in only(sandbox)
    refused = sandbox.http.get(sandbox.path, params={"fields[]": before["Company"]})
    assert error_of(refused) == (422, "UNKNOWN_FIELD_NAME")
    sandbox.http.delete(control(sandbox, "/Company"))
    assert "Company" not in schema(sandbox)


def test_a_column_that_becomes_a_formula_shows_its_output_and_takes_no_more_values(sandbox: Arrangement) -> None:
    ids = sandbox.create({"Name": "Ada", "Company": "Engines"}, {"Name": "Bob", "Company": "Mills"})
    company = schema(sandbox)["Company"]
    change(sandbox, "Company", type="formula", options={"formula": "{Name} & '!'"})
    assert [each["fields"]["Company"] for each in sandbox.table.all()] == ["Ada!", "Bob!"]
    described = sandbox.table.schema(force=True).field("Company")
    assert (described.id, described.type) == (company, "formula")
    refused = sandbox.http.patch(f"{sandbox.path}/{ids[0]}", json={"fields": {"Company": "x"}, "typecast": True})
    assert error_of(refused) == (422, "INVALID_VALUE_FOR_COLUMN")
    change(sandbox, "Company", type="singleLineText")
    assert [each["fields"]["Company"] for each in sandbox.table.all()] == ["Ada!", "Bob!"]
    assert sandbox.table.update(ids[0], {"Company": "x"})["fields"]["Company"] == "x"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("rollup", "a, b"),
        ("multipleLookupValues", ["a", "b"]),
        ("formula", {"error": "#ERROR!"}),
        ("formula", {"specialValue": "NaN"}),
        ("multipleLookupValues", [{"error": "#ERROR!"}]),
        ("count", 0),
    ],
    ids=str,
)
def test_a_computed_column_shows_what_it_is_told_to(sandbox: Arrangement, kind: str, value: Any) -> None:
    ids = sandbox.create({"Name": "Ada", "Company": "X"}, {"Name": "Bob"})
    change(sandbox, "Company", type=kind, options={})
    path = control(sandbox, "/Company/outputs")
    assert sandbox.http.put(path, json={"*": value}).status_code == 200
    assert [each["fields"]["Company"] for each in sandbox.table.all()] == [value, value]
    assert sandbox.table.get(ids[0])["fields"]["Company"] == value
    assert sandbox.table.update(ids[0], {"Phone": "1"})["fields"]["Company"] == value
    sandbox.http.put(path, json={ids[0]: value, ids[1]: None})
    assert ["Company" in each["fields"] for each in sandbox.table.all()] == [True, False]
    refused = sandbox.http.patch(f"{sandbox.path}/{ids[0]}", json={"fields": {"Company": value}, "typecast": True})
    assert error_of(refused) == (422, "INVALID_VALUE_FOR_COLUMN")


def test_a_formula_over_a_cell_that_is_an_error_is_one_itself(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "Ada"})
    change(sandbox, "Company", type="formula", options={"formula": "1"})
    sandbox.airtable.set_outputs(sandbox.base_id, "Contacts", "Company", {"*": {"error": "#ERROR!"}})
    assert only(sandbox)["Score"] == {"error": "#ERROR!"}
    texts = sandbox.table.all(cell_format="string", time_zone="UTC", user_locale="en")[0]["fields"]
    assert texts["Company"] == "#ERROR!"
    assert sandbox.table.all(formula="{Company} = 'x'") == []


def test_only_computed_columns_have_outputs(sandbox: Arrangement) -> None:
    assert sandbox.http.put(control(sandbox, "/Company/outputs"), json={"*": 1}).status_code == 400


@pytest.mark.parametrize(
    ("kind", "options", "kept"),
    [
        ("number", {"precision": 0}, {"a": 12}),
        ("date", None, {"b": "2026-02-28"}),
        ("singleSelect", {"choices": []}, {"a": "12", "b": "2026-02-28", "c": "x"}),
    ],
)
def test_another_type_keeps_what_it_can_read(
    sandbox: Arrangement, kind: str, options: Any, kept: dict[str, Any]
) -> None:
    sandbox.create(*({"Name": name, "Company": text} for name, text in (("a", "12"), ("b", "2026-02-28"), ("c", "x"))))
    change(sandbox, "Company", type=kind, options=options)
    found = {each["fields"]["Name"]: each["fields"].get("Company") for each in sandbox.table.all()}
    assert {name: value for name, value in found.items() if value is not None} == kept


def test_a_type_that_does_not_exist_changes_nothing(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "Ada", "Company": "X"})
    response = sandbox.http.patch(control(sandbox, "/Company"), json={"name": "Firm", "type": "horoscope"})
    assert response.status_code == 422
    assert only(sandbox)["Company"] == "X"


@pytest.mark.parametrize(("kind", "shown"), [("multipleLookupValues", ["A", "B"]), ("rollup", "A, B"), ("count", 2)])
def test_a_lookup_follows_its_links(sandbox: Arrangement, kind: str, shown: Any) -> None:
    firms = sandbox.airtable.create_table(sandbox.base_id, "Firms", [{"name": "Name", "type": "singleLineText"}])
    made = sandbox.airtable.create_records(sandbox.base_id, "Firms", [{"Name": "A"}, {"Name": "B"}, {}])
    link = sandbox.table.create_field("Works for", "multipleRecordLinks", options={"linkedTableId": firms.id})
    sandbox.create({"Name": "Ada", "Works for": [each["id"] for each in made[:2]]}, {"Name": "Bob"})
    options = {"recordLinkFieldId": link.id, "fieldIdInLinkedTable": firms.primary.id}
    change(sandbox, "Company", type=kind, options=options)
    assert only(sandbox)["Company"] == shown
    change(sandbox, "Company", type=kind, options={"recordLinkFieldId": "fldGone"})
    assert "Company" not in only(sandbox)


def test_the_api_renames_a_column_but_changes_no_type(sandbox: Arrangement) -> None:
    field = sandbox.table.schema().field("Company")
    field.name, field.description = "Firm", "where they work"
    field.save()
    again = sandbox.table.schema(force=True).field("Firm")
    assert (again.id, again.description, again.type) == (field.id, "where they work", "singleLineText")
    again.name = "Phone"
    with pytest.raises(requests.HTTPError, match="DUPLICATE"):
        again.save()
    path = f"/v0/meta/bases/{sandbox.base_id}/tables/Contacts/fields/fldGone"
    assert sandbox.http.patch(path, json={"name": "x"}).status_code == 404


def test_webhooks_on_columns_hear_of_every_change(sandbox: Arrangement) -> None:
    options = {"filters": {"dataTypes": ["tableFields"]}}
    hook = sandbox.http.post(sandbox.hooks_path, json={"specification": {"options": options}}).json()["id"]
    ids, table = schema(sandbox), sandbox.airtable.table(sandbox.base_id, "Contacts").id
    change(sandbox, "Company", name="Firm")
    change(sandbox, "Firm", type="formula", options={"formula": "1"})
    sandbox.http.put(control(sandbox, "/Firm/outputs"), json={"*": 1})
    made = sandbox.http.post(control(sandbox, "/Phone/replace"), json={"type": "singleLineText"}).json()
    payloads = sandbox.http.get(f"{sandbox.hooks_path}/{hook}/payloads").json()["payloads"]
    assert [each["changedTablesById"][table] for each in payloads] == [
        {"changedFieldsById": {ids["Company"]: {"current": {"name": "Firm"}, "previous": {"name": "Company"}}}},
        {
            "changedFieldsById": {
                ids["Company"]: {"current": {"type": "formula"}, "previous": {"type": "singleLineText"}}
            }
        },
        {
            "createdFieldsById": {made["id"]: {"name": "Phone", "type": "singleLineText"}},
            "destroyedFieldIds": [ids["Phone"]],
        },
    ]
