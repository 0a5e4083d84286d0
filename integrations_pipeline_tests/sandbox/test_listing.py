"""Lists come in pages, pages expire, and parameters that make no sense are refused."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.arrangement import Arrangement, error_of


def get(sandbox: Arrangement, **params: Any) -> Any:
    return sandbox.http.get(sandbox.path, params=params)


def test_an_offset_leads_to_the_next_page_and_may_be_used_again(sandbox: Arrangement) -> None:
    sandbox.create_many(5)
    first = get(sandbox, pageSize=2).json()
    second = get(sandbox, pageSize=2, offset=first["offset"])
    assert second.json() == get(sandbox, pageSize=2, offset=first["offset"]).json()
    last = get(sandbox, pageSize=2, offset=second.json()["offset"]).json()
    assert len(last["records"]) == 1
    assert "offset" not in last


@pytest.mark.parametrize("way", ["idle", "forgotten", "fault", "invented", "other table"])
def test_an_offset_that_is_gone_answers_422(sandbox: Arrangement, way: str) -> None:
    sandbox.create_many(3)
    offset, path = get(sandbox, pageSize=2).json()["offset"], sandbox.path
    if way == "idle":
        sandbox.advance(301)
    elif way == "forgotten":
        sandbox.airtable.expire_iterators()
    elif way == "fault":
        sandbox.http.post("/sandbox/faults", json={"action": "expire_iterators"})
    elif way == "invented":
        offset = "itrInvented/2"
    else:
        sandbox.airtable.create_contacts_table(sandbox.base_id, "Other")
        path = f"/airtable/v0/{sandbox.base_id}/Other"
    response = sandbox.http.get(path, params={"offset": offset})
    assert error_of(response) == (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")


def test_an_offset_in_use_lives_on(sandbox: Arrangement) -> None:
    sandbox.create_many(4)
    page = get(sandbox, pageSize=1).json()
    for _ in range(3):
        sandbox.advance(200)
        page = get(sandbox, pageSize=1, offset=page["offset"]).json()
    assert "offset" not in page


def test_pages_are_not_a_snapshot(sandbox: Arrangement) -> None:
    ids = sandbox.create_many(4)
    offset = get(sandbox, pageSize=2).json()["offset"]
    sandbox.airtable.delete_records(sandbox.base_id, "Contacts", ids[2:3])
    sandbox.airtable.update_record(sandbox.base_id, "Contacts", ids[3], Name="Edited")
    records = get(sandbox, pageSize=2, offset=offset).json()["records"]
    assert [record["fields"]["Name"] for record in records] == ["Edited"]


def test_post_list_records_takes_the_same_parameters_in_its_body(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "b", "Phone": "1"}, {"Name": "a", "Phone": "1"}, {"Name": "c"})
    body: dict[str, Any] = {
        "filterByFormula": "Phone",
        "sort": [{"field": "Name", "direction": "asc"}],
        "fields": ["Name"],
        "pageSize": 1,
        "returnFieldsByFieldId": True,
        "recordMetadata": ["commentCount"],
    }
    first = sandbox.http.post(sandbox.path + "/listRecords", json=body).json()
    second = sandbox.http.post(sandbox.path + "/listRecords", json=body | {"offset": first["offset"]}).json()
    name = sandbox.field_id("Name")
    assert [page["records"][0]["fields"] for page in (first, second)] == [{name: "a"}, {name: "b"}]
    assert first["records"][0]["commentCount"] == 0
    assert "offset" not in second


def test_a_field_that_is_asked_for_by_id_is_answered_by_name(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "a", "Phone": "1"})
    record = get(sandbox, **{"fields[]": sandbox.field_id("Phone")}).json()["records"][0]
    assert record["fields"] == {"Phone": "1"}


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"fields[]": "Nobody"}, "UNKNOWN_FIELD_NAME"),
        ({"sort[0][field]": "Nobody"}, "UNKNOWN_FIELD_NAME"),
        ({"sort[0][field]": "Name", "sort[0][direction]": "up"}, "INVALID_REQUEST_UNKNOWN"),
        ({"sort[0][direction]": "asc"}, "INVALID_REQUEST_UNKNOWN"),
        ({"pageSize": 101}, "INVALID_REQUEST_UNKNOWN"),
        ({"pageSize": 0}, "INVALID_REQUEST_UNKNOWN"),
        ({"maxRecords": "many"}, "INVALID_REQUEST_UNKNOWN"),
        ({"view": "Nobody"}, "VIEW_NAME_NOT_FOUND"),
    ],
)
def test_senseless_parameters_are_refused(sandbox: Arrangement, params: dict[str, Any], kind: str) -> None:
    assert error_of(get(sandbox, **params)) == (422, kind)


@pytest.mark.parametrize("key", ["sort", "fields", "recordMetadata"])
def test_a_list_in_a_body_must_be_a_list(sandbox: Arrangement, key: str) -> None:
    assert sandbox.http.post(sandbox.path + "/listRecords", json={key: 5}).status_code == 422


def test_sorting_puts_empty_cells_first_and_knows_numbers_and_times(sandbox: Arrangement) -> None:
    for kind, options in (("number", {"precision": 0}), ("date", None)):
        field = {"name": kind, "type": kind, "options": options}
        sandbox.airtable.create_field(sandbox.base_id, "Contacts", field)
    sandbox.create(
        {"Name": "ten", "number": 10, "date": "2026-01-02"},
        {"Name": "nine", "number": 9, "date": "2026-01-03"},
        {"Name": "none"},
    )
    for key, names in (("number", ["none", "nine", "ten"]), ("-date", ["nine", "ten", "none"])):
        assert [record["fields"]["Name"] for record in sandbox.table.all(sort=[key])] == names


def test_a_view_shows_its_records_only(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "a", "Phone": "1"}, {"Name": "b"})
    view = sandbox.airtable.create_view(sandbox.base_id, "Contacts", "Has phone", "Phone")
    for name in (view.id, view.name):
        assert [record["fields"]["Name"] for record in sandbox.table.all(view=name)] == ["a"]
    assert len(sandbox.table.all(view="Grid view")) == 2


def test_records_can_come_in_arbitrary_order(sandbox: Arrangement) -> None:
    sandbox.create_many(30)
    sandbox.airtable.set_options(shuffle_pages=True)
    shuffled = [record["fields"]["Name"] for record in sandbox.table.all(page_size=10)]
    assert shuffled != sandbox.names()
    assert sorted(shuffled) == sandbox.names()
    assert [record["fields"]["Name"] for record in sandbox.table.all(sort=["Name"])] == sandbox.names()


def test_a_url_of_16000_characters_is_refused_and_a_shorter_one_is_not(sandbox: Arrangement) -> None:
    start = f"{sandbox.server.url}{sandbox.path}?filterByFormula=''%26'"
    for length, status in ((15_999, 200), (16_000, 414)):
        url = start + "x" * (length - len(start) - 1) + "'"
        assert len(url) == length
        assert sandbox.http.get(url).status_code == status


@pytest.mark.parametrize("form", ["/airtable/v0/{base}/{id}/", "/v0/{base}/Contacts", "/v0/{base}/Contacts/?"])
def test_tables_are_found_by_id_or_name_with_or_without_prefix_and_slash(sandbox: Arrangement, form: str) -> None:
    sandbox.create_many(1)
    table_id = sandbox.airtable.table(sandbox.base_id, "Contacts").id
    response = sandbox.http.get(form.format(base=sandbox.base_id, id=table_id))
    assert len(response.json()["records"]) == 1


def test_a_table_name_may_hold_any_character(sandbox: Arrangement) -> None:
    name = "Kunden / Ärzte? 100%"
    sandbox.airtable.create_contacts_table(sandbox.base_id, name)
    table = sandbox.api.table(sandbox.base_id, name)
    assert table.get(table.create({"Name": "a"})["id"])["fields"]["Name"] == "a"
