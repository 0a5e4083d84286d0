"""The generated server: what it makes up, what it keeps, what it tells of both."""

from typing import Any

from benchmarks.generated import Generated
from benchmarks.generated_records import digest, expected, member_hash, person

TABLE = "/v0/appGenerated/tblGenerated00000"
LIST = "/3.0/lists/generated"


def asked(server: Generated, path: str, **params: str) -> Any:
    return server.answer("GET", path, {name: [value] for name, value in params.items()}, {})[1]


def put(server: Generated, method: str, path: str, body: Any) -> Any:
    return server.answer(method, path, {}, body)[1]


def listed(server: Generated) -> list[Any]:
    records, offset = [], "0"
    while offset:
        page = asked(server, TABLE, offset=offset)
        records += page["records"]
        offset = page.get("offset", "")
    return records


def row(n: int) -> dict[str, str]:
    values = person(n)
    return {
        "Contact ID": str(n),
        "Email": values["email"],
        "Name": values["name"],
        "Phone": values["phone"],
        "Company": values["company"],
        "Job Title": values["job_title"],
    }


def test_a_table_of_any_size_is_told_page_by_page_with_what_was_written_after_it() -> None:
    server = Generated(250)
    put(server, "PATCH", TABLE, {"records": [{"fields": row(1000)}]})
    records = listed(server)
    assert len({record["id"] for record in records}) == 251
    assert records[-1]["fields"]["Email"] == "person1000@example.org"


def test_a_record_is_found_by_its_key_column_and_not_made_twice() -> None:
    server = Generated(0)
    body = {"performUpsert": {"fieldsToMergeOn": ["Contact ID"]}, "records": [{"fields": row(n)} for n in range(5)]}
    first, second = (put(server, "PATCH", TABLE, body) for _ in range(2))
    assert [each["id"] for each in first["records"]] == [each["id"] for each in second["records"]]
    assert server.told("GET")["records"] == 5


def test_a_formula_with_an_e_mail_finds_whoever_has_it() -> None:
    server = Generated(0)
    put(server, "POST", TABLE, {"fields": row(3)})
    found = asked(server, TABLE, filterByFormula="{Email} = 'person3@example.org'")["records"]
    assert [record["fields"]["Name"] for record in found] == ["Person 3"]
    assert asked(server, TABLE, filterByFormula="{Email} = 'person4@example.org'")["records"] == []


def test_members_after_a_moment_are_the_later_ones_and_those_that_were_written() -> None:
    server = Generated(100)
    member = {"email_address": "new@example.org", "status_if_new": "transactional", "merge_fields": {}}
    put(server, "POST", LIST, {"members": [member]})
    late = asked(server, f"{LIST}/members", since_last_changed="2024-01-01T00:00:08+00:00", count="100")
    assert late["total_items"] == 11
    assert late["members"][-1]["email_address"] == "new@example.org"


def test_a_batch_does_not_tell_lasting_ids_and_a_member_asked_for_does() -> None:
    server = Generated(0)
    member = {"email_address": "ann@example.org", "status_if_new": "transactional", "merge_fields": {}}
    batch = put(server, "POST", LIST, {"members": [member]})
    assert "contact_id" not in batch["new_members"][0]
    assert asked(server, f"{LIST}/members/{member_hash('ann@example.org')}")["contact_id"]
    assert server.answer("GET", f"{LIST}/members/{member_hash('bo@example.org')}", {}, {})[0] == 404


def test_what_arrived_is_counted_and_compared_and_then_forgotten() -> None:
    server = Generated(0)
    put(server, "PATCH", TABLE, {"records": [{"fields": row(n)} for n in (1, 0)]})
    told = server.answer("DELETE", "/benchmark", {}, {})[1]
    assert told == {"calls": 1, "records": 2, "digest": expected(2, "airtable")}
    assert server.told("GET") == {"calls": 0, "records": 0, "digest": digest([])}


def test_a_digest_knows_no_order_but_every_value() -> None:
    assert digest([("a", "b"), ("c", "d")]) == digest([("c", "d"), ("a", "b")])
    assert digest([("a", "b")]) != digest([("a", "B")])
