"""Who may set which status, and what stands in the way."""

import pytest

from integrations_pipeline_tests.sandbox.mailchimp.arrangement import (
    ERROR_TYPE,
    INVALID,
    Arrangement,
    field_errors,
    md5,
    refusal,
)
from integrations_sandbox import WireError

EMAIL = "ada@people.test"
COMPLIANCE = (
    400,
    "Member In Compliance State",
    f"{EMAIL} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed.",
)
FORGOTTEN = (
    400,
    "Forgotten Email Not Subscribed",
    f"{EMAIL} was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on the "
    "list.",
)
STATUSES = ["subscribed", "unsubscribed", "cleaned", "pending", "transactional"]


def bring_into(chimp: Arrangement, state: str) -> None:
    """A member in a state that people or the API brought it into."""
    chimp.join(EMAIL)
    if state == "unsubscribed by the person":
        chimp.mailchimp.unsubscribe(chimp.list_id, EMAIL)
    elif state == "unsubscribed by an admin":
        chimp.mailchimp.unsubscribe(chimp.list_id, EMAIL, by="admin")
    elif state == "bounced":
        chimp.mailchimp.clean(chimp.list_id, EMAIL)
    elif state == "archived":
        chimp.mailchimp.archive(chimp.list_id, EMAIL)
    elif state == "archived after a bounce":
        chimp.mailchimp.clean(chimp.list_id, EMAIL)
        chimp.mailchimp.archive(chimp.list_id, EMAIL)
    elif state in STATUSES:
        assert chimp.put(EMAIL, status=state).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("wanted", STATUSES)
@pytest.mark.parametrize(
    ("state", "refused"),
    [
        ("subscribed", ()),
        ("pending", ()),
        ("transactional", ()),
        ("unsubscribed", ()),
        ("unsubscribed by an admin", ()),
        ("archived", ()),
        ("cleaned", ("subscribed", "transactional")),
        ("unsubscribed by the person", ("subscribed", "transactional")),
        ("bounced", ("subscribed", "transactional")),
        ("archived after a bounce", ("subscribed", "transactional")),
    ],
)
def test_the_api_sets_any_status_except_out_of_a_compliance_state(
    chimp: Arrangement, state: str, refused: tuple[str, ...], wanted: str, method: str
) -> None:
    bring_into(chimp, state)
    before = chimp.member(EMAIL)
    response = chimp.http.request(method, chimp.path(EMAIL), json={"status": wanted})
    if wanted in refused:
        assert refusal(response) == COMPLIANCE
        assert "type" not in response.json()
        assert chimp.member(EMAIL) == before
    else:
        assert (response.status_code, response.json()["status"]) == (200, wanted)


def test_only_the_persons_own_yes_leads_out_of_a_compliance_state(chimp: Arrangement) -> None:
    bring_into(chimp, "unsubscribed by the person")
    assert chimp.put(EMAIL, status="pending").json()["status"] == "pending"
    assert refusal(chimp.put(EMAIL, status="subscribed")) == COMPLIANCE
    assert chimp.mailchimp.confirm(chimp.list_id, EMAIL)["status"] == "subscribed"
    assert chimp.put(EMAIL, status="unsubscribed").status_code == 200
    assert chimp.put(EMAIL, status="subscribed").status_code == 200


def test_the_person_can_sign_up_again_and_an_admin_cannot_do_it_for_them(chimp: Arrangement) -> None:
    bring_into(chimp, "unsubscribed by the person")
    with pytest.raises(WireError):
        chimp.mailchimp.resubscribe(chimp.list_id, EMAIL, by="admin")
    assert chimp.member(EMAIL)["status"] == "unsubscribed"
    assert chimp.mailchimp.resubscribe(chimp.list_id, EMAIL)["status"] == "subscribed"


def test_a_write_without_a_status_leaves_it_alone(chimp: Arrangement) -> None:
    bring_into(chimp, "unsubscribed by the person")
    body = {"email_address": EMAIL, "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    answer = chimp.put(EMAIL, **body).json()
    assert (answer["status"], answer["merge_fields"]["FNAME"]) == ("unsubscribed", "Ada")
    assert answer["unsubscribe_reason"] == "None given"


@pytest.mark.parametrize("status", STATUSES)
def test_a_new_member_has_the_status_that_is_meant_for_new_ones(chimp: Arrangement, status: str) -> None:
    body = {"email_address": EMAIL, "status_if_new": status, "status": "unsubscribed"}
    assert chimp.put(EMAIL, **body).json()["status"] == status


def test_a_new_member_may_do_with_a_plain_status_but_not_without_any(chimp: Arrangement) -> None:
    assert field_errors(chimp.put(EMAIL, email_address=EMAIL)) == [("", "Required fields were not provided: status")]
    assert chimp.put(EMAIL, email_address=EMAIL, status="pending").json()["status"] == "pending"


@pytest.mark.parametrize("key", ["status", "status_if_new"])
@pytest.mark.parametrize("value", ["archived", "gone", ""])
def test_other_statuses_are_not_accepted(chimp: Arrangement, key: str, value: str) -> None:
    response = chimp.put(EMAIL, email_address=EMAIL, **{key: value})
    accepted = "subscribed, unsubscribed, cleaned, pending, transactional"
    assert refusal(response) == (400, "Invalid Resource", INVALID)
    assert field_errors(response) == [(key, f"Data presented is not one of the accepted values: {accepted}.")]


# The archive


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("subscribed", 204),
        ("unsubscribed", 204),
        ("unsubscribed by the person", 204),
        ("transactional", 204),
        ("cleaned", 405),
        ("bounced", 405),
        ("pending", 405),
        ("archived", 405),
    ],
)
def test_what_can_be_archived(chimp: Arrangement, state: str, status: int) -> None:
    bring_into(chimp, state)
    response = chimp.http.delete(chimp.path(EMAIL))
    assert response.status_code == status
    if status == 204:
        assert response.content == b""
        assert chimp.http.get(chimp.path(EMAIL)).json()["status"] == "archived"
        return
    assert response.headers["allow"] == "GET, PUT"
    assert refusal(response)[1:] == (
        "Method Not Allowed",
        "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived",
    )
    assert response.json()["type"] == ERROR_TYPE


def test_an_archived_member_comes_back_whole(chimp: Arrangement) -> None:
    before = chimp.mailchimp.subscribe(chimp.list_id, EMAIL, {"FNAME": "Ada"}, tags=["a"])
    chimp.http.delete(chimp.path(EMAIL))
    after = chimp.put(EMAIL, email_address=EMAIL, status="transactional").json()
    kept = ("contact_id", "web_id", "merge_fields", "tags", "timestamp_signup", "timestamp_opt")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert after["status"] == "transactional"


@pytest.mark.parametrize(("restores", "status"), [(False, "archived"), (True, "pending")])
def test_a_status_for_new_members_brings_archived_ones_back_only_if_so_set(
    chimp: Arrangement, restores: bool, status: str
) -> None:
    chimp.mailchimp.set_options(status_if_new_restores_archived=restores)
    bring_into(chimp, "archived")
    body = {"email_address": EMAIL, "status_if_new": "pending", "merge_fields": {"FNAME": "Ada"}}
    answer = chimp.put(EMAIL, **body).json()
    assert (answer["status"], answer["merge_fields"]["FNAME"]) == (status, "Ada")


def test_an_archived_address_is_still_a_member_to_those_who_add(chimp: Arrangement) -> None:
    bring_into(chimp, "archived")
    assert refusal(chimp.post(email_address=EMAIL, status="subscribed"))[1] == "Member Exists"


def test_the_app_brings_a_member_back_to_where_it_was(chimp: Arrangement) -> None:
    bring_into(chimp, "unsubscribed by the person")
    chimp.mailchimp.archive(chimp.list_id, EMAIL)
    assert chimp.mailchimp.archive(chimp.list_id, EMAIL)["status"] == "archived"
    assert chimp.mailchimp.unarchive(chimp.list_id, EMAIL)["status"] == "unsubscribed"
    assert chimp.mailchimp.unarchive(chimp.list_id, EMAIL)["status"] == "unsubscribed"


# Forgotten for good


def test_a_member_that_is_deleted_for_good_looks_as_if_it_had_never_been(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    assert chimp.http.post(chimp.path(EMAIL, "/actions/delete-permanent")).status_code == 204
    assert chimp.http.get(chimp.path(EMAIL)).status_code == 404
    assert chimp.listed() == []
    assert chimp.listed(status="archived") == []
    assert chimp.http.post(chimp.path(EMAIL, "/actions/delete-permanent")).status_code == 404


@pytest.mark.parametrize("email", [EMAIL, EMAIL.upper()])
def test_a_forgotten_address_cannot_be_added_by_anyone_but_the_person(chimp: Arrangement, email: str) -> None:
    chimp.join(EMAIL)
    chimp.http.post(chimp.path(EMAIL, "/actions/delete-permanent"))
    chimp.advance(365 * 86_400)
    for response in (
        chimp.put(EMAIL, email_address=EMAIL, status_if_new="subscribed"),
        chimp.post(email_address=EMAIL, status="transactional"),
    ):
        assert refusal(response) == FORGOTTEN
        assert "type" not in response.json()
    errors = chimp.bulk({"email_address": EMAIL, "status": "subscribed"}, update_existing=True)["errors"]
    assert [each["error"] for each in errors] == [FORGOTTEN[2]]
    with pytest.raises(WireError):
        chimp.mailchimp.subscribe(chimp.list_id, email, by="admin")
    assert chimp.emails() == []
    chimp.mailchimp.subscribe(chimp.list_id, email, by="person")
    assert chimp.put(EMAIL, status="unsubscribed").status_code == 200


def test_an_archived_member_can_be_deleted_for_good_too(chimp: Arrangement) -> None:
    bring_into(chimp, "archived")
    assert chimp.http.post(chimp.path(EMAIL, "/actions/delete-permanent")).status_code == 204
    assert chimp.emails() == []


@pytest.mark.parametrize("who", ["address", "contact id"])
def test_only_a_hash_is_good_enough_to_delete_for_good(chimp: Arrangement, who: str) -> None:
    made = chimp.join(EMAIL)
    part = EMAIL if who == "address" else made["contact_id"]
    assert chimp.http.post(f"{chimp.members_path}/{part}/actions/delete-permanent").status_code == 404
    assert md5(EMAIL) == chimp.member(EMAIL)["id"]
