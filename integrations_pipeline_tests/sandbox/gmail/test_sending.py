"""What Gmail accepts to send, what it changes in it, and what it leaves alone."""

import pytest

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail, problem
from integrations_sandbox import SendAs
from integrations_sandbox.gmail import parts
from integrations_sandbox.gmail.methods import MOST_SENT

OWN_ID = "<7.pitch@crm.example>"


def test_the_answer_to_a_send_has_ids_and_the_label_and_no_headers(post: Post) -> None:
    sent = post.send(mail())
    assert sorted(sent) == ["id", "labelIds", "threadId"]
    assert (sent["labelIds"], sent["threadId"]) == (["SENT"], sent["id"])


def test_every_recipient_gets_one_delivery_whatever_field_names_it_and_how_often(post: Post) -> None:
    headers = {"Cc": "Carol <carol@elsewhere.example>, BOB@elsewhere.example", "Bcc": "dan@elsewhere.example"}
    post.send(mail(to=f"Bob <{BOB}>", headers=headers))
    who = [delivery.recipient for delivery in post.world.deliveries()]
    assert who == [BOB, "carol@elsewhere.example", "dan@elsewhere.example"]


def test_sending_the_same_mail_again_sends_it_again(post: Post) -> None:
    raw = mail(headers={"X-Pitch-Id": "7", "Message-ID": OWN_ID})
    assert post.send(raw)["id"] != post.send(raw)["id"]
    assert post.world.count_by_header("X-Pitch-Id") == {(BOB, "7"): 2}


@pytest.mark.parametrize("name", ["Message-ID", "Message-Id", "message-id"])
def test_gmail_puts_an_id_of_its_own_over_the_clients_and_forgets_it(post: Post, name: str) -> None:
    headers = post.headers(post.send(mail(headers={name: OWN_ID}))["id"])
    assert headers[name].startswith("<CA")
    assert headers[name].endswith("@mail.gmail.com>")
    assert "X-Google-Original-Message-ID" not in headers
    (delivery,) = post.world.deliveries()
    assert delivery.header("Message-ID") == headers[name]


def test_each_mail_gets_another_id(post: Post) -> None:
    ids = {post.headers(post.send(mail())["id"])["Message-ID"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("given", "kept", "original"),
    [
        (OWN_ID, OWN_ID, None),
        ("not-an-id", None, "not-an-id"),
        ("<no-host>", None, "<no-host>"),
        (None, None, None),
    ],
    ids=["well-formed", "without brackets", "without a host", "missing"],
)
def test_where_ids_are_preserved_only_malformed_ones_are_replaced(
    post: Post, given: str | None, kept: str | None, original: str | None
) -> None:
    post.gmail.set_options(message_id="preserve")
    raw = b"" if given is None else f"Message-ID: {given}\r\n".encode()
    headers = post.headers(post.send(raw + mail())["id"])
    assert headers["Message-ID"] == kept if kept else headers["Message-ID"].startswith("<CA")
    assert headers.get("X-Google-Original-Message-ID") == original


def test_fields_of_ones_own_arrive_as_they_were_in_their_order_and_spelling(post: Post) -> None:
    raw = b"x-Own: one\r\nX-PITCH-ID:  7 \r\nx-own: two\r\nList-Unsubscribe: <https://crm.example/u>\r\n" + mail()
    sent = post.send(raw)["id"]
    shown = [(each["name"], each["value"]) for each in post.get(f"messages/{sent}")["payload"]["headers"]]
    own = [pair for pair in shown if pair[0].lower() in ("x-own", "x-pitch-id", "list-unsubscribe")]
    unsubscribe = ("List-Unsubscribe", "<https://crm.example/u>")
    assert own == [("x-Own", "one"), ("X-PITCH-ID", "7"), ("x-own", "two"), unsubscribe]
    assert post.world.deliveries()[0].mail.texts("X-Own") == ["one", "two"]


def test_bcc_stays_with_the_sender_and_no_recipient_sees_it(post: Post) -> None:
    sent = post.send(mail(headers={"Bcc": "carol@elsewhere.example"}))["id"]
    assert post.headers(sent)["Bcc"] == "carol@elsewhere.example"
    deliveries = post.world.deliveries()
    assert [delivery.recipient for delivery in deliveries] == [BOB, "carol@elsewhere.example"]
    assert [delivery.header("Bcc") for delivery in deliveries] == ["", ""]


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        (None, f"Ada Lovelace <{ADA}>"),
        (f'"A. L." <{ADA}>', f'"A. L." <{ADA}>'),
        ("ADA@example.org", "ADA@example.org"),
        ("Sales <sales@example.org>", "Sales <sales@example.org>"),
        ("new@example.org", f"Ada Lovelace <{ADA}>"),
        ("ceo@bank.example", f"Ada Lovelace <{ADA}>"),
    ],
    ids=["missing", "own", "own in other case", "verified alias", "pending alias", "somebody else"],
)
def test_from_is_the_account_or_a_verified_alias_or_is_rewritten_in_silence(
    post: Post, given: str | None, becomes: str
) -> None:
    senders = post.gmail.mailbox(ADA).senders
    senders["sales@example.org"] = SendAs(address="sales@example.org")
    senders["new@example.org"] = SendAs(address="new@example.org", status="pending")
    post.send(mail(headers={"From": given} if given else {}))
    assert post.world.deliveries()[0].header("From") == becomes


def test_a_missing_date_is_added_and_a_given_one_is_kept(post: Post) -> None:
    first = post.headers(post.send(mail())["id"])
    assert first["Date"] == "Sun, 22 Nov 2026 12:00:00 +0000"
    given = "Sat, 21 Nov 2026 08:00:00 +0100"
    second = post.send(mail(headers={"Date": given}))["id"]
    assert post.headers(second)["Date"] == given
    # When Google took it, whatever the sender says.
    assert post.get(f"messages/{second}")["internalDate"] == "1795348800250"


def test_html_alone_gets_a_text_part_beside_it(post: Post) -> None:
    raw = mail(html="<p>Good <b>morning</b> &amp; evening</p><p>Ada</p>", headers={"X-Pitch-Id": "7"})
    payload = post.get(f"messages/{post.send(raw)['id']}")["payload"]
    assert payload["mimeType"] == "multipart/alternative"
    text, html = payload["parts"]
    assert (text["mimeType"], html["mimeType"]) == ("text/plain", "text/html")
    assert parts.decoded(text["body"]["data"]).decode() == "Good morning & evening\r\nAda"
    assert b"<b>morning</b>" in parts.decoded(html["body"]["data"])
    names = [each["name"] for each in payload["headers"]]
    assert (names.count("Content-Type"), names.count("MIME-Version"), "X-Pitch-Id" in names) == (1, 1, True)


def test_html_alone_stays_alone_on_request(post: Post) -> None:
    post.gmail.set_options(adds_text_part=False)
    payload = post.get(f"messages/{post.send(mail(html='<p>Hi</p>'))['id']}")["payload"]
    assert payload["mimeType"] == "text/html"


def test_signatures_of_the_settings_are_not_added(post: Post) -> None:
    post.gmail.mailbox(ADA).senders[ADA].signature = "<b>Ada, Analytical Engines</b>"
    post.send(mail())
    assert post.world.deliveries()[0].text.strip() == "Good morning."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("To", "not an address"),
        ("To", "human@f"),
        ("To", 'First Last:")" <someone@domain.example>;'),
        ("To", f"{BOB}; carol@elsewhere.example"),
        ("To", f"<{BOB}"),
        ("To", "jörg@elsewhere.example"),
        ("Cc", "a b@elsewhere.example"),
        ("Bcc", "@elsewhere.example"),
    ],
)
@pytest.mark.parametrize("path", ["messages/send", "drafts"])
def test_a_recipient_field_that_cannot_be_read_is_refused(post: Post, path: str, field: str, value: str) -> None:
    raw = as_raw(f"{field}: {value}\r\nSubject: x\r\n\r\nBody".encode())
    refused = post.call("POST", path, json={"raw": raw} if path == "messages/send" else {"message": {"raw": raw}})
    assert problem(refused) == (400, "invalidArgument", f"Invalid {field} header")
    assert refused.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert post.world.deliveries() == []


@pytest.mark.parametrize("to", [None, "", "undisclosed-recipients:;"])
def test_a_mail_to_nobody_is_refused(post: Post, to: str | None) -> None:
    refused = post.call("POST", "messages/send", json={"raw": as_raw(mail(to=to))})
    assert problem(refused) == (400, "invalidArgument", "Recipient address required")


def test_headers_beside_raw_are_ignored(post: Post) -> None:
    payload = {"headers": [{"name": "To", "value": BOB}, {"name": "X-Pitch-Id", "value": "7"}]}
    refused = post.call("POST", "messages/send", json={"raw": as_raw(mail(to=None)), "payload": payload})
    assert problem(refused)[2] == "Recipient address required"
    post.send(mail(), payload=payload)
    assert post.world.deliveries(header="X-Pitch-Id") == []


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "invalidArgument"),
        ({"raw": ""}, "invalidArgument"),
        ({"raw": 7}, "invalidArgument"),
        ({"raw": "%%%"}, "invalid"),
        ({"raw": as_raw(mail()), "threadId": 7}, "invalidArgument"),
    ],
)
def test_a_raw_that_is_no_message_is_refused(post: Post, document: dict[str, object], reason: str) -> None:
    assert problem(post.call("POST", "messages/send", json=document))[:2] == (400, reason)


def test_raw_may_come_in_either_alphabet_with_or_without_padding(post: Post) -> None:
    raw = mail(text="ÿþ" * 9)
    url_safe = as_raw(raw)
    for text in (url_safe, url_safe.rstrip("="), url_safe.replace("-", "+").replace("_", "/")):
        post.post("messages/send", {"raw": text})
    assert len({delivery.text for delivery in post.world.deliveries()}) == 1


def test_bare_line_feeds_become_line_ends(post: Post) -> None:
    sent = post.send(mail().replace(b"\r\n", b"\n"))["id"]
    assert b"\n" not in parts.decoded(post.get(f"messages/{sent}", format="raw")["raw"]).replace(b"\r\n", b"")


def test_more_than_500_recipients_are_refused(post: Post) -> None:
    def mail_to(count: int) -> bytes:
        return mail(to=", ".join(f"p{number}@elsewhere.example" for number in range(count)))

    post.send(mail_to(500))
    assert problem(post.call("POST", "messages/send", json={"raw": as_raw(mail_to(501))}))[1] == "invalidArgument"
    assert len(post.world.deliveries()) == 500


def test_a_mail_above_the_size_limit_is_refused(post: Post) -> None:
    most = b"a" * (MOST_SENT - len(mail()))
    path = "/upload/gmail/v1/users/me/messages/send?uploadType=media"
    headers = {"Content-Type": "message/rfc822"}
    assert post.http.post(path, content=mail() + most, headers=headers, timeout=patient(30)).status_code == 200
    refused = post.http.post(path, content=mail() + most + b"a", headers=headers, timeout=patient(30))
    assert problem(refused)[:2] == (413, "uploadTooLarge")
    encoded = post.call("POST", "messages/send", json={"raw": as_raw(mail() + most)}, timeout=patient(30))
    assert encoded.status_code == 413


def test_mail_to_oneself_is_one_message_sent_and_received(post: Post) -> None:
    sent = post.send(mail(to=f"{ADA}, {BOB}"))
    assert sorted(sent["labelIds"]) == ["INBOX", "SENT", "UNREAD"]
    assert post.listed() == [sent["id"]]
    assert post.world.count_by_recipient() == {ADA: 1, BOB: 1}


def test_mail_to_another_mailbox_arrives_there_under_ids_of_its_own(post: Post) -> None:
    post.gmail.create_mailbox(BOB, aliases=["sales@elsewhere.example"])
    sent = post.send(mail(to="sales@elsewhere.example", headers={"Bcc": BOB, "X-Pitch-Id": "7"}))
    by_alias, by_name = post.gmail.messages(BOB)
    assert {each.content.mail.text("Message-ID") for each in (by_alias, by_name)} == {
        post.headers(sent["id"])["Message-ID"]
    }
    assert sorted(by_name.labels) == ["CATEGORY_PERSONAL", "INBOX", "UNREAD"]
    assert sent["id"] not in (by_alias.id, by_name.id)
    assert (by_name.content.mail.text("Bcc"), by_name.content.mail.text("X-Pitch-Id")) == ("", "7")
    assert by_name.content.mail.text("Delivered-To") == BOB
    assert by_name.content.mail.text("Return-Path") == f"<{ADA}>"
