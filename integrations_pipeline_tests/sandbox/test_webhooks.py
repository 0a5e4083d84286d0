"""Webhooks tell what changed, in order, for as long as their documentation promises."""

from typing import Any

import httpx
import pytest

from integrations_pipeline_tests.sandbox.arrangement import Arrangement, client_for, error_of

DAY = 86_400


def create(sandbox: Arrangement, includes: dict[str, Any] | None = None, **filters: Any) -> httpx.Response:
    options = {"filters": {"dataTypes": ["tableData"]} | filters} | ({"includes": includes} if includes else {})
    return sandbox.http.post(sandbox.hooks_path, json={"specification": {"options": options}})


def subscribe(sandbox: Arrangement, includes: dict[str, Any] | None = None, **filters: Any) -> str:
    hook_id: str = create(sandbox, includes, **filters).json()["id"]
    return hook_id


def read(sandbox: Arrangement, hook_id: str, cursor: int = 1, limit: int = 50) -> Any:
    path = f"{sandbox.hooks_path}/{hook_id}/payloads"
    return sandbox.http.get(path, params={"cursor": cursor, "limit": limit}).json()


def changes(sandbox: Arrangement, hook_id: str) -> list[Any]:
    table_id = sandbox.airtable.table(sandbox.base_id, "Contacts").id
    return [payload["changedTablesById"][table_id] for payload in read(sandbox, hook_id)["payloads"]]


def test_payloads_carry_creations_changes_and_tombstones(sandbox: Arrangement) -> None:
    hook_id = subscribe(sandbox)
    created = sandbox.table.create({"Name": "Ada", "Tags": ["x"], "Phone": "1"}, typecast=True)
    sandbox.advance(1)
    sandbox.airtable.update_record(sandbox.base_id, "Contacts", created["id"], Phone=None, Company="Engines")
    sandbox.table.delete(created["id"])
    tags = sandbox.airtable.table(sandbox.base_id, "Contacts").field("Tags")
    assert tags is not None
    name, phone, company, score = (sandbox.field_id(each) for each in ("Name", "Phone", "Company", "Score"))
    cells = {name: "Ada", tags.id: tags.choices, phone: "1", score: 30}
    assert changes(sandbox, hook_id) == [
        {
            "createdRecordsById": {
                created["id"]: {"createdTime": "2026-11-22T12:00:00.000Z", "cellValuesByFieldId": cells}
            }
        },
        {
            "changedRecordsById": {
                created["id"]: {"current": {"cellValuesByFieldId": {phone: None, company: "Engines", score: 20}}}
            }
        },
        {"destroyedRecordIds": [created["id"]]},
    ]
    first, second, third = read(sandbox, hook_id)["payloads"]
    assert [each["actionMetadata"]["source"] for each in (first, second, third)] == [
        "publicApi",
        "client",
        "publicApi",
    ]
    assert second["timestamp"] == "2026-11-22T12:00:01.250Z"
    assert second["payloadFormat"] == "v0"
    assert first["baseTransactionNumber"] < second["baseTransactionNumber"] < third["baseTransactionNumber"]


def test_selects_and_links_are_objects_in_payloads(sandbox: Arrangement) -> None:
    options = {"choices": [{"name": "Hot"}]}
    level = sandbox.table.create_field("Level", "singleSelect", options=options)
    table_id = sandbox.airtable.table(sandbox.base_id, "Contacts").id
    link = sandbox.table.create_field("Knows", "multipleRecordLinks", options={"linkedTableId": table_id})
    (other,) = sandbox.create({"Name": "Bob"})
    hook_id = subscribe(sandbox)
    created = sandbox.table.create({"Level": "Hot", "Knows": [other]})
    cells = changes(sandbox, hook_id)[0]["createdRecordsById"][created["id"]]["cellValuesByFieldId"]
    assert cells[level.id] == {"id": cells[level.id]["id"], "name": "Hot", "color": "blueLight2"}
    assert cells[link.id] == [{"id": other, "name": "Bob"}]


@pytest.mark.parametrize("included", ["all", "one"])
def test_previous_and_unchanged_cells_come_when_asked_for(sandbox: Arrangement, included: str) -> None:
    name, phone, email = (sandbox.field_id(each) for each in ("Name", "Phone", "Email"))
    fields = "all" if included == "all" else [email]
    wanted = {"includePreviousCellValues": True, "includeCellValuesInFieldIds": fields}
    hook_id = subscribe(sandbox, wanted)
    (record_id,) = sandbox.create({"Name": "Ada", "Phone": "1", "Email": "a@example.com"})
    sandbox.table.update(record_id, {"Phone": "2", "Name": "Ada"})
    unchanged = {email: "a@example.com"} | ({name: "Ada"} if included == "all" else {})
    assert changes(sandbox, hook_id)[1]["changedRecordsById"][record_id] == {
        "current": {"cellValuesByFieldId": {phone: "2"}},
        "previous": {"cellValuesByFieldId": {phone: "1"}},
        "unchanged": {"cellValuesByFieldId": unchanged},
    }


@pytest.mark.parametrize(
    ("filters", "kinds"),
    [
        ({"changeTypes": ["add"]}, ["createdRecordsById"]),
        ({"changeTypes": ["update"]}, ["changedRecordsById"]),
        ({"changeTypes": ["remove"]}, ["destroyedRecordIds"]),
        ({"fromSources": ["publicApi"]}, ["changedRecordsById"]),
        ({"fromSources": ["client"]}, ["createdRecordsById", "destroyedRecordIds"]),
        ({"recordChangeScope": "tblElsewhere00000"}, []),
        ({"dataTypes": ["tableFields"]}, ["createdFieldsById"]),
        ({"dataTypes": ["tableMetadata"]}, []),
        ({"watchDataInFieldIds": ["fldElsewhere00000"]}, ["createdRecordsById", "destroyedRecordIds"]),
    ],
    ids=str,
)
def test_a_webhook_sees_only_what_its_filters_let_through(
    sandbox: Arrangement, filters: dict[str, Any], kinds: list[str]
) -> None:
    hook_id = subscribe(sandbox, **filters)
    (record_id,) = sandbox.create({"Name": "a"})
    sandbox.table.update(record_id, {"Name": "b"})
    sandbox.airtable.delete_records(sandbox.base_id, "Contacts", [record_id])
    sandbox.airtable.create_field(sandbox.base_id, "Contacts", {"name": "New", "type": "singleLineText"})
    assert [kind for change in changes(sandbox, hook_id) for kind in change] == kinds


def test_the_scope_of_a_webhook_may_be_one_table(sandbox: Arrangement) -> None:
    other = sandbox.airtable.create_contacts_table(sandbox.base_id, "Other")
    hook_id = subscribe(sandbox, recordChangeScope=other.id)
    sandbox.create({"Name": "a"})
    sandbox.airtable.create_records(sandbox.base_id, "Other", [{"Name": "b"}])
    (payload,) = read(sandbox, hook_id)["payloads"]
    assert list(payload["changedTablesById"]) == [other.id]


def test_an_update_that_changes_nothing_is_not_reported(sandbox: Arrangement) -> None:
    (record_id,) = sandbox.create({"Name": "a"})
    hook_id = subscribe(sandbox)
    sandbox.table.update(record_id, {"Name": "a"})
    assert changes(sandbox, hook_id) == []


def test_a_batch_is_one_payload(sandbox: Arrangement) -> None:
    hook_id = subscribe(sandbox)
    ids = [record["id"] for record in sandbox.table.batch_create([{"Name": "a"}] * 12)]
    assert [list(each["createdRecordsById"]) for each in changes(sandbox, hook_id)] == [ids[:10], ids[10:]]


def test_cursors_count_from_one_and_say_whether_there_is_more(sandbox: Arrangement) -> None:
    hook_id = subscribe(sandbox)
    assert read(sandbox, hook_id) == {
        "payloads": [],
        "cursor": 1,
        "mightHaveMore": False,
        "payloadFormat": "v0",
    }
    for _ in range(60):
        sandbox.create({"Name": "a"})
    first = read(sandbox, hook_id)
    assert (len(first["payloads"]), first["cursor"], first["mightHaveMore"]) == (50, 51, True)
    second = read(sandbox, hook_id, cursor=first["cursor"])
    assert (len(second["payloads"]), second["cursor"], second["mightHaveMore"]) == (10, 61, False)
    assert read(sandbox, hook_id, cursor=61)["cursor"] == 61
    assert read(sandbox, hook_id, cursor=7, limit=1)["payloads"] == first["payloads"][6:7]
    listed = sandbox.http.get(sandbox.hooks_path).json()["webhooks"]
    assert [each["cursorForNextPayload"] for each in listed] == [61]


@pytest.mark.parametrize("params", [{"cursor": 0}, {"limit": 51}, {"limit": 0}, {"cursor": "x"}])
def test_a_cursor_or_limit_out_of_range_is_refused(sandbox: Arrangement, params: dict[str, Any]) -> None:
    path = f"{sandbox.hooks_path}/{subscribe(sandbox)}/payloads"
    assert sandbox.http.get(path, params=params).status_code == 422


@pytest.mark.parametrize("way", ["refresh", "payloads"])
def test_a_refresh_and_every_reading_give_seven_more_days(sandbox: Arrangement, way: str) -> None:
    hook_id = subscribe(sandbox)
    for _ in range(3):
        sandbox.advance(6 * DAY)
        if way == "refresh":
            answer = sandbox.http.post(f"{sandbox.hooks_path}/{hook_id}/refresh").json()
            assert answer["expirationTime"] > sandbox.http.get("/sandbox/health").json()["time"]
        else:
            read(sandbox, hook_id)
    sandbox.create({"Name": "a"})
    assert len(changes(sandbox, hook_id)) == 1


def test_an_expired_webhook_can_be_read_for_seven_more_days_and_is_then_gone(sandbox: Arrangement) -> None:
    hook_id = subscribe(sandbox)
    sandbox.advance(6 * DAY)
    sandbox.create({"Name": "seen"})
    sandbox.advance(2 * DAY)
    sandbox.create({"Name": "missed"})
    listed = sandbox.http.get(sandbox.hooks_path).json()["webhooks"]
    assert [each["isHookEnabled"] for each in listed] == [False]
    assert len(changes(sandbox, hook_id)) == 1
    refresh = sandbox.http.post(f"{sandbox.hooks_path}/{hook_id}/refresh")
    assert refresh.status_code == 404
    sandbox.advance(6 * DAY)
    response = sandbox.http.get(f"{sandbox.hooks_path}/{hook_id}/payloads")
    assert error_of(response) == (404, "NOT_FOUND")
    assert sandbox.http.get(sandbox.hooks_path).json() == {"webhooks": []}


def test_payloads_are_kept_for_seven_days(sandbox: Arrangement) -> None:
    hook_id = subscribe(sandbox)
    sandbox.create({"Name": "old"})
    sandbox.advance(4 * DAY)
    read(sandbox, hook_id)
    sandbox.create({"Name": "young"})
    sandbox.advance(4 * DAY)
    answer = read(sandbox, hook_id)
    assert (len(answer["payloads"]), answer["cursor"]) == (1, 3)


def test_a_base_has_ten_webhooks_at_most(sandbox: Arrangement) -> None:
    assert [create(sandbox).status_code for _ in range(11)] == [200] * 10 + [422]


def test_an_oauth_client_has_two_webhooks_and_sees_only_its_own(sandbox: Arrangement) -> None:
    foreign = subscribe(sandbox)
    token = sandbox.airtable.create_token(oauth_client="app")
    body = {"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}}
    with client_for(sandbox.server, token.value) as client:
        made = [client.post(sandbox.hooks_path, json=body).status_code for _ in range(3)]
        listed = client.get(sandbox.hooks_path).json()["webhooks"]
        assert client.get(f"{sandbox.hooks_path}/{foreign}/payloads").status_code == 404
    assert (made, len(listed)) == ([200, 200, 422], 2)


def test_the_creation_of_webhooks_can_be_forbidden(sandbox: Arrangement) -> None:
    sandbox.airtable.set_options(allows_webhooks=False)
    assert error_of(create(sandbox)) == (403, "INVALID_PERMISSIONS")


@pytest.mark.parametrize("body", [{}, {"specification": 1}, {"specification": {"options": {"filters": {}}}}])
def test_a_webhook_without_data_types_is_refused(sandbox: Arrangement, body: dict[str, Any]) -> None:
    assert sandbox.http.post(sandbox.hooks_path, json=body).status_code == 422


def test_a_payload_may_be_an_error(sandbox: Arrangement) -> None:
    hook_id = subscribe(sandbox)
    sandbox.http.post(f"/sandbox/airtable/bases/{sandbox.base_id}/webhook-error", json={"code": "INVALID_FILTERS"})
    (payload,) = sandbox.api.base(sandbox.base_id).webhook(hook_id).payloads()
    assert (payload.error, payload.error_code) == (True, "INVALID_FILTERS")
