"""Airtable answers with records that lack values, differ from what was sent, or were not deleted."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.arrangement import Arrangement
from integrations_sandbox import FaultRule


def fault(sandbox: Arrangement, action: Any, **rule: Any) -> None:
    response = sandbox.http.post("/sandbox/faults", json={"action": action} | rule)
    assert response.status_code == 200, response.text


def by_name(sandbox: Arrangement) -> dict[str, Any]:
    records = sandbox.airtable.records(sandbox.base_id, "Contacts")
    return {each["fields"]["Name"]: each["fields"] for each in records}


def test_records_without_values_come_from_every_call_until_it_is_over(sandbox: Arrangement) -> None:
    first, second = sandbox.create({"Name": "Ada"}, {"Name": "Bob"})
    fault(sandbox, "blank_values", times=-1)
    assert [each["fields"] for each in sandbox.table.all()] == [{}, {}]
    assert sandbox.table.get(first)["fields"] == {}
    assert sandbox.table.update(first, {"Phone": "1"})["fields"] == {}
    assert [each["fields"] for each in sandbox.table.batch_update([{"id": second, "fields": {"Phone": "2"}}])] == [{}]
    body = {"pageSize": 1}
    assert sandbox.http.post(f"{sandbox.path}/listRecords", json=body).json()["records"][0]["fields"] == {}
    assert sandbox.table.create({"Name": "Eve"})["fields"] == {}
    assert sandbox.table.schema().field("Name").type == "singleLineText"
    sandbox.http.delete("/sandbox/faults", params={"action": "blank_values"})
    assert [each["fields"].get("Phone") for each in sandbox.table.all()] == ["1", "2", None]


def test_records_without_values_come_for_so_many_requests(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "Ada"})
    fault(sandbox, "blank_values", times=2)
    sandbox.table.schema()
    sandbox.api.whoami()
    sandbox.http.get(sandbox.hooks_path)
    found = [sandbox.table.all()[0]["fields"] for _ in range(3)]
    assert found == [{}, {}, {"Name": "Ada", "Score": 0}]


@pytest.mark.parametrize("way", ["name", "id"])
def test_some_values_may_be_missing(sandbox: Arrangement, way: str) -> None:
    sandbox.create({"Name": "Ada", "Phone": "1"})
    fault(sandbox, "blank_values", names=["Phone" if way == "name" else sandbox.field_id("Phone")], times=2)
    assert sandbox.table.all()[0]["fields"] == {"Name": "Ada", "Score": 30}
    assert sandbox.table.all(use_field_ids=True)[0]["fields"] == {
        sandbox.field_id("Name"): "Ada",
        sandbox.field_id("Score"): 30,
    }


def test_the_key_of_the_values_may_be_missing(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "Ada"})
    fault(sandbox, "blank_values", drops_key=True)
    (record,) = sandbox.http.get(sandbox.path).json()["records"]
    assert sorted(record) == ["createdTime", "id"]


SENT: dict[str, Any] = {"Name": " Ada ", "Company": "Engines"}


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ({"how": "leave_out", "names": ["Company"]}, {"Name": " Ada "}),
        ({"how": "keep_old", "names": ["Company"]}, {"Name": " Ada ", "Company": "Old"}),
        ({"how": "trim"}, {"Name": "Ada", "Company": "Engines"}),
        ({"how": "cut", "length": 3}, {"Name": " Ad", "Company": "Eng"}),
        ({"how": "upper", "names": ["Company"]}, {"Name": " Ada ", "Company": "ENGINES"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [True, False])
def test_a_value_may_be_stored_otherwise_and_answered_so(
    sandbox: Arrangement, rule: dict[str, Any], kept: dict[str, Any], batch: bool
) -> None:
    (record_id,) = sandbox.create({"Name": "x", "Company": "Old"})
    fault(sandbox, "alter_written", **rule)
    if batch:
        (updated,) = sandbox.table.batch_update([{"id": record_id, "fields": SENT}])
    else:
        updated = sandbox.table.update(record_id, SENT)
    score = 20 if "Company" in kept else 0
    assert updated["fields"] == kept | {"Score": score}
    assert sandbox.table.get(record_id)["fields"] == kept | {"Score": score}


def test_a_column_may_be_named_by_its_id_and_written_by_its_name(sandbox: Arrangement) -> None:
    fault(sandbox, "alter_written", how="upper", names=[sandbox.field_id("Name")])
    assert sandbox.table.create({"Name": "Ada", "Company": "x"})["fields"] == {
        "Name": "ADA",
        "Company": "x",
        "Score": 20,
    }


def test_numbers_may_be_rounded(sandbox: Arrangement) -> None:
    sandbox.table.create_field("Sum", "number", options={"precision": 2})
    fault(sandbox, "alter_written", how="round")
    sent: dict[str, Any] = {"Name": "Ada", "Sum": 2.6, "Tags": []}
    assert sandbox.table.create(sent)["fields"] == {"Name": "Ada", "Sum": 3, "Score": 0}


def test_an_answer_may_lie_about_what_was_stored(sandbox: Arrangement) -> None:
    fault(sandbox, "alter_answer", how="leave_out", names=["Company"])
    created = sandbox.table.create({"Name": "Ada", "Company": "Engines"})
    assert created["fields"] == {"Name": "Ada", "Score": 20}
    assert by_name(sandbox)["Ada"]["Company"] == "Engines"
    fault(sandbox, "alter_answer", how="upper")
    assert sandbox.table.update(created["id"], {"Phone": "1"})["fields"]["Company"] == "ENGINES"
    assert by_name(sandbox)["Ada"]["Company"] == "Engines"


def test_records_may_come_back_in_another_order(sandbox: Arrangement) -> None:
    fault(sandbox, "reorder")
    names = [each["fields"]["Name"] for each in sandbox.table.batch_create([{"Name": each} for each in "abc"])]
    assert (names, sandbox.names()) == (["c", "b", "a"], ["a", "b", "c"])


@pytest.mark.parametrize("named", [True, False])
def test_a_record_may_be_left_out_of_the_answer(sandbox: Arrangement, named: bool) -> None:
    ids = sandbox.create({"Name": "a"}, {"Name": "b"})
    fault(sandbox, "leave_out", names=[ids[1]] if named else [])
    answered = sandbox.table.batch_update([{"id": each, "fields": {"Phone": "1"}} for each in ids])
    assert [each["id"] for each in answered] == [ids[0] if named else ids[1]]
    assert [each["Phone"] for each in by_name(sandbox).values()] == ["1", "1"]


def test_reads_do_not_use_up_a_fault_of_writes(sandbox: Arrangement) -> None:
    (record_id,) = sandbox.create({"Name": "a"})
    fault(sandbox, "alter_written", how="upper")
    sandbox.table.all()
    sandbox.http.post(f"{sandbox.path}/listRecords", json={})
    sandbox.http.request("DELETE", sandbox.path, params={"records[]": "recGone"})
    assert sandbox.table.update(record_id, {"Name": "b"})["fields"]["Name"] == "B"


def test_a_refusal_is_left_alone(sandbox: Arrangement) -> None:
    fault(sandbox, "alter_answer", how="upper")
    assert sandbox.http.post(sandbox.path, json={"fields": {"Nobody": "x"}}).status_code == 422
    fault(sandbox, "alter_written", how="upper")
    assert sandbox.http.post(sandbox.path, content=b"no json").status_code == 400
    fault(sandbox, "alter_written", how="upper")
    assert sandbox.http.post(sandbox.path, content=b"[]").status_code == 400


def test_a_delete_is_answered_by_the_records_that_are_gone(sandbox: Arrangement) -> None:
    ids = sandbox.create_many(2)
    answer = sandbox.http.delete(sandbox.path, params={"records[]": ids}).json()
    assert answer == {"records": [{"id": each, "deleted": True} for each in ids]}


def test_a_delete_may_be_denied_with_a_friendly_status(sandbox: Arrangement) -> None:
    ids = sandbox.create_many(2)
    fault(sandbox, "deny_delete", times=2)
    many = sandbox.http.delete(sandbox.path, params={"records[]": ids})
    assert (many.status_code, many.json()) == (200, {"records": [{"id": each, "deleted": False} for each in ids]})
    one = sandbox.http.delete(f"{sandbox.path}/{ids[0]}")
    assert (one.status_code, one.json()) == (200, {"id": ids[0], "deleted": False})
    assert len(sandbox.names()) == 2
    assert sandbox.http.delete(f"{sandbox.path}/{ids[0]}").json() == {"id": ids[0], "deleted": True}


@pytest.mark.parametrize("applies", [True, False])
@pytest.mark.parametrize("shape", ["object", "list"])
def test_a_delete_may_be_answered_by_nothing(sandbox: Arrangement, shape: Any, applies: bool) -> None:
    (record_id,) = sandbox.create_many(1)
    sandbox.airtable.add_fault(FaultRule(action="reshape", method="DELETE", shape=shape, applies=applies))
    response = sandbox.http.delete(sandbox.path, params={"records[]": record_id})
    assert (response.status_code, response.content) == (200, b"{}" if shape == "object" else b"[]")
    assert len(sandbox.names()) == (0 if applies else 1)


@pytest.mark.parametrize("body", [{"body": {"error": "NOT_FOUND"}}, {"html": "<h1>404</h1>"}])
def test_a_delete_may_meet_a_route_that_is_not_there(sandbox: Arrangement, body: dict[str, Any]) -> None:
    (record_id,) = sandbox.create_many(1)
    fault(sandbox, "status", method="DELETE", status=404, **body)
    assert sandbox.http.delete(sandbox.path, params={"records[]": record_id}).status_code == 404
    assert len(sandbox.names()) == 1
