"""The control API does over HTTP what people in the app do."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.mailchimp.arrangement import Arrangement

EMAIL = "ada@people.test"


def control(chimp: Arrangement, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    response = chimp.http.request(method, f"{chimp.server.url}/sandbox/mailchimp/{path}", json=body, auth=None)
    assert response.status_code == status, response.text
    return response.json()


@pytest.fixture
def members(chimp: Arrangement) -> str:
    return f"lists/{chimp.list_id}/members"


def test_an_audience_is_made_looked_at_and_deleted(chimp: Arrangement) -> None:
    made = control(chimp, "POST", "lists", {"name": "CRM", "extra_fields": ["COMPANY"], "id": "abc1234567"})
    assert [each["tag"] for each in made["merge_fields"]][-1] == "COMPANY"
    assert control(chimp, "GET", "lists")["lists"][-1] == made
    control(chimp, "DELETE", f"lists/{made['id']}")
    assert [each["id"] for each in control(chimp, "GET", "lists")["lists"]] == [chimp.list_id]


def test_fields_are_made_changed_and_deleted(chimp: Arrangement) -> None:
    path = f"lists/{chimp.list_id}/merge-fields"
    made = control(chimp, "POST", path, {"tag": "JOB", "name": "Job", "type": "text"})
    assert (made["tag"], made["required"]) == ("JOB", False)
    control(chimp, "PATCH", f"{path}/JOB", {"is_required": True})
    field = chimp.mailchimp.find_list(chimp.list_id).merge_field("JOB")
    assert field is not None
    assert field.is_required
    control(chimp, "DELETE", f"{path}/JOB")
    assert chimp.mailchimp.find_list(chimp.list_id).merge_field("JOB") is None


def test_a_member_lives_through_everything_that_can_happen(chimp: Arrangement, members: str) -> None:
    person = {"email_address": EMAIL, "merge_fields": {"FNAME": "Ada"}, "tags": ["a"]}
    assert control(chimp, "POST", members, person)["status"] == "subscribed"
    edited = control(chimp, "PATCH", f"{members}/{EMAIL}", {"merge_fields": {"FNAME": ""}, "email_address": "b@c.test"})
    assert (edited["full_name"], edited["email_address"]) == ("", "b@c.test")
    assert control(chimp, "PATCH", f"{members}/b@c.test", {"merge_fields": {"LNAME": "B"}})["full_name"] == "B"
    member = f"{members}/b@c.test"
    tagged = control(chimp, "POST", f"{member}/tags", {"add": ["b"], "remove": ["a"]})
    assert [each["name"] for each in tagged["tags"]] == ["b"]
    for action, body, status in (
        ("unsubscribe", None, "unsubscribed"),
        ("resubscribe", {"by": "person"}, "subscribed"),
        ("unsubscribe", {"by": "admin"}, "unsubscribed"),
        ("resubscribe", {"by": "admin"}, "subscribed"),
        ("clean", None, "cleaned"),
        ("archive", None, "archived"),
        ("unarchive", None, "cleaned"),
    ):
        assert control(chimp, "POST", f"{member}/{action}", body)["status"] == status
    assert len(control(chimp, "GET", members)["members"]) == 1
    control(chimp, "DELETE", member)
    assert control(chimp, "GET", members) == {"members": []}


def test_a_pending_member_confirms(chimp: Arrangement, members: str) -> None:
    control(chimp, "POST", members, {"email_address": EMAIL, "status": "pending", "by": "admin"})
    assert control(chimp, "POST", f"{members}/{EMAIL}/confirm")["status"] == "subscribed"


def test_options_can_be_seen_and_changed(chimp: Arrangement) -> None:
    changed = control(chimp, "PATCH", "options", {"fake_domains": ["nowhere.test"], "connection_limit": 3})
    assert changed == control(chimp, "GET", "options")
    assert (changed["fake_domains"], changed["connection_limit"]) == (["nowhere.test"], 3)
    control(chimp, "PATCH", "options", {"nonsense": 1}, status=400)


def test_keys_and_accounts_are_changed(chimp: Arrangement) -> None:
    made = control(chimp, "POST", "keys", {"account": "bob@people.test"})
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert chimp.http.get("/", headers=headers, auth=None).json()["email"] == "bob@people.test"
    control(chimp, "PATCH", "accounts/bob@people.test", {"is_disabled": True})
    assert chimp.http.get("/", headers=headers, auth=None).status_code == 403
    control(chimp, "DELETE", f"keys/{made['key']}")
    assert chimp.http.get("/", headers=headers, auth=None).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "lists", {"merge_fields": [{"name": "X"}]}, 400),
        ("DELETE", "lists/nothing", None, 404),
        ("POST", "lists/{list}/members", {}, 400),
        ("POST", "lists/{list}/members/nobody@people.test/clean", None, 404),
        ("PATCH", "accounts/x", {}, 400),
        ("POST", "nothing", {}, 404),
    ],
)
def test_a_mistake_is_answered_with_what_is_wrong(
    chimp: Arrangement, method: str, path: str, body: Any, status: int
) -> None:
    answer = control(chimp, method, path.format(list=chimp.list_id), body, status)
    # Mailchimp's own form, or that of the sandbox where no account is concerned.
    assert answer.get("detail") or answer.get("error")


def test_a_fault_and_the_log_are_reached_from_the_state(chimp: Arrangement) -> None:
    chimp.http.get("/ping")
    (entry,) = chimp.mailchimp.requests()
    assert (entry.path, entry.status) == ("/mailchimp/3.0/ping", 200)
    chimp.mailchimp.clear_requests()
    chimp.mailchimp.clear_faults()
    assert chimp.mailchimp.requests() == []


def test_the_front_page_says_how_to_use_mailchimp(chimp: Arrangement) -> None:
    text = chimp.http.get(chimp.server.url + "/", auth=None).text
    assert "sandbox-us1" in text
    assert "/sandbox/mailchimp/lists/LIST/members/EMAIL/unsubscribe" in text
