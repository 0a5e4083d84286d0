"""A draft keeps its id while it lives, and is gone once it is sent: that is how a sender in doubt finds out."""

from typing import Any

import httpx
import pytest

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail, problem
from integrations_sandbox import FaultRule


def create(post: Post, raw: bytes | None = None, **message: Any) -> Any:
    return post.post("drafts", {"message": {"raw": as_raw(mail() if raw is None else raw), **message}})


def test_a_new_draft_answers_with_its_id_and_its_message(post: Post) -> None:
    draft = create(post)
    message = draft["message"]
    assert draft == {"id": draft["id"], "message": message}
    assert message == {"id": message["id"], "threadId": message["id"], "labelIds": ["DRAFT"]}
    assert draft["id"] != message["id"]
    assert post.world.deliveries() == []


def test_a_sent_draft_is_gone_and_a_new_message_is_in_its_thread(post: Post) -> None:
    draft = create(post, mail(headers={"X-Pitch-Id": "7", "Message-ID": "<7@crm.example>"}))
    sent = post.post("drafts/send", {"id": draft["id"]})
    assert (sent["labelIds"], sent["threadId"]) == (["SENT"], draft["message"]["threadId"])
    assert sent["id"] != draft["message"]["id"]
    for path in (f"drafts/{draft['id']}", f"messages/{draft['message']['id']}"):
        assert problem(post.call("GET", path)) == (404, "notFound", "Requested entity was not found.")
    assert post.get("drafts") == {"resultSizeEstimate": 0}
    headers = post.headers(sent["id"])
    assert (headers["X-Pitch-Id"], headers["Message-ID"][:3]) == ("7", "<CA")
    assert post.world.count_by_header("X-Pitch-Id") == {(BOB, "7"): 1}


def test_a_draft_cannot_be_sent_twice(post: Post) -> None:
    draft = create(post)
    post.post("drafts/send", {"id": draft["id"]})
    assert problem(post.call("POST", "drafts/send", json={"id": draft["id"]}))[:2] == (404, "notFound")
    assert len(post.world.deliveries()) == 1


@pytest.mark.parametrize(
    ("fault", "is_sent"),
    [
        (FaultRule(action="drop_before", path_regex="drafts/send"), False),
        (FaultRule(action="status", status=503, path_regex="drafts/send"), False),
        (FaultRule(action="drop_after", path_regex="drafts/send"), True),
        (FaultRule(action="status_after", status=503, path_regex="drafts/send"), True),
        (FaultRule(action="status_after", status=500, path_regex="drafts/send"), True),
    ],
    ids=["lost", "refused", "answer lost", "applied, then 503", "applied, then 500"],
)
def test_after_a_send_in_doubt_the_draft_tells_what_happened(post: Post, fault: FaultRule, is_sent: bool) -> None:
    draft = create(post, mail(headers={"X-Pitch-Id": "7"}))
    post.server.airtable.add_fault(fault)
    try:
        assert post.call("POST", "drafts/send", json={"id": draft["id"]}).status_code == fault.status
    except httpx.RemoteProtocolError:
        assert fault.action in ("drop_before", "drop_after")
    assert post.call("GET", f"drafts/{draft['id']}").status_code == (404 if is_sent else 200)
    assert len(post.world.deliveries(header=("X-Pitch-Id", "7"))) == is_sent
    in_thread = post.get(f"threads/{draft['message']['threadId']}", format="metadata")["messages"]
    assert [each["labelIds"] for each in in_thread] == [["SENT"] if is_sent else ["DRAFT"]]


def test_a_draft_that_is_refused_stays_a_draft(post: Post) -> None:
    draft = create(post, mail(to=None))
    assert problem(post.call("POST", "drafts/send", json={"id": draft["id"]}))[2] == "Recipient address required"
    assert post.get(f"drafts/{draft['id']}")["id"] == draft["id"]


def test_a_change_replaces_the_message_under_the_same_draft(post: Post) -> None:
    draft = create(post, mail(subject="First"))
    changed = post.call("PUT", f"drafts/{draft['id']}", json={"message": {"raw": as_raw(mail(subject="Second"))}})
    message = changed.raise_for_status().json()["message"]
    assert changed.json()["id"] == draft["id"]
    assert message["id"] != draft["message"]["id"]
    assert message["threadId"] == draft["message"]["threadId"]
    assert post.call("GET", f"messages/{draft['message']['id']}").status_code == 404
    assert post.headers(message["id"])["Subject"] == "Second"


def test_a_change_with_a_wrong_recipient_is_refused_and_changes_nothing(post: Post) -> None:
    draft = create(post)
    refused = post.call("PUT", f"drafts/{draft['id']}", json={"message": {"raw": as_raw(mail(to="human@f"))}})
    assert problem(refused) == (400, "invalidArgument", "Invalid To header")
    assert post.get(f"drafts/{draft['id']}")["message"]["id"] == draft["message"]["id"]


def test_what_comes_along_with_the_sending_is_what_is_sent(post: Post) -> None:
    draft = create(post, mail(subject="First"))
    post.post("drafts/send", {"id": draft["id"], "message": {"raw": as_raw(mail(subject="Last"))}})
    assert [each.header("Subject") for each in post.world.deliveries()] == ["Last"]
    assert post.call("GET", f"drafts/{draft['id']}").status_code == 404


@pytest.mark.parametrize("style", ["full", "metadata", "minimal", "raw"])
def test_a_draft_is_shown_in_the_format_of_messages(post: Post, style: str) -> None:
    draft = create(post)
    shown = post.get(f"drafts/{draft['id']}", format=style)
    message = post.get(f"messages/{draft['message']['id']}", format=style)
    assert shown == {"id": draft["id"], "message": message}


def test_drafts_are_listed_newest_first_in_pages_and_searched(post: Post) -> None:
    ids = []
    for number in range(3):
        ids.append(create(post, mail(subject=f"No. {number}"))["id"])
        post.advance(1)
    first = post.get("drafts", maxResults=2)
    assert [each["id"] for each in first["drafts"]] == [ids[2], ids[1]]
    assert sorted(first["drafts"][0]["message"]) == ["id", "threadId"]
    rest = post.get("drafts", maxResults=2, pageToken=first["nextPageToken"])
    assert ([each["id"] for each in rest["drafts"]], "nextPageToken" in rest) == ([ids[0]], False)
    assert [each["id"] for each in post.get("drafts", q="subject:1")["drafts"]] == [ids[1]]


def test_a_deleted_draft_is_gone_with_its_message(post: Post) -> None:
    draft = create(post)
    assert post.call("DELETE", f"drafts/{draft['id']}").status_code == 204
    assert post.call("GET", f"drafts/{draft['id']}").status_code == 404
    assert post.listed() == []


def test_deleting_the_message_deletes_the_draft(post: Post) -> None:
    draft = create(post)
    assert post.call("DELETE", f"messages/{draft['message']['id']}").status_code == 204
    assert post.get("drafts") == {"resultSizeEstimate": 0}


def test_a_drafts_own_message_id_is_kept_until_it_is_sent(post: Post) -> None:
    draft = create(post, mail(headers={"Message-ID": "<7@crm.example>"}))
    assert post.headers(draft["message"]["id"])["Message-ID"] == "<7@crm.example>"


@pytest.mark.parametrize(
    ("method", "path", "document", "expected"),
    [
        ("POST", "drafts/send", {}, (400, "invalidArgument")),
        ("POST", "drafts/send", {"id": "r999"}, (404, "notFound")),
        ("POST", "drafts/send", {"id": 7}, (400, "invalidArgument")),
        ("GET", "drafts/r999", None, (404, "notFound")),
        ("PUT", "drafts/r999", {}, (404, "notFound")),
        ("DELETE", "drafts/r999", None, (404, "notFound")),
        ("POST", "drafts", {}, (400, "invalidArgument")),
        ("POST", "drafts", {"message": []}, (400, "invalidArgument")),
        ("POST", "drafts", {"message": "text"}, (400, "invalidArgument")),
        ("POST", "drafts", {"message": {"raw": "%"}}, (400, "invalid")),
    ],
)
def test_a_mistake_with_drafts_is_refused(
    post: Post, method: str, path: str, document: Any, expected: tuple[int, str]
) -> None:
    assert problem(post.call(method, path, json=document))[:2] == expected


def test_a_draft_may_be_moved_into_a_thread_by_a_change(post: Post) -> None:
    thread_id = post.world.letter(
        ADA, {"From": BOB, "Subject": "Question", "Message-ID": "<q@x.example>"}, "?"
    ).thread_id
    draft = create(post)
    headers = {"In-Reply-To": "<q@x.example>", "References": "<q@x.example>"}
    for subject, expected in (("Other", draft["message"]["threadId"]), ("Re: Question", thread_id)):
        message = {"raw": as_raw(mail(subject=subject, headers=headers)), "threadId": thread_id}
        changed = post.call("PUT", f"drafts/{draft['id']}", json={"message": message}).json()
        assert changed["message"]["threadId"] == expected


def test_a_draft_may_answer_in_a_thread_and_its_mail_stays_there(post: Post) -> None:
    arrived = post.world.letter(ADA, {"From": BOB, "Subject": "Question", "Message-ID": "<q@elsewhere.example>"}, "?")
    references = {"In-Reply-To": "<q@elsewhere.example>", "References": "<q@elsewhere.example>"}
    draft = create(post, mail(subject="Re: Question", headers=references), threadId=arrived.thread_id)
    assert draft["message"]["threadId"] == arrived.thread_id
    post.call("PUT", f"drafts/{draft['id']}", json={"message": {"raw": as_raw(mail(subject="Re: Question"))}})
    assert post.post("drafts/send", {"id": draft["id"]})["threadId"] == arrived.thread_id
