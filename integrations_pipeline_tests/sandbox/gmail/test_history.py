"""history.list: what each change leaves, pages with their oddities, and ids that are no longer known."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail, problem


def events(post: Post, start: str, **params: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    """Kind, message and changed labels of every change since, in their order."""
    records = post.get("history", startHistoryId=start, **params).get("history", [])
    kinds = ("messagesDeleted", "messagesAdded", "labelsAdded", "labelsRemoved")
    changes = [(kind, each) for record in records for kind in kinds for each in record.get(kind, [])]
    return [(kind, each["message"]["id"], tuple(each.get("labelIds", []))) for kind, each in changes]


def test_without_changes_there_is_an_id_to_store_and_no_history(post: Post) -> None:
    start = post.history_id
    assert post.get("history", startHistoryId=start) == {"historyId": start}


def test_ids_only_grow_and_leave_gaps(post: Post) -> None:
    seen = [post.history_id]
    for number in range(5):
        sent = post.send(mail(subject=str(number)))["id"]
        seen += [post.get(f"messages/{sent}")["historyId"], post.history_id]
    numbers = [int(each) for each in seen]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] - numbers[0] > len(numbers)


def test_a_record_names_the_messages_by_their_ids_only(post: Post) -> None:
    start = post.history_id
    sent = post.send(mail())
    reference = {"id": sent["id"], "threadId": sent["threadId"]}
    answer = post.get("history", startHistoryId=start)
    (record,) = answer["history"]
    assert record == {"id": record["id"], "messages": [reference], "messagesAdded": [{"message": reference}]}
    assert (record["id"], answer["historyId"]) == (post.get(f"messages/{sent['id']}")["historyId"], post.history_id)


def test_labels_of_the_message_are_shown_on_request(post: Post) -> None:
    post.gmail.set_options(history_has_labels=True)
    start = post.history_id
    post.send(mail())
    (record,) = post.get("history", startHistoryId=start)["history"]
    assert record["messagesAdded"][0]["message"]["labelIds"] == ["SENT"]


def test_a_draft_that_is_sent_is_one_message_less_and_one_more(post: Post) -> None:
    draft = post.post("drafts", {"message": {"raw": as_raw(mail())}})
    start = post.history_id
    sent = post.post("drafts/send", {"id": draft["id"]})["id"]
    assert events(post, start) == [("messagesDeleted", draft["message"]["id"], ()), ("messagesAdded", sent, ())]


def test_a_changed_draft_is_another_message(post: Post) -> None:
    draft = post.post("drafts", {"message": {"raw": as_raw(mail())}})
    start = post.history_id
    changed = post.call("PUT", f"drafts/{draft['id']}", json={"message": {"raw": as_raw(mail())}}).json()
    old, new = draft["message"]["id"], changed["message"]["id"]
    assert events(post, start) == [("messagesDeleted", old, ()), ("messagesAdded", new, ())]


Change = Callable[[Post, str], object]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (
            lambda post, id: post.post(f"messages/{id}/modify", {"addLabelIds": ["STARRED"]}),
            [("labelsAdded", "STARRED")],
        ),
        (lambda post, id: post.post(f"messages/{id}/modify", {"addLabelIds": ["INBOX"]}), []),
        (
            lambda post, id: post.post(f"messages/{id}/modify", {"removeLabelIds": ["UNREAD"]}),
            [("labelsRemoved", "UNREAD")],
        ),
        (lambda post, id: post.post(f"messages/{id}/trash"), [("labelsAdded", "TRASH"), ("labelsRemoved", "INBOX")]),
        (lambda post, id: post.post(f"messages/{id}/untrash"), []),
        (lambda post, id: post.call("DELETE", f"messages/{id}"), [("messagesDeleted", "")]),
        (lambda post, id: post.post("messages/batchDelete", {"ids": [id]}), [("messagesDeleted", "")]),
        (lambda post, id: post.call("DELETE", f"threads/{id}"), [("messagesDeleted", "")]),
        (lambda post, id: post.gmail.trash_message(ADA, id), [("labelsAdded", "TRASH"), ("labelsRemoved", "INBOX")]),
        (lambda post, id: post.gmail.delete_message(ADA, id), [("messagesDeleted", "")]),
        (lambda post, id: post.gmail.relabel(ADA, id, remove=["INBOX"]), [("labelsRemoved", "INBOX")]),
    ],
    ids=[
        *("add", "add again", "remove", "trash", "untrash", "delete", "delete many", "delete the thread"),
        *("a person trashes", "a person deletes", "a person archives"),
    ],
)
def test_each_change_leaves_its_record(post: Post, change: Change, left: list[tuple[str, str]]) -> None:
    message = post.world.letter(ADA, {"From": BOB}, "Hi").id
    start = post.history_id
    change(post, message)
    assert events(post, start) == [(kind, message, (label,) if label else ()) for kind, label in left]


def test_a_change_that_changes_nothing_moves_no_id(post: Post) -> None:
    message = post.world.letter(ADA, {"From": BOB}, "Hi")
    start = post.history_id
    post.post(f"messages/{message.id}/modify", {"addLabelIds": ["INBOX"], "removeLabelIds": ["STARRED"]})
    assert (post.history_id, message.history_id < int(start)) == (start, True)


def test_a_deleted_label_is_removed_from_its_messages(post: Post) -> None:
    label = post.post("labels", {"name": "Pitches"})["id"]
    sent = post.send(mail())["id"]
    post.gmail.relabel(ADA, sent, [label])
    start = post.history_id
    assert post.call("DELETE", f"labels/{label}").status_code == 204
    assert events(post, start) == [("labelsRemoved", sent, (label,))]


def test_history_is_limited_to_kinds_and_to_a_label(post: Post) -> None:
    start = post.history_id
    sent = post.send(mail())["id"]
    arrived = post.world.letter(ADA, {"From": BOB}, "Hi").id
    post.gmail.relabel(ADA, arrived, ["STARRED"], ["UNREAD"])
    added = [("messagesAdded", sent, ()), ("messagesAdded", arrived, ())]
    assert events(post, start, historyTypes="messageAdded") == added
    labelled = [("labelsAdded", arrived, ("STARRED",)), ("labelsRemoved", arrived, ("UNREAD",))]
    assert events(post, start, historyTypes=["labelAdded", "labelRemoved"]) == labelled
    assert events(post, start, historyTypes="messageDeleted") == []
    assert events(post, start, historyTypes="messageAdded", labelId="INBOX") == [("messagesAdded", arrived, ())]
    assert events(post, start, labelId="STARRED") == labelled


def walk(post: Post, start: str, **params: Any) -> list[list[str]]:
    """The ids of the added messages, page by page, to the end."""
    pages, token = [], None
    while True:
        answer = post.get("history", startHistoryId=start, **params, **({"pageToken": token} if token else {}))
        assert answer["historyId"] == post.history_id
        pages.append([each["messagesAdded"][0]["message"]["id"] for each in answer.get("history", [])])
        token = answer.get("nextPageToken")
        if token is None:
            return pages


def test_pages_follow_one_another_and_may_lack_history_or_repeat_records(post: Post) -> None:
    start = post.history_id
    a, b, c, d, e = (post.send(mail(subject=str(number)))["id"] for number in range(5))
    assert walk(post, start) == [[a, b, c, d, e]]
    assert walk(post, start, maxResults=2) == [[a, b], [c, d], [e]]
    post.gmail.set_options(repeats_history=True)
    assert walk(post, start, maxResults=2) == [[a, b], [b, c], [c, d], [d, e]]
    assert walk(post, start, maxResults=1) == [[a], [b], [c], [d], [e]]
    post.gmail.set_options(repeats_history=False, blank_history_pages=2)
    assert walk(post, start, maxResults=3) == [[], [], [a, b, c], [], [], [d, e]]
    assert post.get("history", startHistoryId=post.history_id) == {"historyId": post.history_id}


def test_what_happens_between_two_pages_is_on_a_later_one(post: Post) -> None:
    start = post.history_id
    a, b, c = (post.send(mail(subject=str(number)))["id"] for number in range(3))
    first = post.get("history", startHistoryId=start, maxResults=2)
    d = post.send(mail())["id"]
    rest = post.get("history", startHistoryId=start, pageToken=first["nextPageToken"])
    assert [each["messages"][0]["id"] for each in first["history"] + rest["history"]] == [a, b, c, d]


def test_an_expired_id_is_not_found_and_the_profiles_new_one_is_good(post: Post) -> None:
    known = [post.history_id, post.get(f"messages/{post.send(mail())['id']}")["historyId"], post.history_id]
    post.gmail.expire_history(ADA)
    for start in known:
        refused = post.call("GET", "history", params={"startHistoryId": start})
        assert problem(refused) == (404, "notFound", "Requested entity was not found.")
        assert refused.json()["error"]["status"] == "NOT_FOUND"
    start = post.history_id
    sent = post.send(mail())["id"]
    assert events(post, start) == [("messagesAdded", sent, ())]


def test_the_history_id_of_an_old_message_expires_but_not_that_of_the_profile(post: Post) -> None:
    sent = post.send(mail())["id"]
    of_message, of_profile = post.get(f"messages/{sent}")["historyId"], post.history_id
    assert post.call("GET", "history", params={"startHistoryId": of_message}).status_code == 200
    post.advance(7 * 86_400)
    assert post.call("GET", "history", params={"startHistoryId": of_message}).status_code == 404
    assert post.get("history", startHistoryId=of_profile) == {"historyId": of_profile}
    assert post.get(f"messages/{sent}")["historyId"] == of_message
    post.gmail.set_options(history_seconds=3600)
    arrived = post.world.letter(ADA, {"From": BOB}, "Hi").id
    post.advance(3599)
    assert events(post, of_profile) == [("messagesAdded", arrived, ())]
    post.advance(1)
    assert post.call("GET", "history", params={"startHistoryId": of_profile}).status_code == 404


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, (400, "invalidArgument", "Missing/invalid parameter: startHistoryId")),
        ({"startHistoryId": "x"}, (400, "invalidArgument", "Missing/invalid parameter: startHistoryId")),
        ({"startHistoryId": "99999999"}, (404, "notFound", "Requested entity was not found.")),
        ({"startHistoryId": "1"}, (404, "notFound", "Requested entity was not found.")),
        ({"startHistoryId": "{now}", "pageToken": "x"}, (400, "invalidArgument", "Invalid pageToken")),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    post: Post, params: dict[str, str], expected: tuple[int, str, str]
) -> None:
    params = {key: value.format(now=post.history_id) for key, value in params.items()}
    assert problem(post.call("GET", "history", params=params)) == expected
    kinds = {"startHistoryId": post.history_id, "historyTypes": "messageRead"}
    assert post.call("GET", "history", params=kinds).status_code == 400
