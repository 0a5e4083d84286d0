"""Mailchimp answers with members that lack values or differ from what was sent, and with odd lists in a batch."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.mailchimp.arrangement import Arrangement
from integrations_sandbox import FaultRule

ADA, BOB = "ada@people.test", "bob@people.test"


def fault(chimp: Arrangement, action: Any, **rule: Any) -> None:
    response = chimp.http.post(f"{chimp.server.url}/sandbox/faults", json={"action": action} | rule)
    assert response.status_code == 200, response.text


def options(chimp: Arrangement, **changes: Any) -> int:
    return chimp.http.patch(f"{chimp.server.url}/sandbox/mailchimp/options", json=changes).status_code


def entry(email: str, **more: Any) -> dict[str, Any]:
    return {"email_address": email, "status_if_new": "subscribed"} | more


def addresses(answer: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    created, updated, failed = (
        [each["email_address"] for each in answer[key]] for key in ("new_members", "updated_members", "errors")
    )
    return created, updated, failed


@pytest.mark.parametrize("drops_key", [True, False])
def test_members_without_values_come_from_every_call_until_it_is_over(chimp: Arrangement, drops_key: bool) -> None:
    chimp.join(ADA, FNAME="Ada")
    fault(chimp, "blank_values", drops_key=drops_key, times=-1)
    wanted: dict[str, Any] | None = None if drops_key else {}
    assert chimp.page()["members"][0].get("merge_fields") == wanted
    assert chimp.http.get(chimp.path(ADA)).json().get("merge_fields") == wanted
    assert chimp.patch(ADA, merge_fields={"LNAME": "King"}).json().get("merge_fields") == wanted
    answer = chimp.bulk(entry(ADA), entry(BOB), update_existing=True)
    assert answer["new_members"][0].get("merge_fields") == wanted
    assert answer["updated_members"][0].get("merge_fields") == wanted
    assert len(chimp.client.lists.get_list_merge_fields(chimp.list_id)["merge_fields"]) == 6
    chimp.http.delete(f"{chimp.server.url}/sandbox/faults")
    assert chimp.page()["members"][0]["merge_fields"]["LNAME"] == "King"


def test_a_tag_may_be_missing_for_so_many_requests(chimp: Arrangement) -> None:
    chimp.join(ADA, FNAME="Ada", LNAME="King")
    fault(chimp, "blank_values", names=["LNAME"], times=2)
    chimp.client.lists.get_list(chimp.list_id)
    chimp.client.lists.get_list_merge_fields(chimp.list_id)
    chimp.client.lists.get_list_member_tags(chimp.list_id, ADA)
    found = [chimp.page()["members"][0]["merge_fields"] for _ in range(3)]
    assert [each.get("LNAME") for each in found] == [None, None, "King"]
    assert [each["FNAME"] for each in found] == ["Ada"] * 3


@pytest.mark.parametrize(
    ("option", "sent", "lists", "status"),
    [
        (None, {}, ([], [ADA], []), "archived"),
        (None, {"status": "subscribed"}, ([ADA], [], []), "subscribed"),
        ("updated", {}, ([], [ADA], []), "archived"),
        ("updated", {"status": "subscribed"}, ([], [ADA], []), "archived"),
        ("exists", {}, ([], [], [ADA]), "archived"),
        ("exists", {"status": "subscribed"}, ([], [], [ADA]), "archived"),
        ("restored", {}, ([ADA], [], []), "subscribed"),
        ("restored", {"status": "unsubscribed"}, ([ADA], [], []), "unsubscribed"),
    ],
    ids=str,
)
def test_a_batch_may_treat_an_archived_address_in_three_ways(
    chimp: Arrangement, option: str | None, sent: dict[str, Any], lists: Any, status: str
) -> None:
    chimp.join(ADA)
    chimp.mailchimp.archive(chimp.list_id, ADA)
    assert options(chimp, bulk_archived=option) == 200
    answer = chimp.bulk(entry(ADA, **sent), update_existing=True)
    assert addresses(answer) == lists
    for each in answer["new_members"] + answer["updated_members"]:
        assert each["status"] == status
    for each in answer["errors"]:
        assert each["error_code"] == "ERROR_CONTACT_EXISTS"
    assert chimp.member(ADA)["status"] == status


def test_nobody_is_restored_against_their_will(chimp: Arrangement) -> None:
    chimp.join(ADA)
    chimp.mailchimp.unsubscribe(chimp.list_id, ADA)
    chimp.mailchimp.archive(chimp.list_id, ADA)
    options(chimp, bulk_archived="restored")
    assert addresses(chimp.bulk(entry(ADA), update_existing=True)) == ([], [], [ADA])
    assert chimp.member(ADA)["status"] == "archived"


def test_an_option_that_does_not_exist_is_refused(chimp: Arrangement) -> None:
    assert options(chimp, bulk_archived="eaten") == 400


def test_an_archived_address_stays_an_error_where_nothing_is_updated(chimp: Arrangement) -> None:
    chimp.join(ADA)
    chimp.mailchimp.archive(chimp.list_id, ADA)
    options(chimp, bulk_archived="restored")
    assert addresses(chimp.bulk(entry(ADA))) == ([], [], [ADA])


@pytest.mark.parametrize(
    ("names", "lists"),
    [([], ([], [ADA], ["nobody"])), ([ADA.upper()], ([BOB], [], ["nobody"])), (["nobody"], ([BOB], [ADA], []))],
    ids=str,
)
def test_a_member_may_be_left_out_of_all_three_lists(chimp: Arrangement, names: list[str], lists: Any) -> None:
    chimp.join(ADA)
    fault(chimp, "leave_out", names=names)
    answer = chimp.bulk(entry(ADA), entry(BOB), entry("nobody"), update_existing=True)
    assert addresses(answer) == lists
    totals = [answer[key] for key in ("total_created", "total_updated", "error_count")]
    assert totals == [len(each) for each in lists]
    assert chimp.emails() == [ADA, BOB]


def test_a_batch_may_answer_in_another_order(chimp: Arrangement) -> None:
    fault(chimp, "reorder")
    assert addresses(chimp.bulk(entry(ADA), entry(BOB)))[0] == [BOB, ADA]


@pytest.mark.parametrize(("cuts", "kept"), [(True, 255), (False, None)])
def test_long_texts_are_cut_or_refused_and_unknown_tags_ignored(
    chimp: Arrangement, cuts: bool, kept: int | None
) -> None:
    options(chimp, cuts_long_texts=cuts)
    answer = chimp.bulk(entry(ADA, merge_fields={"FNAME": "x" * 300, "NOTHING": "y"}))
    found = [each["merge_fields"] for each in answer["new_members"]]
    assert [len(each["FNAME"]) for each in found] == ([] if kept is None else [kept])
    assert all("NOTHING" not in each for each in found)


@pytest.mark.parametrize(
    ("action", "rule", "answered", "stored"),
    [
        ("alter_written", {"how": "leave_out", "names": ["LNAME"]}, "", ""),
        ("alter_written", {"how": "keep_old", "names": ["LNAME"]}, "Old", "Old"),
        ("alter_written", {"how": "cut", "length": 2}, "Ki", "Ki"),
        ("alter_answer", {"how": "leave_out", "names": ["LNAME"]}, None, "King"),
        ("alter_answer", {"how": "upper"}, "KING", "King"),
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [True, False])
def test_values_may_be_stored_or_answered_otherwise(
    chimp: Arrangement, action: str, rule: dict[str, Any], answered: Any, stored: str, batch: bool
) -> None:
    chimp.join(ADA, LNAME="Old")
    fault(chimp, action, **rule)
    chimp.page()
    sent = {"LNAME": "King"}
    if batch:
        (document,) = chimp.bulk(entry(ADA, merge_fields=sent), update_existing=True)["updated_members"]
    else:
        document = chimp.patch(ADA, merge_fields=sent).json()
    assert document["merge_fields"].get("LNAME") == answered
    assert chimp.member(ADA)["merge_fields"]["LNAME"] == stored


@pytest.mark.parametrize("content", [b"no json", b"[]"])
def test_a_refusal_is_left_alone(chimp: Arrangement, content: bytes) -> None:
    fault(chimp, "alter_written", how="upper")
    assert chimp.http.post(chimp.list_path, content=content).status_code == 400


@pytest.mark.parametrize("applies", [True, False])
@pytest.mark.parametrize("shape", ["object", "list"])
def test_an_archiving_may_be_answered_by_nothing(chimp: Arrangement, shape: Any, applies: bool) -> None:
    chimp.join(ADA)
    chimp.mailchimp.add_fault(FaultRule(action="reshape", method="DELETE", shape=shape, applies=applies))
    response = chimp.http.delete(chimp.path(ADA))
    assert (response.status_code, response.content) == (200, b"{}" if shape == "object" else b"[]")
    assert chimp.member(ADA)["status"] == ("archived" if applies else "subscribed")


@pytest.mark.parametrize("body", [{"body": {"error": "NOT_FOUND"}}, {"html": "<h1>404</h1>"}])
def test_an_archiving_may_meet_a_route_that_is_not_there(chimp: Arrangement, body: dict[str, Any]) -> None:
    chimp.join(ADA)
    fault(chimp, "status", method="DELETE", status=404, **body)
    assert chimp.http.delete(chimp.path(ADA)).status_code == 404
    assert chimp.member(ADA)["status"] == "subscribed"
    assert chimp.http.delete(chimp.path(ADA)).status_code == 204
