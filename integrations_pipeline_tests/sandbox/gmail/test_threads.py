"""Which thread a message joins, and what can be done to a whole thread."""

import pytest

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail, problem
from integrations_sandbox import ReplyStyle
from integrations_sandbox.gmail.letters import BounceKind
from integrations_sandbox.gmail.threads import plain_subject

QUESTION = "<q@elsewhere.example>"
IN_THREAD: list[BounceKind] = ["hard", "full", "blocked", "delayed", "soft"]
BOTH = {"In-Reply-To": QUESTION, "References": f"<earlier@elsewhere.example> {QUESTION}"}


def question(post: Post) -> str:
    """The thread of a question that arrived."""
    fields = {"From": BOB, "Subject": "Your engine", "Message-ID": QUESTION}
    return post.world.letter(ADA, fields, "How does it work?").thread_id


@pytest.mark.parametrize(
    ("subject", "headers", "joins"),
    [
        ("Re: Your engine", BOTH, True),
        ("RE : re: your  ENGINE", BOTH, True),
        ("Your engine", BOTH, True),
        ("Re: Your other engine", BOTH, False),
        ("Fwd: Your engine", BOTH, False),
        ("Re: Your engine", {"In-Reply-To": QUESTION}, False),
        ("Re: Your engine", {"References": QUESTION}, False),
        ("Re: Your engine", {}, False),
        ("Re: Your engine", {"In-Reply-To": "<x@y.z>", "References": "<x@y.z>"}, False),
    ],
)
def test_an_answer_joins_the_thread_it_names_by_both_headers_and_the_subject(
    post: Post, subject: str, headers: dict[str, str], joins: bool
) -> None:
    thread_id = question(post)
    sent = post.send(mail(subject=subject, headers=headers), threadId=thread_id)
    assert (sent["threadId"] == thread_id) is joins


def test_the_api_id_of_the_parent_in_the_headers_joins_nothing(post: Post) -> None:
    thread_id = question(post)
    headers = {"In-Reply-To": thread_id, "References": f"<{thread_id}>"}
    assert post.send(mail(subject="Re: Your engine", headers=headers), threadId=thread_id)["threadId"] != thread_id


def test_without_a_thread_id_an_answer_begins_a_thread_of_its_own(post: Post) -> None:
    thread_id = question(post)
    assert post.send(mail(subject="Re: Your engine", headers=BOTH))["threadId"] != thread_id


@pytest.mark.parametrize(
    ("thread_id", "expected"), [("beef", (404, "notFound")), ("no-thread", (400, "invalidArgument"))]
)
def test_a_thread_that_is_not_there_is_refused_and_nothing_is_sent(
    post: Post, thread_id: str, expected: tuple[int, str]
) -> None:
    refused = post.call("POST", "messages/send", json={"raw": as_raw(mail()), "threadId": thread_id})
    assert problem(refused)[:2] == expected
    assert post.world.deliveries() == []


def test_a_drafts_id_is_none_that_an_answer_can_name(post: Post) -> None:
    raw = as_raw(mail(subject="Plan", headers={"Message-ID": QUESTION}))
    draft = post.post("drafts", {"message": {"raw": raw}})["message"]
    assert post.send(mail(subject="Plan", headers=BOTH), threadId=draft["threadId"])["threadId"] != draft["threadId"]


def test_mail_that_names_a_draft_arrives_in_a_thread_of_its_own(post: Post) -> None:
    raw = as_raw(mail(subject="Plan", headers={"Message-ID": QUESTION}))
    draft = post.post("drafts", {"message": {"raw": raw}})["message"]
    arrived = post.world.letter(ADA, {"From": BOB, "Subject": "Re: Plan", **BOTH}, "Yes")
    assert arrived.thread_id != draft["threadId"]


def test_a_reply_to_a_deleted_mail_arrives_in_a_thread_of_its_own(post: Post) -> None:
    delivery = post.pitch()
    post.gmail.delete_message(ADA, delivery.message_id)
    assert post.get("profile")["threadsTotal"] == 0
    assert post.world.reply(delivery).thread_id != delivery.thread_id


def test_a_reply_arrives_in_the_thread_of_what_it_answers(post: Post) -> None:
    delivery = post.pitch()
    reply = post.world.reply(delivery)
    assert reply.thread_id == delivery.thread_id
    assert post.world.reply(delivery, style=ReplyStyle(from_address="assistant@x.example")).thread_id == reply.thread_id
    thread = post.get(f"threads/{delivery.thread_id}", format="metadata")
    assert [each["id"] for each in thread["messages"]][:2] == [delivery.message_id, reply.id]


@pytest.mark.parametrize(
    "style",
    [ReplyStyle(has_references=False), ReplyStyle(subject="Something else")],
    ids=["without references", "another subject"],
)
def test_a_reply_that_breaks_the_thread_arrives_in_a_new_one(post: Post, style: ReplyStyle) -> None:
    delivery = post.pitch()
    assert post.world.reply(delivery, style=style).thread_id != delivery.thread_id


def test_a_bounce_lands_in_the_thread_of_the_mail_in_spite_of_its_subject(post: Post) -> None:
    delivery = post.pitch()
    for kind in IN_THREAD:
        assert post.world.bounce(delivery, kind).thread_id == delivery.thread_id
    assert post.world.bounce(delivery, "foreign").thread_id != delivery.thread_id


def test_the_recipients_thread_has_an_id_of_its_own(post: Post) -> None:
    post.gmail.create_mailbox(BOB)
    sent = post.send(mail())
    (arrived,) = post.gmail.messages(BOB)
    assert arrived.thread_id != sent["threadId"]
    with post.client(post.gmail.token(BOB)) as client:
        message_id = post.headers(sent["id"])["Message-ID"]
        headers = {"In-Reply-To": message_id, "References": message_id}
        document = {"raw": as_raw(mail(ADA, "Re: Hello", headers=headers)), "threadId": arrived.thread_id}
        answer = client.post("/gmail/gmail/v1/users/me/messages/send", json=document).json()
        assert answer["threadId"] == arrived.thread_id
    assert [each["threadId"] for each in post.get("messages")["messages"]] == [sent["threadId"]] * 2


@pytest.mark.parametrize(
    ("subject", "plain"),
    [
        ("Re: A", "a"),
        ("re:RE : A b", "a b"),
        ("A", "a"),
        ("Re:", ""),
        ("Reply: A", "reply: a"),
        ("A Re: B", "a re: b"),
    ],
)
def test_only_re_is_taken_from_a_subject(subject: str, plain: str) -> None:
    assert plain_subject(subject) == plain


def test_threads_are_listed_by_their_newest_message_that_fits(post: Post) -> None:
    first = post.pitch("1", "one@elsewhere.example")
    post.advance(1)
    second = post.pitch("2", "two@elsewhere.example")
    post.advance(1)
    post.world.reply(first, "Tell me more.")
    listed = post.get("threads")["threads"]
    assert [each["id"] for each in listed] == [first.thread_id, second.thread_id]
    assert listed[0]["snippet"].startswith("Tell me more.")
    assert int(listed[0]["historyId"]) > int(listed[1]["historyId"])
    assert [each["id"] for each in post.get("threads", q="in:sent")["threads"]] == [second.thread_id, first.thread_id]
    assert [each["id"] for each in post.get("threads", labelIds="INBOX")["threads"]] == [first.thread_id]
    page = post.get("threads", maxResults=1)
    rest = post.get("threads", maxResults=1, pageToken=page["nextPageToken"])
    assert ([each["id"] for each in rest["threads"]], "nextPageToken" in rest) == ([second.thread_id], False)


def test_a_thread_shows_its_messages_in_the_format_asked_for(post: Post) -> None:
    delivery = post.pitch()
    reply = post.world.reply(delivery)
    full = post.get(f"threads/{delivery.thread_id}")
    assert full["historyId"] == str(reply.history_id)
    assert ["payload" in each for each in full["messages"]] == [True, True]
    wanted = {"format": "metadata", "metadataHeaders": ["X-Pitch-Id"]}
    first, second = post.get(f"threads/{delivery.thread_id}", **wanted)["messages"]
    assert first["payload"]["headers"] == [{"name": "X-Pitch-Id", "value": "7"}]
    assert "headers" not in second["payload"]
    minimal = post.get(f"threads/{delivery.thread_id}", format="minimal")["messages"]
    assert ["payload" in each for each in minimal] == [False, False]
    assert post.call("GET", f"threads/{delivery.thread_id}", params={"format": "raw"}).status_code == 400


def test_a_whole_thread_is_labelled_trashed_and_deleted(post: Post) -> None:
    delivery = post.pitch()
    post.world.reply(delivery)
    path = f"threads/{delivery.thread_id}"
    changed = post.post(path + "/modify", {"addLabelIds": ["STARRED"], "removeLabelIds": ["UNREAD"]})
    assert [set(each["labelIds"]) & {"STARRED", "UNREAD"} for each in changed["messages"]] == [{"STARRED"}] * 2
    assert ["TRASH" in each["labelIds"] for each in post.post(path + "/trash")["messages"]] == [True, True]
    assert post.get("threads") == {"resultSizeEstimate": 0}
    assert ["TRASH" in each["labelIds"] for each in post.post(path + "/untrash")["messages"]] == [False, False]
    assert post.call("DELETE", path).status_code == 204
    assert post.call("GET", path).status_code == 404
    assert post.listed(includeSpamTrash="true") == []


def test_the_id_of_a_later_message_is_no_thread(post: Post) -> None:
    reply = post.world.reply(post.pitch())
    assert problem(post.call("GET", f"threads/{reply.id}"))[:2] == (404, "notFound")


@pytest.mark.parametrize(("thread_id", "status"), [("beef", 404), ("no-thread", 400)])
def test_a_thread_that_is_not_there_is_not_found(post: Post, thread_id: str, status: int) -> None:
    for method, path in (("GET", ""), ("POST", "/modify"), ("POST", "/trash"), ("POST", "/untrash"), ("DELETE", "")):
        assert post.call(method, f"threads/{thread_id}{path}", json={}).status_code == status
