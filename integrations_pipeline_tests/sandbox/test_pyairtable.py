"""A client that nobody here wrote works against the sandbox."""

import pytest
import requests
from pyairtable import Api
from pyairtable.api.types import UpdateRecordDict

from integrations_pipeline_tests.sandbox.arrangement import Arrangement


def test_records_make_the_round_trip_of_create_read_update_and_delete(sandbox: Arrangement) -> None:
    created = sandbox.table.create({"Name": "Ada", "Email": "ada@example.com"})
    assert sandbox.table.get(created["id"]) == created
    updated = sandbox.table.update(created["id"], {"Company": "Engines"})
    assert updated["fields"] == {"Name": "Ada", "Email": "ada@example.com", "Company": "Engines", "Score": 70}
    assert sandbox.table.delete(created["id"]) == {"id": created["id"], "deleted": True}
    assert sandbox.table.all() == []


def test_batches_of_more_than_ten_go_out_in_pieces_of_ten(sandbox: Arrangement) -> None:
    created = sandbox.table.batch_create([{"Name": f"N{number}"} for number in range(25)])
    assert [record["fields"]["Name"] for record in created] == [f"N{number}" for number in range(25)]
    edits: list[UpdateRecordDict] = [{"id": each["id"], "fields": {"Company": "X"}} for each in created]
    assert {record["fields"]["Company"] for record in sandbox.table.batch_update(edits)} == {"X"}
    deleted = sandbox.table.batch_delete([record["id"] for record in created])
    assert all(each["deleted"] for each in deleted)
    assert [entry.method for entry in sandbox.airtable.requests()] == ["POST"] * 3 + ["PATCH"] * 3 + ["DELETE"] * 3


def test_all_reads_every_page_and_iterate_yields_them_one_by_one(sandbox: Arrangement) -> None:
    sandbox.create_many(230)
    assert [record["fields"]["Name"] for record in sandbox.table.all()] == sandbox.names()
    assert [len(page) for page in sandbox.table.iterate()] == [100, 100, 30]
    assert [len(page) for page in sandbox.table.iterate(page_size=50, max_records=120)] == [50, 50, 20]


def test_replacing_a_record_clears_what_is_not_listed(sandbox: Arrangement) -> None:
    created = sandbox.table.create({"Name": "Ada", "Phone": "1", "Tags": ["a"]}, typecast=True)
    replaced = sandbox.table.update(created["id"], {"Name": "Ada"}, replace=True)
    assert replaced["fields"] == {"Name": "Ada", "Score": 0}
    edits: list[UpdateRecordDict] = [{"id": created["id"], "fields": {"Phone": "2"}}]
    assert sandbox.table.batch_update(edits, replace=True)[0]["fields"] == {"Phone": "2", "Score": 30}


def test_batch_upsert_creates_what_is_new_and_updates_what_matches(sandbox: Arrangement) -> None:
    first = sandbox.table.batch_upsert([{"fields": {"Contact ID": "1", "Name": "A"}}], ["Contact ID"])
    assert first["updatedRecords"] == []
    records = [{"fields": {"Contact ID": each, "Name": "B"}} for each in ("1", "2")]
    second = sandbox.table.batch_upsert(records, ["Contact ID"])
    assert second["updatedRecords"] == first["createdRecords"]
    assert len(second["createdRecords"]) == 1
    assert sandbox.names() == ["B", "B"]


def test_an_empty_key_with_replace_creates_a_record(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "No key"})
    record = {"fields": {"Contact ID": None, "Name": "New"}}
    assert len(sandbox.table.batch_upsert([record], ["Contact ID"], replace=True)["createdRecords"]) == 1


def test_records_can_be_sorted_and_cut_down_to_some_fields(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "b", "Company": "1"}, {"Name": "a", "Company": "2"}, {"Name": "c", "Company": "1"})
    found = sandbox.table.all(sort=["Company", "-Name"], fields=["Name"])
    assert [record["fields"] for record in found] == [{"Name": "c"}, {"Name": "b"}, {"Name": "a"}]


def test_field_ids_replace_names_when_asked_for(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "Ada"})
    name_id, score_id = sandbox.field_id("Name"), sandbox.field_id("Score")
    assert sandbox.table.all(use_field_ids=True)[0]["fields"] == {name_id: "Ada", score_id: 0}
    created = sandbox.table.create({name_id: "Bob"}, use_field_ids=True)
    assert created["fields"] == {name_id: "Bob", score_id: 0}
    assert sandbox.table.get(created["id"], use_field_ids=True) == created


def test_a_query_that_is_too_long_for_a_url_moves_into_a_body(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "Ada"})
    formula = "OR(" + ", ".join(f"{{Name}}='{number:06d}'" for number in range(1500)) + ", {Name}='Ada')"
    assert len(sandbox.table.all(formula=formula, sort=["Name"], fields=["Name"])) == 1
    assert sandbox.airtable.requests()[-1].path.endswith("/listRecords")


def test_the_schema_can_be_read_and_extended(sandbox: Arrangement) -> None:
    assert [base.name for base in sandbox.api.bases()] == ["CRM"]
    schema = sandbox.table.schema()
    assert schema.primary_field_id == sandbox.field_id("Name")
    assert [field.name for field in schema.fields] == [
        "Name",
        "Email",
        "Phone",
        "Company",
        "Job Title",
        "Tags",
        "Contact ID",
        "Notes",
        "Score",
    ]
    assert [view.name for view in schema.views] == ["Grid view"]
    created = sandbox.table.create_field("Level", "singleSelect", options={"choices": [{"name": "A"}]})
    assert sandbox.table.schema(force=True).field("Level").id == created.id
    table = sandbox.api.base(sandbox.base_id).create_table("Other", [{"name": "Key", "type": "singleLineText"}])
    assert table.create({"Key": "x"})["fields"] == {"Key": "x"}


def test_a_token_knows_whose_it_is_and_only_oauth_tells_its_scopes(sandbox: Arrangement) -> None:
    assert set(sandbox.api.whoami()) == {"id"}
    token = sandbox.airtable.create_token(scopes=["data.records:read"], oauth_client="app")
    api = Api(token.value, endpoint_url=sandbox.server.airtable_url)
    assert api.whoami() == {"id": token.user_id, "scopes": ["data.records:read"]}
    api.session.close()


def test_a_refusal_reaches_the_caller_with_its_status(sandbox: Arrangement) -> None:
    with pytest.raises(requests.HTTPError, match="UNKNOWN_FIELD_NAME") as caught:
        sandbox.table.create({"Nonsense": "x"})
    assert caught.value.response is not None
    assert caught.value.response.status_code == 422


def test_a_webhook_is_created_listed_read_refreshed_and_deleted(sandbox: Arrangement) -> None:
    base = sandbox.api.base(sandbox.base_id)
    created = base.add_webhook("https://example.com/x", {"options": {"filters": {"dataTypes": ["tableData"]}}})
    sandbox.table.create({"Name": "Ada"})
    webhook = base.webhook(created.id)
    assert (webhook.cursor_for_next_payload, webhook.is_hook_enabled) == (2, True)
    (payload,) = webhook.payloads()
    (table,) = payload.changed_tables_by_id.values()
    (record,) = table.created_records_by_id.values()
    assert record.cell_values_by_field_id == {sandbox.field_id("Name"): "Ada", sandbox.field_id("Score"): 0}
    assert payload.action_metadata is not None
    assert payload.action_metadata.source == "publicApi"
    webhook.disable_notifications()
    webhook.extend_expiration()
    webhook.delete()
    assert base.webhooks() == []
