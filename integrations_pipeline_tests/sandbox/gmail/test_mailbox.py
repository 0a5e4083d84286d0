"""Profile, labels, addresses to send from, and watches."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, mail, problem
from integrations_sandbox import SendAs


def test_the_profile_counts_messages_and_threads(post: Post) -> None:
    delivery = post.pitch()
    post.world.reply(delivery)
    post.send(mail())
    profile = post.get("profile")
    assert profile | {"historyId": ""} == {
        "emailAddress": ADA,
        "messagesTotal": 3,
        "threadsTotal": 2,
        "historyId": "",
    }


def test_every_mailbox_has_the_system_labels(post: Post) -> None:
    labels = {each["id"]: each for each in post.get("labels")["labels"]}
    assert {"INBOX", "SENT", "DRAFT", "SPAM", "TRASH", "UNREAD", "STARRED", "CATEGORY_PROMOTIONS"} <= set(labels)
    assert labels["INBOX"] == {"id": "INBOX", "name": "INBOX", "type": "system"}


def test_a_label_is_made_counted_renamed_and_deleted(post: Post) -> None:
    made = post.post("labels", {"name": "Pitches", "labelListVisibility": "labelHide"})
    assert made == {
        "id": "Label_1",
        "name": "Pitches",
        "messageListVisibility": "show",
        "labelListVisibility": "labelHide",
        "type": "user",
    }
    delivery = post.pitch()
    reply = post.world.reply(delivery)
    for message_id in (delivery.message_id, reply.id):
        post.gmail.relabel(ADA, message_id, ["Label_1"])
    counts = {"messagesTotal": 2, "messagesUnread": 1, "threadsTotal": 1, "threadsUnread": 1}
    assert post.get("labels/Label_1") == made | counts
    color = {"backgroundColor": "#000000", "textColor": "#ffffff"}
    changed = post.call("PATCH", "labels/Label_1", json={"name": "pitches", "color": color}).json()
    assert (changed["name"], changed["color"], changed["labelListVisibility"]) == ("pitches", color, "labelHide")
    hidden = post.call("PATCH", "labels/Label_1", json={"messageListVisibility": "hide"}).json()
    assert (hidden["name"], hidden["messageListVisibility"]) == ("pitches", "hide")
    assert post.call("PUT", "labels/Label_1", json={"name": "Sent pitches"}).json()["name"] == "Sent pitches"
    assert post.call("DELETE", "labels/Label_1").status_code == 204
    assert post.call("GET", "labels/Label_1").status_code == 404
    assert "Label_1" not in post.stored(reply.id).labels


@pytest.mark.parametrize(
    ("method", "path", "document", "expected"),
    [
        ("POST", "labels", {"name": "PITCHES"}, (409, "aborted", "Label name exists or conflicts")),
        ("POST", "labels", {"name": "inbox"}, (400, "invalidArgument", "Invalid label name")),
        ("POST", "labels", {"name": " "}, (400, "invalidArgument", "Invalid label name")),
        ("POST", "labels", {}, (400, "invalidArgument", "Invalid label name")),
        ("PUT", "labels/Label_2", {}, (400, "invalidArgument", "Invalid label name")),
        ("PATCH", "labels/Label_2", {"name": "Pitches"}, (409, "aborted", "Label name exists or conflicts")),
        ("PATCH", "labels/INBOX", {"name": "x"}, (400, "invalidArgument", "Invalid update request")),
        ("DELETE", "labels/INBOX", None, (400, "invalidArgument", "Invalid update request")),
        ("GET", "labels/Label_9", None, (404, "notFound", "Requested entity was not found.")),
        (
            "POST",
            "labels",
            {"name": "New", "messageListVisibility": "x"},
            (400, "invalidArgument", "Invalid value at 'label.messageListVisibility'"),
        ),
    ],
)
def test_a_wrong_label_is_refused(
    post: Post, method: str, path: str, document: Any, expected: tuple[int, str, str]
) -> None:
    post.post("labels", {"name": "Pitches"})
    post.post("labels", {"name": "Other"})
    assert problem(post.call(method, path, json=document)) == expected


def test_the_addresses_to_send_from_tell_which_are_verified(post: Post) -> None:
    pending = SendAs(address="New@example.org", status="pending")
    chosen = SendAs(address="sales@example.org", display_name="Sales", signature="<b>S</b>", is_default=True)
    post.gmail.create_mailbox(BOB, display_name="Bob", signature="<i>Bob</i>", aliases=["b@x.example", pending, chosen])
    with post.client(post.gmail.token(BOB)) as client:
        listed = client.get("/gmail/gmail/v1/users/me/settings/sendAs").json()["sendAs"]
        one = client.get("/gmail/gmail/v1/users/me/settings/sendAs/Sales@example.org").json()
        missing = client.get("/gmail/gmail/v1/users/me/settings/sendAs/x@example.org")
    assert [each["sendAsEmail"] for each in listed] == [BOB, "b@x.example", "new@example.org", "sales@example.org"]
    assert [each.get("verificationStatus") for each in listed] == [None, "accepted", "pending", "accepted"]
    assert [each.get("isPrimary", False) for each in listed] == [True, False, False, False]
    assert [each.get("isDefault", False) for each in listed] == [False, False, False, True]
    assert (listed[0]["displayName"], listed[0]["signature"]) == ("Bob", "<i>Bob</i>")
    assert one == listed[3]
    assert problem(missing)[:2] == (404, "notFound")


def test_the_primary_address_is_the_default_unless_another_is(post: Post) -> None:
    (primary,) = post.get("settings/sendAs")["sendAs"]
    assert (primary["isPrimary"], primary["isDefault"]) == (True, True)


@pytest.mark.parametrize("address", ["nobody", "a b@example.org", ADA, ADA.upper()])
def test_a_mailbox_needs_an_address_that_is_one_and_free(post: Post, address: str) -> None:
    with pytest.raises(ValueError):
        post.gmail.create_mailbox(address)


def test_a_watch_answers_with_where_to_begin_and_when_it_ends(post: Post) -> None:
    answer = post.post("watch", {"topicName": "projects/p/topics/t", "labelIds": ["INBOX"]})
    assert answer == {"historyId": post.history_id, "expiration": str(1795348800250 + 7 * 86_400_000)}
    assert post.call("POST", "stop").status_code == 204
    assert post.gmail.mailbox(ADA).watch is None
    for document in ({}, {"topicName": "t"}, {"topicName": 7}):
        assert problem(post.call("POST", "watch", json=document))[:2] == (400, "invalidArgument")
