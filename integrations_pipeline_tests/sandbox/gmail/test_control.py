"""The control operations do over HTTP what a mailbox's owner and the world outside do."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail

BASE = "/sandbox/gmail/"


def do(post: Post, method: str, path: str, document: Any = None, **params: str) -> Any:
    response = post.http.request(method, BASE + path, json=document, params=params)
    return response.raise_for_status().json()


def test_a_mailbox_is_made_and_opened_with_a_token(post: Post) -> None:
    alias = {"address": "b@x.example", "status": "pending"}
    body = {"address": BOB, "display_name": "Bob", "signature": "<i>B</i>", "aliases": [alias, "c@x.example"]}
    made = do(post, "POST", "mailboxes", body)
    assert (made["address"], made["messages_total"]) == (BOB, 0)
    assert [each["sendAsEmail"] for each in made["send_as"]] == [BOB, "b@x.example", "c@x.example"]
    scope = "https://www.googleapis.com/auth/gmail.readonly"
    token = do(post, "POST", "tokens", {"address": BOB, "scopes": [scope], "expires_in": 60})["token"]
    with post.client(token) as client:
        path = "/gmail/gmail/v1/users/me/profile"
        assert client.get(path).json()["emailAddress"] == BOB
        assert client.post("/gmail/gmail/v1/users/me/drafts", json={}).status_code == 403
        do(post, "DELETE", f"tokens/{token}")
        assert client.get(path).status_code == 401
    assert [each["address"] for each in do(post, "GET", "mailboxes")["mailboxes"]] == [ADA, BOB]


def test_options_are_seen_and_changed(post: Post) -> None:
    changed = do(post, "PATCH", "options", {"message_id": "preserve", "daily_send_limit": None})
    assert (changed["message_id"], changed["daily_send_limit"]) == ("preserve", None)
    assert do(post, "GET", "options") == changed
    for wrong in ({"nonsense": 1}, {"message_id": "maybe"}, {"quota_status": 500}):
        assert post.http.patch(BASE + "options", json=wrong).status_code == 400


def test_deliveries_are_read_filtered_and_counted(post: Post) -> None:
    post.send(mail(headers={"X-Pitch-Id": "7"}, text="Buy this."))
    post.send(mail(to="carol@elsewhere.example", headers={"X-Pitch-Id": "8"}))
    (one,) = do(post, "GET", "deliveries", recipient=BOB)["deliveries"]
    assert (one["sender"], one["recipient"], one["outcome"], one["text"].strip()) == (
        ADA,
        BOB,
        "delivered",
        "Buy this.",
    )
    assert ["X-Pitch-Id", "7"] in one["headers"]
    assert one["time"] == "2026-11-22T12:00:00.250Z"
    assert len(do(post, "GET", "deliveries", header="X-Pitch-Id")["deliveries"]) == 2
    assert do(post, "GET", "deliveries", header="X-Pitch-Id: 7")["deliveries"] == [one]
    by_header = do(post, "GET", "delivery-counts", header="X-Pitch-Id")["counts"]
    assert by_header[0] == {"recipient": BOB, "value": "7", "count": 1}
    assert {"recipient": "carol@elsewhere.example", "count": 1} in do(post, "GET", "delivery-counts")["counts"]


@pytest.mark.parametrize(
    ("operation", "document", "subject"),
    [
        ("reply", {}, "Re: A pitch"),
        ("reply", {"text": "No.", "from_address": "pa@x.example", "subject": "No"}, "No"),
        ("bounce", {"kind": "delayed"}, "Delivery Status Notification (Delay)"),
        ("bounce", {}, "Delivery Status Notification (Failure)"),
        ("auto-reply", {"text": "Ticket 7"}, "Re: A pitch"),
        ("out-of-office", {"vendor": "exchange"}, "Automatic reply: A pitch"),
    ],
)
def test_the_world_answers_a_delivery(post: Post, operation: str, document: dict[str, str], subject: str) -> None:
    delivery = post.pitch()
    made = do(post, "POST", f"deliveries/{delivery.id}/{operation}", document)
    assert set(made["labelIds"]) == {"UNREAD", "CATEGORY_PERSONAL", "INBOX"}
    assert post.headers(made["id"])["Subject"] == subject


def test_addresses_are_made_to_bounce(post: Post) -> None:
    bouncing = do(post, "POST", "bouncing", {"address": BOB, "kind": "full", "times": 1})
    assert bouncing == {"bouncing": {BOB: {"kind": "full", "times": 1}}}
    assert post.pitch().outcome == "bounced"
    assert do(post, "GET", "bouncing")["bouncing"][BOB]["times"] == 0
    assert do(post, "POST", "bouncing", {"address": BOB, "kind": None}) == {"bouncing": {}}


def test_mail_arrives_raw_or_made_from_its_headers(post: Post) -> None:
    raw = do(post, "POST", f"mailboxes/{ADA}/messages", {"raw": as_raw(b"Subject: raw\r\n\r\nHi"), "labels": ["SPAM"]})
    made = do(post, "POST", f"mailboxes/{ADA}/messages", {"headers": {"From": BOB, "Subject": "made"}, "text": "Hi"})
    news = do(post, "POST", f"mailboxes/{ADA}/newsletter", {"from": "n@shop.example", "subject": "Sale"})
    assert (raw["labelIds"], post.headers(made["id"])["To"]) == (["SPAM"], ADA)
    assert post.headers(news["id"])["List-Id"] == "News <news.shop.example>"
    shown = do(post, "GET", f"mailboxes/{ADA}/messages")["messages"]
    assert [each["id"] for each in shown] == [news["id"], made["id"], raw["id"]]
    assert shown[1]["text"].strip() == "Hi"


def test_the_owner_labels_trashes_deletes_and_sends(post: Post) -> None:
    message = post.world.letter(ADA, {"From": BOB}, "Hi").id
    path = f"mailboxes/{ADA}/messages/{message}"
    assert "STARRED" in do(post, "POST", path + "/labels", {"add": ["STARRED"], "remove": ["UNREAD"]})["labelIds"]
    assert "TRASH" in do(post, "POST", path + "/trash")["labelIds"]
    assert do(post, "DELETE", path) == {}
    assert post.call("GET", f"messages/{message}").status_code == 404
    sent = do(post, "POST", f"mailboxes/{ADA}/sent", {"raw": as_raw(mail())})
    assert (sent["labelIds"], len(post.world.deliveries(BOB))) == (["SENT"], 1)


def test_history_ids_are_made_to_expire(post: Post) -> None:
    start = post.history_id
    do(post, "POST", f"mailboxes/{ADA}/expire-history")
    assert post.call("GET", "history", params={"startHistoryId": start}).status_code == 404


def test_refusals_are_asked_for_by_name(post: Post) -> None:
    rule = do(post, "POST", "faults", {"reason": "backendError", "is_applied": True, "method": "POST", "times": 1})
    assert (rule["action"], rule["status"]) == ("status_after", 503)
    assert post.call("POST", "messages/send", json={"raw": as_raw(mail())}).status_code == 503
    assert len(post.world.deliveries()) == 1


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("POST", "mailboxes", {"address": "nobody"}),
        ("POST", "mailboxes", {"address": ADA}),
        ("POST", "mailboxes", {}),
        ("POST", "mailboxes/nobody@x.example/expire-history", None),
        ("GET", "mailboxes/nobody@x.example/messages", None),
        ("DELETE", f"mailboxes/{ADA}/messages/beef", None),
        ("POST", f"mailboxes/{ADA}/messages", {}),
        ("POST", f"mailboxes/{ADA}/messages", {"raw": "%"}),
        ("POST", "deliveries/delivery99/reply", {}),
        ("POST", "bouncing", {"address": BOB, "kind": "loud"}),
        ("POST", "faults", {"reason": "loud"}),
        ("POST", "faults", {"reason": "backendError", "nonsense": 1}),
    ],
)
def test_a_mistake_is_answered_with_what_is_wrong(post: Post, method: str, path: str, document: Any) -> None:
    response = post.http.request(method, BASE + path, json=document)
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"type", "message"}


def test_a_reset_forgets_mailboxes_deliveries_and_options(post: Post) -> None:
    post.pitch()
    post.gmail.set_options(message_id="preserve")
    post.http.post("/sandbox/reset")
    assert do(post, "GET", "mailboxes") == {"mailboxes": []}
    assert do(post, "GET", "deliveries") == {"deliveries": []}
    assert do(post, "GET", "options")["message_id"] == "overwrite"
    assert post.call("GET", "profile").status_code == 401


def test_the_front_page_names_gmail(post: Post) -> None:
    page = post.http.get("/").text
    assert "https://gmail.googleapis.com" in page
    assert "/sandbox/gmail/mailboxes" in page
    assert "gmail" in post.http.get("/sandbox/health").json()["providers"]
