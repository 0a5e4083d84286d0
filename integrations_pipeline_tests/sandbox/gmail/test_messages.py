"""Reading, listing, storing, relabelling and deleting messages."""

import base64
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail, problem
from integrations_sandbox.gmail import parts
from integrations_sandbox.gmail.letters import BounceKind


def with_attachment() -> bytes:
    letter = EmailMessage(policy=SMTP)
    letter["From"], letter["To"], letter["Subject"] = BOB, ADA, "Bill"
    letter.set_content("See below.\n")
    letter.add_alternative("<p>See <i>below</i>.</p>", subtype="html")
    letter.add_attachment(b"%PDF\x00\xff" * 5, maintype="application", subtype="pdf", filename="bill.pdf")
    return letter.as_bytes()


def test_a_message_is_shown_in_full_by_default(post: Post) -> None:
    message = post.world.incoming(ADA, with_attachment())
    shown = post.get(f"messages/{message.id}")
    assert {key: shown[key] for key in ("id", "threadId", "internalDate", "snippet")} == {
        "id": message.id,
        "threadId": message.id,
        "internalDate": "1795348800250",
        "snippet": "See below.",
    }
    assert sorted(shown["labelIds"]) == ["CATEGORY_PERSONAL", "INBOX", "UNREAD"]
    assert isinstance(shown["historyId"], str)
    assert shown["sizeEstimate"] == len(message.content.raw)


def test_the_parts_of_a_message_are_a_tree(post: Post) -> None:
    message = post.world.incoming(ADA, with_attachment())
    payload = post.get(f"messages/{message.id}")["payload"]
    text, bill = payload["parts"]
    assert (payload["partId"], payload["mimeType"], payload["body"]) == ("", "multipart/mixed", {"size": 0})
    assert [each["partId"] for each in (text, *text["parts"], bill)] == ["0", "0.0", "0.1", "1"]
    assert [each["mimeType"] for each in text["parts"]] == ["text/plain", "text/html"]
    data = text["parts"][0]["body"]
    assert (base64.urlsafe_b64decode(data["data"] + "=="), data["size"]) == (b"See below.\r\n", 12)
    assert "=" not in data["data"]
    assert (bill["filename"], bill["body"]["size"], sorted(bill["body"])) == ("bill.pdf", 30, ["attachmentId", "size"])
    assert {"name": "Content-Disposition", "value": 'attachment; filename="bill.pdf"'} in bill["headers"]


def test_what_is_encoded_has_no_padding_whatever_its_length(post: Post) -> None:
    for text in ("a", "ab", "abc"):
        message = post.world.letter(ADA, {"From": BOB}, text).id
        data = post.get(f"messages/{message}")["payload"]["body"]["data"]
        raw = post.get(f"messages/{message}", format="raw")["raw"]
        assert (parts.decoded(data), "=" in data + raw) == (text.encode() + b"\r\n", False)


def test_attachments_are_fetched_by_ids_that_differ_from_answer_to_answer(post: Post) -> None:
    message = post.world.incoming(ADA, with_attachment())
    path = f"messages/{message.id}"
    ids = [post.get(path)["payload"]["parts"][1]["body"]["attachmentId"] for _ in range(2)]
    assert ids[0] != ids[1]
    for attachment_id in ids:
        fetched = post.get(f"{path}/attachments/{attachment_id}")
        assert (fetched["size"], parts.decoded(fetched["data"])) == (30, b"%PDF\x00\xff" * 5)
    assert problem(post.call("GET", f"{path}/attachments/nonsense"))[:2] == (400, "invalidArgument")


def test_long_text_is_fetched_like_an_attachment(post: Post) -> None:
    message = post.world.letter(ADA, {"From": BOB, "Subject": "Long"}, "word " * 30_000)
    body = post.get(f"messages/{message.id}")["payload"]["body"]
    assert sorted(body) == ["attachmentId", "size"]
    fetched = post.get(f"messages/{message.id}/attachments/{body['attachmentId']}")
    assert parts.decoded(fetched["data"]).count(b"word") == 30_000


def test_bodies_come_in_utf8_while_the_header_goes_on_naming_the_old_charset(post: Post) -> None:
    raw = b"Subject: x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n" + "Grüße".encode("latin-1")
    payload = post.get(f"messages/{post.world.incoming(ADA, raw).id}")["payload"]
    assert parts.decoded(payload["body"]["data"]).decode() == "Grüße"
    assert payload["headers"][-1]["value"] == "text/plain; charset=iso-8859-1"


@pytest.mark.parametrize("charset", ["x-unknown", "utf-8"])
def test_a_body_that_cannot_be_converted_comes_as_it_is(post: Post, charset: str) -> None:
    raw = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + b"Gr\xfc\xdfe"
    payload = post.get(f"messages/{post.world.incoming(ADA, raw).id}")["payload"]
    assert parts.decoded(payload["body"]["data"]) == b"Gr\xfc\xdfe"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("Subject: one\r\n two", "one two"),
        ("Subject: Grüße", "Grüße"),
        ("Subject: =?x-unknown?q?abc?=", "=?x-unknown?q?abc?="),
        ("Subject: 7 =?", "7 =?"),
        ("From: =?utf-8?q?Lovelace=2C_Ada?= <a@b.org>", '"Lovelace, Ada" <a@b.org>'),
        ("To: =?utf-8?b?SsO2cmc=?= <j@b.org>, x@y.org", "Jörg <j@b.org>, x@y.org"),
        ('From: "Ada, A." <a@b.org>', '"Ada, A." <a@b.org>'),
    ],
)
def test_header_values_come_unfolded_and_decoded(post: Post, line: str, value: str) -> None:
    message = post.world.incoming(ADA, f"{line}\r\n\r\nBody".encode())
    assert post.headers(message.id)[line.partition(":")[0]] == value


def test_metadata_has_the_headers_asked_for_in_any_case_and_no_body(post: Post) -> None:
    sent = post.send(mail(headers={"X-Pitch-Id": "7", "X-Other": "8"}))["id"]
    shown = post.get(f"messages/{sent}", format="metadata", metadataHeaders=["x-pitch-id", "SUBJECT"])
    assert shown["payload"] == {
        "mimeType": "text/plain",
        "headers": [{"name": "Subject", "value": "Hello"}, {"name": "X-Pitch-Id", "value": "7"}],
    }
    everything = post.get(f"messages/{sent}", format="METADATA")["payload"]["headers"]
    assert {"X-Other", "Received", "Message-ID"} <= {each["name"] for each in everything}
    assert post.get(f"messages/{sent}", format="metadata", metadataHeaders="X-None")["payload"] == {
        "mimeType": "text/plain"
    }


def test_minimal_has_no_payload_and_raw_has_every_byte(post: Post) -> None:
    letter = with_attachment()
    message = post.world.incoming(ADA, letter)
    assert "payload" not in post.get(f"messages/{message.id}", format="minimal")
    raw = post.get(f"messages/{message.id}", format="raw")
    assert "payload" not in raw
    assert parts.decoded(raw["raw"]).endswith(letter)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("messages/beef", (404, "notFound", "Requested entity was not found.")),
        ("messages/no-id", (400, "invalidArgument", "Invalid id value")),
        ("messages/1a2b?format=loud", (404, "notFound", "Requested entity was not found.")),
    ],
)
def test_a_message_that_is_not_there_is_refused(post: Post, path: str, expected: tuple[int, str, str]) -> None:
    assert problem(post.call("GET", path)) == expected


@pytest.mark.parametrize(
    "params",
    [{"maxResults": "many"}, {"pageToken": "x"}, {"pageToken": "1" * 22}],
)
def test_a_parameter_that_makes_no_sense_is_refused(post: Post, params: dict[str, str]) -> None:
    assert problem(post.call("GET", "messages", params=params))[:2] == (400, "invalidArgument")
    sent = post.send(mail())["id"]
    assert post.call("GET", f"messages/{sent}", params={"format": "loud"}).status_code == 400


# Lists


def test_an_empty_list_leaves_the_list_out(post: Post) -> None:
    for path in ("messages", "threads", "drafts"):
        assert post.get(path) == {"resultSizeEstimate": 0}


def test_messages_are_listed_newest_first_with_ids_only(post: Post) -> None:
    first = post.send(mail())["id"]
    post.advance(1)
    second = post.world.letter(ADA, {"From": BOB}, "Hi").id
    third = post.post("drafts", {"message": {"raw": as_raw(mail())}})["message"]["id"]
    listed = post.get("messages")["messages"]
    assert [each["id"] for each in listed] == [third, second, first]
    assert sorted(listed[0]) == ["id", "threadId"]


def test_pages_have_100_messages_and_500_at_most(post: Post) -> None:
    for number in range(510):
        post.world.letter(ADA, {"From": BOB, "Subject": str(number)}, "x")
    assert [len(post.listed(**params)) for params in ({}, {"maxResults": 500}, {"maxResults": 9999})] == [100, 500, 500]
    assert len(post.listed(maxResults=0)) == 1


def test_mail_that_comes_while_pages_are_read_shifts_nothing(post: Post) -> None:
    sent = [post.send(mail(subject=str(number)))["id"] for number in range(4)]
    first = post.get("messages", maxResults=2)
    post.world.letter(ADA, {"From": BOB}, "Hi")
    post.gmail.delete_message(ADA, sent[2])
    rest = post.get("messages", maxResults=2, pageToken=first["nextPageToken"])
    assert [each["id"] for each in first["messages"] + rest["messages"]] == sent[::-1]


def test_labels_given_to_a_list_must_all_be_there(post: Post) -> None:
    message = post.world.letter(ADA, {"From": BOB}, "Hi").id
    post.send(mail())
    assert post.listed(labelIds=["INBOX", "UNREAD"]) == [message]
    assert post.listed(labelIds=["INBOX", "SENT"]) == []


def test_spam_and_trash_are_listed_on_request_only(post: Post) -> None:
    spam = post.world.incoming(ADA, mail(), ["SPAM", "UNREAD"]).id
    trash = post.send(mail())["id"]
    post.post(f"messages/{trash}/trash")
    assert post.listed() == []
    assert sorted(post.listed(includeSpamTrash="true")) == sorted([spam, trash])
    assert (post.listed(labelIds="SPAM"), post.listed(q="in:trash")) == ([spam], [trash])
    assert sorted(post.listed(q="in:anywhere")) == sorted([spam, trash])
    assert post.listed(q="-in:trash") == []


# Changing


def test_labels_are_added_and_removed_and_none_at_all_is_no_list(post: Post) -> None:
    message = post.world.letter(ADA, {"From": BOB}, "Hi").id
    removed = ["INBOX", "UNREAD", "CATEGORY_PERSONAL"]
    changed = post.post(f"messages/{message}/modify", {"addLabelIds": ["STARRED"], "removeLabelIds": removed})
    assert changed == {"id": message, "threadId": message, "labelIds": ["STARRED"]}
    bare = post.post(f"messages/{message}/modify", {"removeLabelIds": ["STARRED"]})
    assert bare == {"id": message, "threadId": message}
    assert "labelIds" not in post.get(f"messages/{message}")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "No label add or removes specified"),
        ({"addLabelIds": ["SENT"]}, "Invalid label: SENT"),
        ({"removeLabelIds": ["DRAFT"]}, "Invalid label: DRAFT"),
        ({"addLabelIds": ["Label_99"]}, "Invalid label: Label_99"),
        ({"addLabelIds": ["STARRED"], "removeLabelIds": ["STARRED"]}, "Cannot both add and remove the same label"),
        ({"addLabelIds": ["STARRED"] * 101}, "Cannot change more than 100 labels"),
        ({"addLabelIds": "STARRED"}, "Invalid value at 'addLabelIds'"),
        ({"addLabelIds": [7]}, "Invalid value at 'addLabelIds'"),
    ],
)
def test_a_wrong_change_of_labels_is_refused(post: Post, document: Any, message: str) -> None:
    sent = post.send(mail())["id"]
    for path in (f"messages/{sent}/modify", f"threads/{sent}/modify"):
        assert problem(post.call("POST", path, json=document)) == (400, "invalidArgument", message)
    refused = post.call("POST", "messages/batchModify", json={"ids": [sent], **document})
    assert problem(refused)[2] == message
    assert post.stored(sent).labels == ["SENT"]


def test_trash_takes_out_of_the_inbox_and_untrash_does_not_put_back(post: Post) -> None:
    message = post.world.letter(ADA, {"From": BOB}, "Hi").id
    assert set(post.post(f"messages/{message}/trash")["labelIds"]) == {"UNREAD", "CATEGORY_PERSONAL", "TRASH"}
    assert set(post.post(f"messages/{message}/untrash")["labelIds"]) == {"UNREAD", "CATEGORY_PERSONAL"}


def test_a_deleted_message_is_gone(post: Post) -> None:
    sent = post.send(mail())["id"]
    answer = post.call("DELETE", f"messages/{sent}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert problem(post.call("GET", f"messages/{sent}"))[:2] == (404, "notFound")
    assert problem(post.call("DELETE", f"messages/{sent}"))[:2] == (404, "notFound")


def test_many_messages_are_changed_and_deleted_at_once_and_absent_ones_passed_over(post: Post) -> None:
    ids = [post.send(mail(subject=str(number)))["id"] for number in range(3)]
    change = {"ids": [*ids[:2], "beef"], "addLabelIds": ["STARRED"]}
    assert post.call("POST", "messages/batchModify", json=change).status_code == 204
    assert sorted(post.listed(labelIds="STARRED")) == sorted(ids[:2])
    assert post.call("POST", "messages/batchDelete", json={"ids": [*ids[1:], "beef"]}).status_code == 204
    assert post.listed() == [ids[0]]


@pytest.mark.parametrize("ids", [[], ["beef"] * 1001])
def test_at_most_a_thousand_ids_may_be_given(post: Post, ids: list[str]) -> None:
    for path in ("batchModify", "batchDelete"):
        document = {"ids": ids, "addLabelIds": ["STARRED"]}
        assert post.call("POST", f"messages/{path}", json=document).status_code == 400
    assert post.call("POST", "messages/batchDelete", json={"ids": ["beef"] * 1000}).status_code == 204


# Storing


def test_an_inserted_message_is_kept_as_it_is_and_sent_to_nobody(post: Post) -> None:
    raw = mail(headers={"Message-ID": "<own@crm.example>", "Date": "Sat, 01 Nov 2025 08:00:00 +0100"})
    stored = post.post("messages", {"raw": as_raw(raw), "labelIds": ["INBOX", "UNREAD"]})
    assert stored["labelIds"] == ["INBOX", "UNREAD"]
    assert parts.decoded(post.get(f"messages/{stored['id']}", format="raw")["raw"]) == raw
    assert post.world.deliveries() == []
    assert "labelIds" not in post.post("messages", {"raw": as_raw(raw)})


@pytest.mark.parametrize(
    ("path", "source", "date", "internal"),
    [
        ("messages", None, "Sat, 01 Nov 2025 08:00:00 +0100", 1795348800250),
        ("messages", "dateHeader", "Sat, 01 Nov 2025 08:00:00 +0100", 1761980400000),
        ("messages", "dateHeader", "Sat, 01 Nov 2025 07:00:00 -0000", 1761980400000),
        ("messages", "dateHeader", "yesterday", 1795348800250),
        ("messages/import", None, "Sat, 01 Nov 2025 08:00:00 +0100", 1761980400000),
        ("messages/import", "receivedTime", "Sat, 01 Nov 2025 08:00:00 +0100", 1795348800250),
    ],
)
def test_the_internal_date_comes_from_where_the_caller_says(
    post: Post, path: str, source: str | None, date: str, internal: int
) -> None:
    params = {"internalDateSource": source} if source else {}
    document = {"raw": as_raw(f"Date: {date}\r\nSubject: x\r\n\r\n.".encode())}
    stored = post.call("POST", path, params=params, json=document).raise_for_status().json()
    assert post.get(f"messages/{stored['id']}")["internalDate"] == str(internal)


def test_stored_mail_joins_threads(post: Post) -> None:
    sent = post.send(mail(subject="Plan"))
    message_id = post.headers(sent["id"])["Message-ID"]
    raw = as_raw(mail(subject="Re: Plan", headers={"In-Reply-To": message_id, "References": message_id}))
    assert post.post("messages", {"raw": raw})["threadId"] == sent["threadId"]
    assert post.post("messages/import", {"raw": raw, "threadId": sent["threadId"]})["threadId"] == sent["threadId"]
    other = as_raw(mail(subject="Other"))
    assert post.post("messages", {"raw": other, "threadId": sent["threadId"]})["threadId"] != sent["threadId"]


@pytest.mark.parametrize("label", ["DRAFT", "Label_99"])
def test_a_message_cannot_be_stored_under_every_label(post: Post, label: str) -> None:
    refused = post.call("POST", "messages", json={"raw": as_raw(mail()), "labelIds": [label]})
    assert problem(refused) == (400, "invalidArgument", f"Invalid label: {label}")


def test_snippets_are_one_escaped_line_of_the_text(post: Post) -> None:
    message = post.world.letter(ADA, {"From": BOB}, "It's <b>\n\n  & so on " + "x" * 300)
    assert message.content.snippet.startswith("It&#39;s &lt;b&gt; &amp; so on xxx")
    assert len(post.get(f"messages/{message.id}")["snippet"]) < 230
    rich = b"Content-Type: text/html\r\n\r\n<style>p {}</style><p>One</p><p>Two<br>Three</p>"
    assert post.world.incoming(ADA, rich).content.snippet == "One Two Three"


@pytest.mark.parametrize(("kind", "is_nested"), [("hard", True), ("foreign", False)])
def test_the_fields_of_a_report_stand_in_a_child_of_gmails_own_and_in_the_part_of_others(
    post: Post, kind: BounceKind, is_nested: bool
) -> None:
    bounce = post.world.bounce(post.pitch(), kind)
    status = post.get(f"messages/{bounce.id}")["payload"]["parts"][1]
    assert status["mimeType"] == "message/delivery-status"
    assert ("parts" in status, status["body"]["size"] == 0) == (is_nested, is_nested)
    data = status["parts"][0]["body"]["data"] if is_nested else status["body"]["data"]
    assert f"Final-Recipient: rfc822; {BOB}\r\nAction: failed\r\n" in parts.decoded(data).decode()


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ("id", ["id"]),
        ("id,labelIds", ["id", "labelIds"]),
        ("payload/mimeType", ["payload"]),
        ("payload(headers/name, mimeType),id", ["id", "payload"]),
        ("unknown", []),
        ("*", ["historyId", "id", "internalDate", "labelIds", "payload", "sizeEstimate", "snippet", "threadId"]),
    ],
)
def test_an_answer_is_cut_down_to_the_fields_asked_for(post: Post, fields: str, left: list[str]) -> None:
    shown = post.get(f"messages/{post.send(mail())['id']}", fields=fields)
    assert sorted(shown) == left


def test_fields_reach_into_lists_and_leave_out_what_they_do_not_name(post: Post) -> None:
    ids = [post.send(mail(subject=str(number)))["id"] for number in range(2)]
    listed = post.get("messages", fields="messages(id),nextPageToken", maxResults=1)
    assert listed["messages"] == [{"id": ids[1]}]
    assert sorted(listed) == ["messages", "nextPageToken"]
    wanted = {"fields": "payload(headers/name,mimeType)", "metadataHeaders": "Subject", "format": "metadata"}
    payload = {"mimeType": "text/plain", "headers": [{"name": "Subject"}]}
    assert post.get(f"messages/{ids[0]}", **wanted) == {"payload": payload}
    assert post.get(f"messages/{ids[0]}", fields="*/body/size")["payload"] == {"body": {"size": 15}}


@pytest.mark.parametrize("fields", ["id,", "payload(", "payload(id", "id)", "/id", "a b c;", "payload/"])
def test_a_selection_of_fields_that_is_none_is_refused(post: Post, fields: str) -> None:
    refused = post.call("GET", "labels", params={"fields": fields})
    assert problem(refused) == (400, "invalidParameter", f"Invalid field selection {fields}")
