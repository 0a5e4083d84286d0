"""A request is carried out as a whole or not at all."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.arrangement import Arrangement, error_of


def upsert(sandbox: Arrangement, merge_on: Any, *records: dict[str, Any], method: str = "PATCH") -> Any:
    body: Any = {"records": list(records), "performUpsert": {"fieldsToMergeOn": merge_on}, "typecast": True}
    return sandbox.http.request(method, sandbox.path, json=body)


@pytest.mark.parametrize(("method", "verb"), [("POST", "created"), ("PATCH", "updated"), ("PUT", "updated")])
def test_more_than_ten_records_are_refused(sandbox: Arrangement, method: str, verb: str) -> None:
    records = [{"id": f"rec{number}", "fields": {"Name": "a"}} for number in range(11)]
    response = sandbox.http.request(method, sandbox.path, json={"records": records})
    assert error_of(response) == (422, "INVALID_RECORDS")
    message = f"A maximum of 10 records can be {verb} per request but you have provided 11."
    assert response.json()["error"]["message"] == message


def test_more_than_ten_deletions_are_refused(sandbox: Arrangement) -> None:
    ids = sandbox.create_many(11)
    assert error_of(sandbox.http.delete(sandbox.path, params={"records[]": ids})) == (422, "INVALID_RECORDS")
    assert len(sandbox.names()) == 11


def test_one_bad_record_keeps_a_whole_create_from_happening(sandbox: Arrangement) -> None:
    records: Any = [{"fields": {"Name": "good", "Tags": ["new"]}}, {"fields": {"Name": 5, "Score": 1}}]
    response = sandbox.http.post(sandbox.path, json={"records": records, "typecast": True})
    assert error_of(response) == (422, "INVALID_VALUE_FOR_COLUMN")
    assert sandbox.names() == []
    tags = sandbox.airtable.table(sandbox.base_id, "Contacts").field("Tags")
    assert tags is not None
    assert tags.choices == []


def test_one_bad_record_keeps_a_whole_update_from_happening(sandbox: Arrangement) -> None:
    (record_id,) = sandbox.create({"Name": "a"})
    records: Any = [{"id": record_id, "fields": {"Name": "b"}}, {"id": "recMissing0000000", "fields": {}}]
    response = sandbox.http.patch(sandbox.path, json={"records": records})
    assert error_of(response) == (422, "ROW_DOES_NOT_EXIST")
    message = "Record ID recMissing0000000 does not exist in this table"
    assert response.json()["error"]["message"] == message
    assert sandbox.names() == ["a"]


def test_one_missing_record_keeps_a_whole_delete_from_happening(sandbox: Arrangement) -> None:
    (record_id,) = sandbox.create({"Name": "a"})
    response = sandbox.http.delete(sandbox.path, params={"records[]": [record_id, "recMissing0000000"]})
    assert error_of(response) == (422, "ROW_DOES_NOT_EXIST")
    assert sandbox.names() == ["a"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_a_single_record_that_is_gone_answers_404(sandbox: Arrangement, method: str) -> None:
    body: Any = {"fields": {}} if method.startswith("P") else None
    response = sandbox.http.request(method, f"{sandbox.path}/recMissing0000000", json=body)
    assert error_of(response) == (404, "MODEL_ID_NOT_FOUND")


def test_the_same_record_cannot_be_updated_twice_in_one_request(sandbox: Arrangement) -> None:
    (record_id,) = sandbox.create({"Name": "a"})
    records = [{"id": record_id, "fields": {"Name": each}} for each in "bc"]
    assert error_of(sandbox.http.patch(sandbox.path, json={"records": records})) == (422, "INVALID_RECORDS")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 400, "INVALID_REQUEST_BODY"),
        (b"[]", 400, "INVALID_REQUEST_BODY"),
        (b"{}", 422, "INVALID_REQUEST_MISSING_FIELDS"),
        (b'{"records": []}', 422, "INVALID_REQUEST_UNKNOWN"),
        (b'{"records": [5]}', 422, "INVALID_REQUEST_UNKNOWN"),
        (b'{"records": [{}]}', 422, "INVALID_REQUEST_MISSING_FIELDS"),
        (b'{"fields": []}', 422, "INVALID_REQUEST_UNKNOWN"),
        (b'{"fields": {"Nobody": 1}}', 422, "UNKNOWN_FIELD_NAME"),
    ],
)
def test_a_malformed_create_is_refused(sandbox: Arrangement, body: bytes, status: int, kind: str) -> None:
    assert error_of(sandbox.http.post(sandbox.path, content=body)) == (status, kind)


def test_a_delete_without_ids_is_refused(sandbox: Arrangement) -> None:
    assert sandbox.http.delete(sandbox.path).status_code == 422


def test_an_upsert_that_matches_twice_fails_as_a_whole(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "a", "Contact ID": "1"}, {"Name": "b", "Contact ID": "1"})
    records = [{"fields": {"Contact ID": each, "Name": "c"}} for each in "21"]
    assert upsert(sandbox, ["Contact ID"], *records).status_code == 422
    assert sandbox.names() == ["a", "b"]


@pytest.mark.parametrize("name", ["Email", "Phone", "Score"])
def test_an_upsert_on_a_type_that_cannot_be_a_key_is_refused(sandbox: Arrangement, name: str) -> None:
    assert upsert(sandbox, [name], {"fields": {"Email": "a@example.com"}}).status_code == 422
    assert sandbox.names() == []


@pytest.mark.parametrize("merge_on", [None, [], ["Name", "Company", "Notes", "Tags"], "Name", [1], ["Nobody"]])
def test_an_upsert_needs_one_to_three_fields_that_exist(sandbox: Arrangement, merge_on: Any) -> None:
    assert upsert(sandbox, merge_on, {"fields": {"Name": "a"}}).status_code == 422


@pytest.mark.parametrize(
    ("merge_on", "key"),
    [
        (["Contact ID"], {"Contact ID": "1"}),
        (["Notes"], {"Notes": "n"}),
        (["Tags"], {"Tags": ["x", "y"]}),
        (["Name", "Company", "Job Title"], {"Name": "a", "Company": "c", "Job Title": "j"}),
    ],
)
def test_an_upsert_matches_on_all_its_merge_fields(
    sandbox: Arrangement, merge_on: list[str], key: dict[str, Any]
) -> None:
    first = upsert(sandbox, merge_on, {"fields": key}).json()
    second = upsert(sandbox, merge_on, {"fields": key | {"Phone": "1"}}).json()
    assert second["updatedRecords"] == first["createdRecords"]
    assert second["createdRecords"] == []


def test_an_upsert_sees_every_change_made_since_the_last_one(sandbox: Arrangement) -> None:
    def created(key: str) -> list[str]:
        record = {"fields": {"Contact ID": key, "Name": "n"}}
        ids: list[str] = upsert(sandbox, ["Contact ID"], record).json()["createdRecords"]
        return ids

    (first,) = created("1")
    sandbox.airtable.update_records(sandbox.base_id, "Contacts", [{"id": first, "fields": {"Contact ID": "2"}}])
    assert created("2") == []
    (second,) = created("1")
    sandbox.table.delete(second)
    assert len(created("1")) == 1
    sandbox.airtable.delete_field(sandbox.base_id, "Contacts", "Contact ID")
    sandbox.airtable.create_field(sandbox.base_id, "Contacts", {"name": "Contact ID", "type": "singleLineText"})
    assert len(created("1")) == 1


def test_a_record_with_an_id_is_updated_whatever_the_merge_field_says(sandbox: Arrangement) -> None:
    first, _ = sandbox.create({"Contact ID": "1"}, {"Contact ID": "2"})
    answer = upsert(sandbox, ["Contact ID"], {"id": first, "fields": {"Contact ID": "2"}}).json()
    assert answer["updatedRecords"] == [first]
    response = upsert(sandbox, ["Contact ID"], {"id": "recMissing0000000", "fields": {"Contact ID": "9"}})
    assert error_of(response) == (422, "ROW_DOES_NOT_EXIST")


def test_an_upsert_by_put_clears_what_is_not_listed(sandbox: Arrangement) -> None:
    sandbox.create({"Contact ID": "1", "Phone": "1", "Name": "a"})
    answer = upsert(sandbox, ["Contact ID"], {"fields": {"Contact ID": "1"}}, method="PUT").json()
    assert answer["records"][0]["fields"] == {"Contact ID": "1", "Score": 0}
