"""The control API does over HTTP what a person, a test or a curious developer needs."""

import pytest

from integrations_pipeline_tests.sandbox.arrangement import Arrangement


def test_a_base_with_contacts_can_be_made_edited_and_looked_at(sandbox: Arrangement) -> None:
    base = sandbox.http.post("/sandbox/airtable/bases", json={"name": "B", "contacts_table": "People"}).json()
    path = f"/sandbox/airtable/bases/{base['id']}/tables/People/records"
    made = sandbox.http.post(path, json={"records": [{"fields": {"Name": "Ada", "Tags": ["new"]}}]}).json()
    (record,) = made["records"]
    edit = {"id": record["id"], "fields": {"Name": None, "Phone": "1"}}
    assert sandbox.http.patch(path, json={"records": [edit]}).status_code == 200
    assert sandbox.http.get(path).json()["records"][0]["fields"] == {
        "Phone": "1",
        "Tags": ["new"],
        "Score": 30,
    }
    assert sandbox.http.request("DELETE", path, json={"ids": [record["id"]]}).status_code == 200
    assert sandbox.http.get(path).json() == {"records": []}
    assert [each["name"] for each in sandbox.http.get("/sandbox/airtable/bases").json()["bases"]] == [
        "CRM",
        "B",
    ]


def test_tables_fields_and_views_can_be_made_and_changed(sandbox: Arrangement) -> None:
    base_path = f"/sandbox/airtable/bases/{sandbox.base_id}"
    fields = [
        {"name": "Key", "type": "singleLineText"},
        {"name": "Sum", "type": "formula", "options": {"formula": "BLANK()"}},
    ]
    assert sandbox.http.post(f"{base_path}/tables", json={"name": "T", "fields": fields}).status_code == 200
    without = {"name": "Plain", "with_contact_id": False}
    made = sandbox.http.post(f"{base_path}/contacts-table", json=without).json()
    assert "Contact ID" not in [field["name"] for field in made["fields"]]
    table_path = f"{base_path}/tables/T"
    assert sandbox.http.post(f"{table_path}/views", json={"name": "V", "formula": "Key"}).status_code == 200
    field = sandbox.http.post(f"{table_path}/fields", json={"name": "New", "type": "email"}).json()
    sandbox.airtable.create_records(sandbox.base_id, "T", [{"New": "a"}])
    sandbox.http.patch(f"{table_path}/fields/New", json={"name": "Renamed"})
    assert sandbox.airtable.records(sandbox.base_id, "T")[0]["fields"] == {"Renamed": "a"}
    sandbox.http.delete(f"{table_path}/fields/{field['id']}")
    assert sandbox.airtable.records(sandbox.base_id, "T")[0]["fields"] == {}


def test_a_base_can_have_an_id_of_ones_own_choice(sandbox: Arrangement) -> None:
    body = {
        "name": "B",
        "id": "appChosen00000001",
        "tables": [{"name": "T", "fields": [{"name": "K", "type": "url"}]}],
    }
    assert sandbox.http.post("/sandbox/airtable/bases", json=body).json()["id"] == "appChosen00000001"
    assert sandbox.http.post("/sandbox/airtable/bases", json=body).status_code == 400
    assert sandbox.http.post("/sandbox/airtable/bases", json={"name": "B", "id": "x"}).status_code == 400


def test_the_log_tells_what_arrived_and_what_was_answered(sandbox: Arrangement) -> None:
    sandbox.http.post(sandbox.path, json={"fields": {"Name": "Ada"}})
    sandbox.http.get(sandbox.path, params=[("fields[]", "Name"), ("fields[]", "Nobody")])
    first, second = sandbox.http.get("/sandbox/requests").json()["requests"]
    assert first | {"n": 0} == {
        "n": 0,
        "time": "2026-11-22T12:00:00.250Z",
        "method": "POST",
        "path": sandbox.path,
        "query": [],
        "body": {"fields": {"Name": "Ada"}},
        "status": 200,
        "token": "patSandbox.token",
    }
    assert (second["query"], second["body"]) == ([["fields[]", "Name"], ["fields[]", "Nobody"]], None)
    assert second["status"] == 422
    after = sandbox.http.get("/sandbox/requests", params={"after": first["n"]}).json()["requests"]
    assert after == [second]
    sandbox.http.delete("/sandbox/requests")
    assert sandbox.http.get("/sandbox/requests").json() == {"requests": []}


def test_a_body_that_is_not_json_is_logged_as_text(sandbox: Arrangement) -> None:
    sandbox.http.post(sandbox.path, content=b"\xffno")
    assert sandbox.airtable.requests()[0].body == "�no"
    sandbox.airtable.clear_requests()
    assert sandbox.airtable.requests() == []


def test_the_clock_can_be_moved(sandbox: Arrangement) -> None:
    assert sandbox.http.get("/sandbox/health").json()["status"] == "ok"
    moved = sandbox.http.post("/sandbox/clock", json={"advance_seconds": 86_400}).json()
    assert moved["time"] == "2026-11-23T12:00:00.250Z"


def test_options_can_be_seen_and_changed(sandbox: Arrangement) -> None:
    changed = sandbox.http.patch("/sandbox/airtable/options", json={"shuffle_pages": True}).json()
    assert changed == sandbox.http.get("/sandbox/airtable/options").json()
    assert changed["shuffle_pages"] is True
    assert sandbox.http.patch("/sandbox/airtable/options", json={"nonsense": 1}).status_code == 400


def test_tokens_can_be_limited(sandbox: Arrangement) -> None:
    body = {"token": "patMine", "scopes": ["data.records:read"], "base_ids": [sandbox.base_id]}
    made = sandbox.http.post("/sandbox/airtable/tokens", json=body).json()
    assert {key: made[key] for key in body} == body
    assert sandbox.http.post("/sandbox/airtable/tokens", json={}).json()["base_ids"] is None


def test_offsets_can_be_forgotten(sandbox: Arrangement) -> None:
    sandbox.create_many(3)
    offset = sandbox.http.get(sandbox.path, params={"pageSize": 1}).json()["offset"]
    sandbox.http.post("/sandbox/airtable/expire-iterators")
    assert sandbox.http.get(sandbox.path, params={"offset": offset}).status_code == 422


def test_a_reset_forgets_everything(sandbox: Arrangement) -> None:
    sandbox.create_many(1)
    sandbox.airtable.set_options(allows_webhooks=False)
    sandbox.airtable.create_token(value="patMine")
    sandbox.http.post("/sandbox/faults", json={"action": "drop_before"})
    sandbox.http.post("/sandbox/clock", json={"advance_seconds": 5})
    sandbox.http.get("/sandbox/reset")
    assert sandbox.http.post("/sandbox/reset").status_code == 200
    assert sandbox.http.get("/sandbox/airtable/bases").json() == {"bases": []}
    assert sandbox.http.get("/sandbox/faults").json() == {"faults": []}
    assert sandbox.http.get("/sandbox/requests").json() == {"requests": []}
    assert sandbox.http.get("/sandbox/airtable/options").json()["allows_webhooks"] is True
    assert sandbox.http.get("/sandbox/health").json()["time"] == "2026-11-22T12:00:00.250Z"
    assert sandbox.http.get("/v0/meta/whoami").status_code == 200
    with_mine = {"Authorization": "Bearer patMine"}
    assert sandbox.http.get("/v0/meta/whoami", headers=with_mine).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/sandbox/nothing", 404),
        ("PUT", "/sandbox/health", 404),
        ("POST", "/sandbox/clock", 400),
        ("POST", "/sandbox/airtable/bases", 400),
        ("GET", "/sandbox/airtable/bases/appMissing0000000/tables/T/records", 403),
        ("PATCH", "/sandbox/airtable/bases/{base}/tables/Contacts/fields/Nobody", 422),
    ],
)
def test_a_mistake_is_answered_with_what_is_wrong(sandbox: Arrangement, method: str, path: str, status: int) -> None:
    response = sandbox.http.request(
        method, path.format(base=sandbox.base_id), json={"name": "x"} if "Nobody" in path else {}
    )
    assert response.status_code == status
    assert set(response.json()["error"]) == {"type", "message"}


def test_the_front_page_says_what_this_is(sandbox: Arrangement) -> None:
    response = sandbox.http.get("/")
    assert response.headers["content-type"].startswith("text/html")
    assert "/sandbox/airtable/bases/BASE/tables/TABLE/records" in response.text
    assert "patSandbox.token" in response.text
