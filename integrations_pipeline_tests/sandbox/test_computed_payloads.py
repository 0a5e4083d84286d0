"""Webhooks tell of computed cells too: those that follow from an edit, and those that a changed column brings."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.arrangement import Arrangement


def subscribe(sandbox: Arrangement, **filters: Any) -> str:
    options = {"filters": {"dataTypes": ["tableData"]} | filters, "includes": {"includePreviousCellValues": True}}
    body = {"specification": {"options": options}}
    hook_id: str = sandbox.http.post(sandbox.hooks_path, json=body).json()["id"]
    return hook_id


def changed(sandbox: Arrangement, hook_id: str) -> list[dict[str, tuple[Any, Any]]]:
    """For every payload, by record id, the cells before and after."""
    payloads = sandbox.http.get(f"{sandbox.hooks_path}/{hook_id}/payloads").json()["payloads"]
    tables = [table for each in payloads for table in each["changedTablesById"].values()]
    return [
        {
            key: (each["previous"]["cellValuesByFieldId"], each["current"]["cellValuesByFieldId"])
            for key, each in table["changedRecordsById"].items()
        }
        for table in tables
    ]


def test_a_formula_that_comes_out_otherwise_is_told_with_the_edit(sandbox: Arrangement) -> None:
    (record_id,) = sandbox.create({"Name": "Ada"})
    phone, name, score = (sandbox.field_id(each) for each in ("Phone", "Name", "Score"))
    hook_id = subscribe(sandbox)
    sandbox.table.update(record_id, {"Phone": "1"})
    sandbox.table.update(record_id, {"Name": "Eve"})
    assert changed(sandbox, hook_id) == [
        {record_id: ({phone: None, score: 0}, {phone: "1", score: 30})},
        {record_id: ({name: "Ada"}, {name: "Eve"})},
    ]


def test_a_webhook_may_watch_nothing_but_a_formula(sandbox: Arrangement) -> None:
    (record_id,) = sandbox.create({"Name": "Ada"})
    score = sandbox.field_id("Score")
    watching = subscribe(sandbox, watchDataInFieldIds=[score], changeTypes=["update"])
    deaf = subscribe(sandbox, changeTypes=["add", "remove"])
    sandbox.table.update(record_id, {"Name": "Eve"})
    sandbox.table.update(record_id, {"Phone": "1"})
    assert changed(sandbox, watching) == [{record_id: ({score: 0}, {score: 30})}]
    assert changed(sandbox, deaf) == []


def test_a_column_that_becomes_computed_is_told_for_every_record(sandbox: Arrangement) -> None:
    first, second = sandbox.create({"Name": "Ada", "Company": "X"}, {"Name": "Bob"})
    company, score = sandbox.field_id("Company"), sandbox.field_id("Score")
    hook_id = subscribe(sandbox)
    sandbox.airtable.change_field_type(sandbox.base_id, "Contacts", "Company", "formula", {"formula": "{Name}"})
    sandbox.airtable.set_outputs(sandbox.base_id, "Contacts", "Company", {first: {"error": "#ERROR!"}})
    error = {"error": "#ERROR!"}
    assert changed(sandbox, hook_id) == [
        {first: ({company: "X"}, {company: "Ada"}), second: ({company: None, score: 0}, {company: "Bob", score: 20})},
        {first: ({company: "Ada", score: 20}, {company: error, score: error})},
    ]


def test_a_column_made_anew_is_told_under_its_own_id(sandbox: Arrangement) -> None:
    (record_id,) = sandbox.create({"Name": "Ada", "Phone": "1"})
    hook_id = subscribe(sandbox)
    document = {"type": "formula", "options": {"formula": "1"}}
    made = sandbox.airtable.replace_field(sandbox.base_id, "Contacts", "Company", document)
    score = sandbox.field_id("Score")
    assert changed(sandbox, hook_id) == [{record_id: ({made.id: None, score: 30}, {made.id: 1, score: 50})}]


@pytest.mark.parametrize("act", ["rename", "swap"])
def test_another_name_changes_no_cell(sandbox: Arrangement, act: str) -> None:
    sandbox.create({"Name": "Ada", "Company": "X", "Phone": "1"})
    hook_id = subscribe(sandbox)
    if act == "rename":
        sandbox.airtable.rename_field(sandbox.base_id, "Contacts", "Company", "Firm")
    else:
        sandbox.airtable.swap_fields(sandbox.base_id, "Contacts", "Company", "Phone")
    assert changed(sandbox, hook_id) == []


def test_computed_cells_can_be_kept_out(sandbox: Arrangement) -> None:
    sandbox.http.patch("/sandbox/airtable/options", json={"webhooks_tell_computed": False})
    (record_id,) = sandbox.create({"Name": "Ada"})
    hook_id = subscribe(sandbox)
    sandbox.table.update(record_id, {"Phone": "1"})
    phone = sandbox.field_id("Phone")
    assert changed(sandbox, hook_id) == [{record_id: ({phone: None}, {phone: "1"})}]
