"""Many members in one request."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.mailchimp.arrangement import INVALID, Arrangement, field_errors, md5

EMAIL = "ada@people.test"
OTHER = "bob@people.test"


def addresses(members: list[dict[str, Any]]) -> list[str]:
    return [each["email_address"] for each in members]


def new(email: str, **more: Any) -> dict[str, Any]:
    return {"email_address": email, "status_if_new": "subscribed"} | more


def error(email: str, text: str, **more: str) -> dict[str, Any]:
    empty = {"error_code": "ERROR_GENERIC", "field": "", "field_message": ""}
    return {"email_address": email, "error": text} | empty | more


def test_new_and_existing_members_are_told_apart(chimp: Arrangement) -> None:
    chimp.join(OTHER, FNAME="Bob")
    answer = chimp.bulk(
        new(EMAIL, merge_fields={"FNAME": "Ada"}, tags=["a"]),
        new(OTHER, merge_fields={"LNAME": "B"}),
        update_existing=True,
    )
    assert addresses(answer["new_members"]) == [EMAIL]
    assert addresses(answer["updated_members"]) == [OTHER]
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 1, 0)
    assert chimp.member(OTHER)["full_name"] == "Bob B"
    assert [each["name"] for each in chimp.member(EMAIL)["tags"]] == ["a"]


def test_an_existing_member_is_an_error_unless_updates_are_wanted(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    answer = chimp.bulk(new(EMAIL.upper(), merge_fields={"FNAME": "x"}), new(OTHER))
    text = (
        f"{EMAIL.upper()} is already a list member, do you want to update? please provide update_existing:true in the "
        "request body"
    )
    assert answer["errors"] == [error(EMAIL, text, error_code="ERROR_CONTACT_EXISTS")]
    assert (addresses(answer["new_members"]), answer["error_count"]) == ([OTHER], 1)
    assert chimp.member(EMAIL)["full_name"] == ""


def test_those_that_are_refused_do_not_keep_the_others_out(chimp: Arrangement) -> None:
    chimp.mailchimp.create_merge_field(chimp.list_id, {"tag": "N", "name": "N", "type": "number"})
    chimp.join("gone@people.test")
    chimp.mailchimp.unsubscribe(chimp.list_id, "gone@people.test")
    answer = chimp.bulk(
        new("number@people.test", merge_fields={"N": "x"}),
        {"email_address": "gone@people.test", "status": "subscribed"},
        new("fake@example.com"),
        {"email_address": "nothing@people.test"},
        new("status@people.test", status="archived"),
        new(""),
        {"status": "subscribed"},
        "not a member",
        new(EMAIL),
        update_existing=True,
    )
    accepted = "subscribed, unsubscribed, cleaned, pending, transactional"
    assert answer["errors"] == [
        error(
            "number@people.test", "Your merge fields were invalid.", field="N", field_message="Please enter a number"
        ),
        error(
            "gone@people.test",
            "gone@people.test is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be "
            "subscribed.",
        ),
        error("fake@example.com", "fake@example.com looks fake or invalid, please enter a real email address."),
        error("nothing@people.test", INVALID, field_message="Required fields were not provided: status"),
        error(
            "status@people.test",
            INVALID,
            field="status",
            field_message=f"Data presented is not one of the accepted values: {accepted}.",
        ),
        error("", "Please provide a valid email address."),
        error("", "Please provide a valid email address."),
        error("", INVALID, field_message="Schema describes object, string found instead"),
    ]
    assert (answer["error_count"], addresses(answer["new_members"])) == (8, [EMAIL])


@pytest.mark.parametrize(("word", "errors"), [(None, 2), ("false", 2), ("true", 0)])
def test_an_address_counts_once_and_the_first_wins(chimp: Arrangement, word: str | None, errors: int) -> None:
    members = [new(each, merge_fields={"FNAME": each}) for each in (EMAIL, OTHER, EMAIL.upper(), EMAIL)]
    answer = chimp.bulk(*members, query={"skip_duplicate_check": word} if word else None, update_existing=True)
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (2, 0, errors)
    assert {each["email_address"] for each in answer["errors"]} <= {EMAIL}
    assert chimp.member(EMAIL)["full_name"] == EMAIL


@pytest.mark.parametrize("word", [None, "true"])
def test_what_is_required_can_be_skipped(chimp: Arrangement, word: str | None) -> None:
    chimp.mailchimp.change_merge_field(chimp.list_id, "FNAME", is_required=True)
    answer = chimp.bulk(new(EMAIL), query={"skip_merge_validation": word} if word else None)
    assert [each["field"] for each in answer["errors"]] == ([] if word else ["FNAME"])


@pytest.mark.parametrize(
    ("member", "syncs", "left"),
    [
        ({"tags": ["b", "c"]}, False, ["a", "b", "c"]),
        ({"tags": ["b", "c"]}, True, ["b", "c"]),
        ({"tags": []}, True, []),
        ({}, True, ["a", "b"]),
        ({"tags": None}, True, ["a", "b"]),
    ],
)
def test_tags_join_those_that_are_there_or_replace_them(
    chimp: Arrangement, member: dict[str, Any], syncs: bool, left: list[str]
) -> None:
    chimp.mailchimp.subscribe(chimp.list_id, EMAIL, tags=["a", "b"])
    chimp.advance(1)
    chimp.bulk(new(EMAIL, **member), update_existing=True, sync_tags=syncs)
    assert [each["name"] for each in chimp.member(EMAIL)["tags"]] == left
    assert (chimp.member(EMAIL)["last_changed"] == "2026-11-22T12:00:01+00:00") == (left != ["a", "b"])


def test_null_is_as_good_as_nothing_here(chimp: Arrangement) -> None:
    chimp.join(EMAIL, FNAME="Ada", LNAME="L")
    fields = {"FNAME": None, "LNAME": ""}
    member = {"status": None, "merge_fields": fields, "language": None, "location": {"latitude": None}}
    answer = chimp.bulk(new(EMAIL, **member), new(OTHER, merge_fields=None), update_existing=True, sync_tags=None)
    assert answer["error_count"] == 0
    assert (chimp.member(EMAIL)["full_name"], chimp.member(EMAIL)["status"]) == ("Ada", "subscribed")


@pytest.mark.parametrize(
    ("member", "status"),
    [({"status": "unsubscribed"}, "unsubscribed"), ({"status_if_new": "pending"}, "transactional")],
)
def test_only_a_plain_status_changes_an_existing_member(chimp: Arrangement, member: Any, status: str) -> None:
    chimp.mailchimp.subscribe(chimp.list_id, EMAIL, status="transactional")
    chimp.bulk({"email_address": EMAIL} | member, update_existing=True)
    assert chimp.member(EMAIL)["status"] == status


@pytest.mark.parametrize(
    ("member", "restores", "counted", "status"),
    [
        ({"status": "subscribed"}, False, (1, 0), "subscribed"),
        ({"status_if_new": "subscribed"}, False, (0, 1), "archived"),
        ({"status_if_new": "subscribed"}, True, (1, 0), "subscribed"),
    ],
)
def test_a_member_that_comes_back_from_the_archive_counts_as_created(
    chimp: Arrangement, member: Any, restores: bool, counted: tuple[int, int], status: str
) -> None:
    chimp.mailchimp.set_options(status_if_new_restores_archived=restores)
    before = chimp.join(EMAIL)
    chimp.http.delete(chimp.path(EMAIL))
    answer = chimp.bulk({"email_address": EMAIL} | member, update_existing=True)
    assert (answer["total_created"], answer["total_updated"]) == counted
    assert (chimp.member(EMAIL)["status"], chimp.member(EMAIL)["contact_id"]) == (status, before["contact_id"])


@pytest.mark.parametrize("tells", [False, True])
def test_the_answer_knows_less_of_members_than_other_answers(chimp: Arrangement, tells: bool) -> None:
    chimp.mailchimp.set_options(bulk_tells_contact_id=tells)
    (made,) = chimp.bulk(new(EMAIL))["new_members"]
    assert made["id"] == md5(EMAIL)
    assert ("contact_id" in made) == tells
    assert not {"web_id", "full_name", "source"} & set(made)


@pytest.mark.parametrize(("count", "status"), [(500, 200), (501, 400)])
def test_a_request_holds_five_hundred_members(chimp: Arrangement, count: int, status: int) -> None:
    members = [new(f"p{number}@people.test") for number in range(count)]
    response = chimp.http.post(chimp.list_path, json={"members": members})
    assert response.status_code == status
    assert len(chimp.emails()) == (500 if status == 200 else 0)


@pytest.mark.parametrize("body", [{}, {"members": None}, {"members": {}}])
def test_members_must_be_a_list(chimp: Arrangement, body: Any) -> None:
    response = chimp.http.post(chimp.list_path, json=body)
    assert field_errors(response) == [("", "Required fields were not provided: members")]


def test_no_members_are_fine(chimp: Arrangement) -> None:
    assert chimp.bulk()["total_created"] == 0
