"""What `q` finds."""

import pytest

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail

CAROL = "Carol Shaw <carol@sales.example.org>"


def arrange(post: Post) -> dict[str, str]:
    """One message of each kind, an hour apart, the first at noon on 22 November 2026 UTC."""
    found = {}

    def note(name: str, message_id: str) -> None:
        found[message_id] = name
        post.advance(3600)

    note("sent", post.send(mail(subject="Offer for Bob", headers={"Cc": CAROL, "Message-ID": "<x@y.z>"}))["id"])
    fields = {"From": CAROL, "Subject": "Re: the big offer", "Message-ID": "<c1@sales.example.org>"}
    note("carol", post.world.letter(ADA, fields, "Too expensive, sorry.").id)
    note("news", post.world.newsletter(ADA).id)
    raw = b'From: x@y.z\r\nSubject: Bill\r\nContent-Type: text/plain; name="bill.txt"\r\n\r\nPay'
    note("bill", post.world.incoming(ADA, raw, ["INBOX", "STARRED"]).id)
    note("draft", post.post("drafts", {"message": {"raw": as_raw(mail(subject="Unfinished"))}})["message"]["id"])
    note("spam", post.world.incoming(ADA, mail(to=ADA, subject="Win an offer"), ["SPAM"]).id)
    return found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "sent carol news bill draft"),
        ("rfc822msgid:<c1@sales.example.org>", "carol"),
        ("rfc822msgid:c1@sales.example.org", "carol"),
        ("rfc822msgid:c1@sales", ""),
        ("rfc822msgid:<x@y.z>", ""),
        ("in:inbox", "carol news bill"),
        ("in:sent", "sent"),
        ("in:draft", "draft"),
        ("in:drafts", "draft"),
        ("in:spam", "spam"),
        ("in:anywhere", "sent carol news bill draft spam"),
        ("-in:sent", "carol news bill draft"),
        ("-in:chats", "sent carol news bill draft"),
        ("label:starred", "bill"),
        ("label:INBOX is:unread", "carol news"),
        ("is:starred", "bill"),
        ("is:read", "sent bill draft"),
        ("from:carol@sales.example.org", "carol"),
        ("from:Carol", "carol"),
        ("from:sales.example.org", "carol"),
        ("from:me", "sent"),
        ("from:car", ""),
        ('from:"Carol Shaw"', "carol"),
        ("to:bob@elsewhere.example", "sent draft"),
        ("to:carol", "sent"),
        ("cc:carol", "sent"),
        ("to:me -from:me", "carol news"),
        ("deliveredto:ada@example.org", "carol news bill"),
        ("subject:offer", "sent carol"),
        ("subject:(offer bob)", "sent"),
        ('subject:"big offer"', "carol"),
        ('subject:"offer big"', ""),
        ("list:news.shop.example.org", "news"),
        ("has:attachment", "bill"),
        ("filename:bill", "bill"),
        ("expensive", "carol"),
        ("expens", ""),
        ("EXPENSIVE sorry", "carol"),
        ('"too expensive"', "carol"),
        ("expensive OR bill", "carol bill"),
        ("in:inbox expensive OR bill", "carol bill"),
        ("{subject:bill subject:unfinished}", "bill draft"),
        ("(in:inbox is:unread) -from:carol", "news"),
        ("-{in:sent in:drafts}", "carol news bill"),
        ("-(in:inbox is:unread)", "sent bill draft"),
        ("after:2026/11/22", "sent carol news bill draft"),
        ("after:2026/11/23", ""),
        ("before:2026-11-22", ""),
        ("before:11/23/2026", "sent carol news bill draft"),
        ("after:1795352400", "carol news bill draft"),
        ("before:1795352400", "sent"),
        ("newer:1795352400 older:1795359600", "carol news"),
        ("after:someday", ""),
        ("newer_than:4h", "news bill draft"),
        ("newer_than:1d", "sent carol news bill draft"),
        ("older_than:5h", "sent"),
        ("newer_than:long", ""),
        ("unknown:expensive", ""),
        ("label:none", ""),
        ("is:important", ""),
        ("offer)", "sent carol"),
        ("OR offer", "sent carol"),
    ],
)
def test_a_query_finds(post: Post, query: str, names: str) -> None:
    found = arrange(post)
    assert sorted(found[each] for each in post.listed(q=query)) == sorted(names.split())


def test_dates_are_of_the_accounts_time_zone(post: Post) -> None:
    post.advance(-4.5 * 3600)
    before_eight = post.send(mail())["id"]
    post.advance(1800)
    at_eight = post.send(mail())["id"]
    assert post.listed(q="before:2026/11/22") == [before_eight]
    assert post.listed(q="after:2026/11/22") == [at_eight]
    post.gmail.set_options(utc_offset_hours=0)
    assert post.listed(q="after:2026/11/22") == [at_eight, before_eight]


def test_labels_of_ones_own_are_found_by_name(post: Post) -> None:
    label = post.post("labels", {"name": "Pitches/Big ones"})["id"]
    sent = post.send(mail())["id"]
    post.gmail.relabel(ADA, sent, [label])
    for query in ("label:pitches-big-ones", f"label:{label}", 'label:"pitches/big ones"'):
        assert post.listed(q=query) == [sent]


def test_search_may_lag_behind_while_lists_do_not(post: Post) -> None:
    post.gmail.set_options(search_lag_seconds=30)
    sent = post.send(mail())["id"]
    assert (post.listed(q="in:sent"), post.listed(labelIds="SENT")) == ([], [sent])
    post.advance(30)
    assert post.listed(q="in:sent") == [sent]


def test_a_found_message_is_found_by_the_id_that_gmail_gave_it(post: Post) -> None:
    sent = post.send(mail(headers={"Message-ID": "<own@crm.example>"}))["id"]
    assert post.listed(q="rfc822msgid:own@crm.example") == []
    assert post.listed(q=f"rfc822msgid:{post.headers(sent)['Message-ID']}") == [sent]
    assert post.listed(q=f"in:sent to:{BOB}") == [sent]
