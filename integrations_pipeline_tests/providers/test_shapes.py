"""What is an answer and what is none, and what it costs to tell."""

from typing import Any

import pytest

from integrations_pipeline.providers.airtable import shapes as airtable
from integrations_pipeline.providers.gmail import shapes as gmail
from integrations_pipeline.providers.mailchimp import shapes as mailchimp
from integrations_pipeline.providers.shapes import ANYTHING, NOTHING, Id, MaybeId, Name, Shape, Text, Time
from integrations_pipeline_tests.costs.counting import python_calls

MEMBER = {
    "id": "0" * 32,
    "contact_id": "c1",
    "email_address": "ann@example.org",
    "status": "subscribed",
    "merge_fields": {"FNAME": "Ann", "AGE": 5, "SIZE": 1.5, "ADDRESS": {"city": "Bern"}, "NOTE": None},
    "tags": [{"id": 1, "name": "friend"}],
    "tags_count": 1,
    "last_changed": "2026-11-30T07:00:00+00:00",
    "timestamp_opt": "",
    "ip_opt": "",
    "unknown": {"to": "us"},
}
RECORD = {"id": "rec00000000000001", "createdTime": 5, "fields": {"Name": "Ann", "Tags": ["a"], "Sum": {"error": "#"}}}

REFERENCE = {"id": "18c0ffee00000001", "threadId": "18c0ffee00000001"}
MESSAGE = {
    **REFERENCE,
    "labelIds": ["INBOX", "Label_12"],
    "historyId": "4711",
    "internalDate": "1795939200000",
    "snippet": "half an emoji \ud83d",
    "payload": {"mimeType": "text/plain", "headers": [{"name": "From", "value": "ann@example.org"}, {"name": "X"}]},
}
PROFILE = {"emailAddress": "me@example.org", "historyId": "18446744073709551615", "messagesTotal": 5}
ALIAS = {"sendAsEmail": "me@example.org", "isPrimary": True}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        pytest.param(
            Id, ["recABC123", "a-b_c", "5", "a" * 255], ["", "..", "/a", "a b", "ü", "a\x00", "a" * 256, 5], id="id"
        ),
        pytest.param(MaybeId, ["", "c1"], ["..", " ", None, 0], id="perhaps an id"),
        pytest.param(Name, ["", "Straße / 5", "日本"], ["a\x00", "\ud83d", None, 5, "x" * 1_001], id="name"),
        pytest.param(Text, ["", "\ud83d", "\x00"], [None, 5, True, ["a"]], id="text"),
        pytest.param(
            Time,
            ["", "2026-11-30T07:00:00+00:00", "1999-01-31", "2026-11-30T07:00:00.000Z"],
            ["0001-01-01T00:00:00+14:00", "9999-12-31", "20261130", "soon", 1763800000, None, "2026-11-30" + "0" * 99],
            id="time",
        ),
        pytest.param(
            gmail.InternalDate, ["0", "1795939200000", "-1"], ["", "1.5", "9" * 14, 1795939200000, None, "٣"], id="ms"
        ),
        pytest.param(
            gmail.Base64, ["aGk", "aGk=", "aGkx", "a_-A", "YQ", "YQ=="], ["", "a", "a+/A", "aGk==", "aG k"], id="64"
        ),
    ],
)
def test_the_words_that_shapes_share(kind: Any, good: list[Any], bad: list[Any]) -> None:
    shape = Shape(title="a word", kind=kind)
    assert [value for value in good if not shape.fits(value)] == []
    assert [value for value in bad if shape.fits(value)] == []


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        (mailchimp.MEMBERS, {"members": [MEMBER], "total_items": 1}),
        (mailchimp.MEMBER, {**MEMBER, "merge_fields": {}, "tags": [], "contact_id": None}),
        (mailchimp.MERGE_FIELDS, {"merge_fields": [{"tag": "A", "merge_id": 1, "options": {"size": 25}}]}),
        (mailchimp.BATCH, {"new_members": [MEMBER], "updated_members": [], "errors": [{"email_address": "x"}]}),
        (airtable.RECORDS, {"records": [RECORD], "offset": "itr1/rec1"}),
        (airtable.RECORDS, {"records": []}),
        (airtable.PAYLOADS, {"payloads": [], "cursor": 1, "mightHaveMore": False, "payloadFormat": "v0"}),
        (gmail.PROFILE, PROFILE),
        (gmail.ALIASES, {"sendAs": [ALIAS, {**ALIAS, "isPrimary": False, "verificationStatus": "pending"}]}),
        (gmail.NEW_DRAFT, {"id": "r-5", "message": {**REFERENCE, "labelIds": ["DRAFT"]}}),
        (gmail.DRAFT, {"id": "r-5", "message": MESSAGE}),
        (gmail.DRAFTS, {"drafts": [{"id": "r-5", "message": REFERENCE}], "resultSizeEstimate": 1}),
        (gmail.DRAFTS, {"resultSizeEstimate": 0}),
        (gmail.DELETED, {}),
        (gmail.SENT, {**REFERENCE, "labelIds": ["SENT"]}),
        (gmail.MESSAGES, {"messages": [REFERENCE], "nextPageToken": "09876"}),
        (gmail.MESSAGES, {"resultSizeEstimate": 0}),
        (gmail.MESSAGE, MESSAGE),
        (gmail.MESSAGE, {**MESSAGE, "payload": {"mimeType": "text/plain"}}),
        (gmail.MESSAGE, {name: value for name, value in MESSAGE.items() if name not in ("labelIds", "snippet")}),
        (gmail.RAW_MESSAGE, {"id": "18c0ffee00000001", "raw": "aGkx"}),
        (gmail.THREAD, {"id": "18c0ffee00000001", "messages": [MESSAGE]}),
        (gmail.THREAD, {"id": "18c0ffee00000001"}),
        (gmail.HISTORY, {"historyId": "5"}),
        (gmail.HISTORY, {"nextPageToken": "5"}),
        (
            gmail.HISTORY,
            {"history": [{"id": "5", "messagesAdded": [{"message": REFERENCE}]}, {"messagesDeleted": []}]},
        ),
        (ANYTHING, [None, {"a": 5}]),
    ],
)
def test_what_is_documented_is_taken_with_whatever_else_there_is(shape: Shape, body: Any) -> None:
    assert shape.fits(body, 200)


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        (mailchimp.MEMBERS, {"members": [MEMBER]}),
        (mailchimp.MEMBERS, {"members": [MEMBER], "total_items": "1"}),
        (mailchimp.MEMBERS, {"members": [MEMBER], "total_items": True}),
        (mailchimp.MEMBERS, {"members": {"0": MEMBER}, "total_items": 1}),
        (mailchimp.MEMBER, {**MEMBER, "id": 5}),
        (mailchimp.MEMBER, {**MEMBER, "merge_fields": ["Ann"]}),
        (mailchimp.MEMBER, {**MEMBER, "merge_fields": {"FNAME": ["Ann"]}}),
        (mailchimp.MEMBER, {**MEMBER, "last_changed": 1763800000}),
        (mailchimp.MEMBER, {**MEMBER, "tags": ["friend"]}),
        (mailchimp.MERGE_FIELDS, {"merge_fields": ["FNAME"]}),
        (mailchimp.MERGE_FIELDS, {"merge_fields": {"FNAME": {}}}),
        (mailchimp.BATCH, {}),
        (mailchimp.METADATA, {"dc": "us1.evil.test/"}),
        (airtable.RECORDS, {"records": [{**RECORD, "id": None}]}),
        (airtable.RECORDS, {"records": [{**RECORD, "fields": []}]}),
        (airtable.RECORDS, {"records": [RECORD], "offset": 5}),
        (airtable.PAYLOADS, {"payloads": [], "cursor": "1"}),
        (airtable.PAYLOADS, {"payloads": [{"changedTablesById": []}], "cursor": 1}),
        (airtable.SCHEMA, {"tables": [{"id": "tbl1", "name": "A", "fields": None}]}),
        (gmail.PROFILE, {**PROFILE, "historyId": 4711}),
        (gmail.PROFILE, {"historyId": "5"}),
        (gmail.ALIASES, {}),
        (gmail.ALIASES, {"sendAs": []}),
        (gmail.ALIASES, {"sendAs": [{**ALIAS, "isPrimary": "true"}]}),
        (gmail.NEW_DRAFT, {"id": "r-5"}),
        (gmail.NEW_DRAFT, {"id": "../5", "message": REFERENCE}),
        (gmail.DRAFTS, {}),
        (gmail.DELETED, {"id": "r-5"}),
        (gmail.DELETED, None),
        (gmail.SENT, {}),
        (gmail.SENT, {"id": "18c0ffee00000001"}),
        (gmail.SENT, None),
        (gmail.MESSAGES, {"kind": "?"}),
        (gmail.MESSAGES, {"messages": None, "resultSizeEstimate": 0}),
        (gmail.MESSAGES, {"messages": [{"id": 5, "threadId": "a"}]}),
        (gmail.MESSAGES, {"nextPageToken": 5}),
        (gmail.MESSAGE, {**MESSAGE, "internalDate": 1795939200000}),
        (gmail.MESSAGE, {**MESSAGE, "labelIds": "INBOX"}),
        (gmail.MESSAGE, {**MESSAGE, "payload": {"headers": {"From": "ann@example.org"}}}),
        (gmail.MESSAGE, {**MESSAGE, "payload": {"headers": [{"name": "From", "value": ["ann@example.org"]}]}}),
        (gmail.MESSAGE, {**MESSAGE, "internalDate": "yesterday"}),
        (gmail.MESSAGE, {**MESSAGE, "internalDate": "1" * 20}),
        (gmail.PROFILE, {**PROFILE, "emailAddress": "no address"}),
        (gmail.MESSAGE, REFERENCE),
        (gmail.RAW_MESSAGE, {"id": "18c0ffee00000001"}),
        (gmail.THREAD, {}),
        (gmail.HISTORY, {}),
        (gmail.HISTORY, {"history": [{"messagesAdded": [{"message": {}}]}], "historyId": "5"}),
    ],
)
def test_what_is_of_another_kind_is_no_answer(shape: Shape, body: Any) -> None:
    assert not shape.fits(body, 200)


def test_nothing_is_told_by_its_status() -> None:
    assert NOTHING.fits(None, 204)
    assert not NOTHING.fits(None, 200)
    assert not NOTHING.fits({}, 204)


def test_an_answer_is_not_nothing_unless_it_may_be() -> None:
    assert not Shape(title="a contact", kind=dict).fits(None, 204)
    assert Shape(title="a contact", kind=dict, or_nothing=True).fits(None, 204)


def test_a_draft_is_deleted_with_an_empty_answer_or_none() -> None:
    assert gmail.DELETED.fits(None, 204)
    assert gmail.DELETED.fits({}, 200)
    assert not gmail.DELETED.fits(None, 200)


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        (mailchimp.MEMBERS, {"members": [dict(MEMBER) for _ in range(1_000)], "total_items": 1_000}),
        (airtable.RECORDS, {"records": [dict(RECORD) for _ in range(100)]}),
        (gmail.MESSAGES, {"messages": [dict(REFERENCE) for _ in range(500)]}),
    ],
    ids=["members", "records", "messages"],
)
def test_a_page_is_compared_in_one_call_whatever_it_holds(shape: Shape, body: Any) -> None:
    assert shape.fits(body)  # which makes what compares
    assert python_calls(lambda: shape.fits(body)) < 12
