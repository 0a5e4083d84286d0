"""Who may do what, and the different shapes in which Airtable says no."""

import pytest

from integrations_pipeline_tests.sandbox.arrangement import Arrangement, client_for, error_of


def test_without_a_bearer_token_authentication_is_required(sandbox: Arrangement) -> None:
    for header in ("", "Basic abc", "Bearer", "Bearer patUnknown"):
        response = sandbox.http.get(sandbox.path, headers={"Authorization": header})
        assert error_of(response) == (401, "AUTHENTICATION_REQUIRED")


def test_a_revoked_token_stops_working(sandbox: Arrangement) -> None:
    token = sandbox.airtable.create_token()
    with client_for(sandbox.server, token.value) as client:
        assert client.get(sandbox.path).status_code == 200
        sandbox.http.delete(f"/sandbox/airtable/tokens/{token.value}")
        assert error_of(client.get(sandbox.path)) == (401, "AUTHENTICATION_REQUIRED")


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("data.records:read", "GET", "/v0/{base}/Contacts"),
        ("data.records:write", "POST", "/v0/{base}/Contacts"),
        ("data.records:write", "DELETE", "/v0/{base}/Contacts"),
        ("webhook:manage", "GET", "/v0/bases/{base}/webhooks"),
        ("data.records:read", "POST", "/v0/bases/{base}/webhooks"),
        ("schema.bases:read", "GET", "/v0/meta/bases"),
        ("schema.bases:read", "GET", "/v0/meta/bases/{base}/tables"),
        ("schema.bases:write", "POST", "/v0/meta/bases/{base}/tables"),
    ],
)
def test_each_operation_needs_its_scope(sandbox: Arrangement, scope: str, method: str, path: str) -> None:
    scopes = sandbox.airtable.token("patSandbox.token").scopes - {scope}
    token = sandbox.airtable.create_token(scopes=scopes)
    with client_for(sandbox.server, token.value) as client:
        response = client.request(method, path.format(base=sandbox.base_id))
    assert response.status_code == (404 if "/tables" in path else 403)


def test_a_base_out_of_reach_looks_like_one_that_does_not_exist(sandbox: Arrangement) -> None:
    token = sandbox.airtable.create_token(base_ids=[])
    with client_for(sandbox.server, token.value) as client:
        refusals = [error_of(client.get(path)) for path in (sandbox.path, "/v0/appMissing0000000/Contacts")]
        assert refusals == [(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")] * 2
        assert client.get("/v0/meta/bases").json() == {"bases": []}
        schema = client.get(f"/v0/meta/bases/{sandbox.base_id}/tables")
    assert (schema.status_code, schema.json()) == (404, {"error": {"type": "NOT_FOUND"}})


@pytest.mark.parametrize("path", ["/v0/garbage/Contacts", "/v0/meta/bases/garbage/tables", "/v0/meta/nothing", "/x"])
def test_an_id_or_path_that_cannot_exist_answers_with_a_plain_string(sandbox: Arrangement, path: str) -> None:
    response = sandbox.http.get(path)
    assert (response.status_code, response.json()) == (404, {"error": "NOT_FOUND"})


def test_a_missing_table_answers_404_or_on_request_403(sandbox: Arrangement) -> None:
    path = f"/v0/{sandbox.base_id}/Nobody"
    response = sandbox.http.get(path)
    assert error_of(response) == (404, "TABLE_NOT_FOUND")
    message = f"Could not find table Nobody in application {sandbox.base_id}"
    assert response.json()["error"]["message"] == message
    sandbox.airtable.set_options(missing_table_is_forbidden=True)
    assert error_of(sandbox.http.get(path)) == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")


def test_the_list_of_bases_comes_in_pages(sandbox: Arrangement) -> None:
    for number in range(4):
        sandbox.airtable.create_base(f"Base {number}")
    sandbox.airtable.set_options(bases_page_size=2)
    assert len(sandbox.api.bases()) == 5
    assert len(sandbox.airtable.requests()) == 3
    assert sandbox.http.get("/v0/meta/bases", params={"offset": "x"}).status_code == 422


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"name": "Name", "type": "singleLineText"}, "DUPLICATE_OR_EMPTY_FIELD_NAME"),
        ({"name": " ", "type": "singleLineText"}, "DUPLICATE_OR_EMPTY_FIELD_NAME"),
        ({"name": "New", "type": "formula"}, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE"),
        ({"name": "New", "type": "number"}, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        ({"name": "New", "type": "nonsense"}, "INVALID_REQUEST_UNKNOWN"),
    ],
)
def test_a_field_that_cannot_be_made_is_refused(sandbox: Arrangement, document: dict[str, str], kind: str) -> None:
    table_id = sandbox.airtable.table(sandbox.base_id, "Contacts").id
    path = f"/v0/meta/bases/{sandbox.base_id}/tables/{table_id}/fields"
    assert error_of(sandbox.http.post(path, json=document)) == (422, kind)


def test_a_table_that_cannot_be_made_or_found_is_refused(sandbox: Arrangement) -> None:
    path = f"/v0/meta/bases/{sandbox.base_id}/tables"
    field = {"name": "Key", "type": "singleLineText"}
    assert sandbox.http.post(path, json={"name": "Contacts", "fields": [field]}).status_code == 422
    assert sandbox.http.post(path, json={"name": "New", "fields": []}).status_code == 422
    assert error_of(sandbox.http.post(path + "/tblNobody/fields", json=field)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("permission", "write", "webhook", "column"),
    [("read", 403, 403, 404), ("comment", 403, 403, 404), ("edit", 200, 403, 404), ("create", 200, 200, 200)],
)
def test_a_user_does_no_more_in_a_base_than_their_level_allows(
    sandbox: Arrangement, permission: str, write: int, webhook: int, column: int
) -> None:
    made = sandbox.http.post("/sandbox/airtable/tokens", json={"permission": permission}).json()
    specification = {"options": {"filters": {"dataTypes": ["tableData"]}}}
    table = f"/airtable/v0/meta/bases/{sandbox.base_id}/tables/{sandbox.airtable.table(sandbox.base_id, 'Contacts').id}"
    with client_for(sandbox.server, made["token"]) as client:
        assert client.get(sandbox.path).status_code == 200
        (base,) = client.get("/airtable/v0/meta/bases").json()["bases"]
        assert base["permissionLevel"] == permission
        assert client.post(sandbox.path, json={"fields": {"Name": "Ann"}}).status_code == write
        assert client.post(sandbox.hooks_path, json={"specification": specification}).status_code == webhook
        new = {"name": "More", "type": "singleLineText"}
        assert client.post(f"{table}/fields", json=new).status_code == column


def test_an_editor_makes_no_options(sandbox: Arrangement) -> None:
    token = sandbox.airtable.create_token(permission="edit").value
    new = {"fields": {"Name": "Ann", "Tags": ["new"]}, "typecast": True}
    with client_for(sandbox.server, token) as client:
        assert error_of(client.post(sandbox.path, json=new)) == (422, "INVALID_MULTIPLE_CHOICE_OPTIONS")
    assert sandbox.http.post(sandbox.path, json=new).status_code == 200
    with client_for(sandbox.server, token) as client:
        assert client.post(sandbox.path, json=new).status_code == 200


def test_a_level_that_does_not_exist_is_refused(sandbox: Arrangement) -> None:
    assert sandbox.http.post("/sandbox/airtable/tokens", json={"permission": "own"}).status_code == 400
