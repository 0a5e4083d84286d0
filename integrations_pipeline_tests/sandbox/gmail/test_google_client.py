"""Google's own client, built from the description that comes with it, works against the sandbox."""

from typing import Any

import pytest
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, google_service, mail


@pytest.mark.parametrize("root", ["", "/gmail"])
def test_it_works_at_the_servers_root_and_below_it(post: Post, root: str) -> None:
    with google_service(post.server.url + root, post.token) as service:
        assert service.users().getProfile(userId="me").execute()["emailAddress"] == ADA
        sent = service.users().messages().send(userId=ADA, body={"raw": as_raw(mail())}).execute()
        media = MediaInMemoryUpload(mail(), "message/rfc822")
        service.users().messages().send(userId="me", media_body=media).execute()
        batch = service.new_batch_http_request()
        batch.add(service.users().messages().get(userId="me", id=sent["id"]))
        batch.execute()
    assert len(post.world.deliveries(BOB)) == 2


def test_a_draft_is_made_changed_sent_and_gone(google: Any, post: Post) -> None:
    drafts = google.users().drafts()
    draft = drafts.create(userId="me", body={"message": {"raw": as_raw(mail(to=None))}}).execute()
    changed = {"message": {"raw": as_raw(mail(subject="Better"))}}
    assert drafts.update(userId="me", id=draft["id"], body=changed).execute()["id"] == draft["id"]
    assert [each["id"] for each in drafts.list(userId="me").execute()["drafts"]] == [draft["id"]]
    sent = drafts.send(userId="me", body={"id": draft["id"]}).execute()
    assert sent["labelIds"] == ["SENT"]
    with pytest.raises(HttpError) as refusal:
        drafts.get(userId="me", id=draft["id"]).execute()
    assert refusal.value.status_code == 404
    assert [each.header("Subject") for each in post.world.deliveries()] == ["Better"]


@pytest.mark.parametrize(
    "media",
    [{}, {"resumable": True}, {"resumable": True, "chunksize": 256 * 1024}],
    ids=["multipart", "resumable", "resumable in pieces"],
)
def test_media_uploads_carry_the_message(google: Any, post: Post, media: dict[str, Any]) -> None:
    raw = mail(text="long " * 150_000, headers={"X-Pitch-Id": "7"})
    upload = MediaInMemoryUpload(raw, "message/rfc822", **media)
    sent = google.users().messages().send(userId="me", body={}, media_body=upload).execute()
    (delivery,) = post.world.deliveries(header=("X-Pitch-Id", "7"))
    assert (delivery.message_id, delivery.text.count("long")) == (sent["id"], 150_000)


def test_an_uploaded_message_may_belong_to_a_draft_or_be_stored(google: Any, post: Post) -> None:
    upload = MediaInMemoryUpload(mail(subject="Uploaded"), "message/rfc822")
    draft = google.users().drafts().create(userId="me", body={}, media_body=upload).execute()
    assert post.headers(draft["message"]["id"])["Subject"] == "Uploaded"
    body = {"labelIds": ["INBOX"]}
    stored = google.users().messages().insert(userId="me", body=body, media_body=upload).execute()
    assert stored["labelIds"] == ["INBOX"]
    assert post.world.deliveries() == []


def test_a_batch_answers_each_call_by_itself(google: Any, post: Post) -> None:
    ids = [post.send(mail(subject=f"No. {number}"))["id"] for number in range(3)]
    answers: dict[str, Any] = {}
    refusals: dict[str, int] = {}

    def note(call_id: str, answer: Any, refusal: Any) -> None:
        if refusal is None:
            answers[call_id] = answer["payload"]["headers"][0]["value"]
        else:
            refusals[call_id] = refusal.status_code

    batch = google.new_batch_http_request(callback=note)
    for number, message_id in enumerate([*ids, "beef"]):
        get = google.users().messages().get(userId="me", id=message_id, format="metadata", metadataHeaders=["Subject"])
        batch.add(get, request_id=str(number))
    batch.execute()
    assert answers == {"0": "No. 0", "1": "No. 1", "2": "No. 2"}
    assert refusals == {"3": 404}


def test_a_query_too_long_for_an_address_is_sent_as_a_body(google: Any, post: Post) -> None:
    sent = post.send(mail(subject="needle"))
    query = "{subject:needle " + " ".join(f"subject:absent{number}" for number in range(300)) + "}"
    found = google.users().messages().list(userId="me", q=query).execute()
    assert [each["id"] for each in found["messages"]] == [sent["id"]]
    assert post.server.airtable.requests()[-1].method == "POST"


def test_pages_are_walked_to_the_end(google: Any, post: Post) -> None:
    sent = [post.send(mail(subject=f"No. {number}"))["id"] for number in range(5)]
    messages = google.users().messages()
    request, found = messages.list(userId="me", maxResults=2), []
    while request is not None:
        answer = request.execute()
        found += [each["id"] for each in answer["messages"]]
        request = messages.list_next(request, answer)
    assert found == sent[::-1]


def test_a_refusal_shows_its_reason(google: Any) -> None:
    with pytest.raises(HttpError) as refusal:
        google.users().messages().send(userId="me", body={"raw": as_raw(mail(to=None))}).execute()
    assert refusal.value.status_code == 400
    assert refusal.value.reason == "Recipient address required"
    expected = {"message": "Recipient address required", "domain": "global", "reason": "invalidArgument"}
    assert refusal.value.error_details == [expected]


def test_num_retries_repeats_a_send_that_was_applied(google: Any, post: Post) -> None:
    """The trap of the client's own retries: a send whose answer was an error went out, and goes out again."""
    post.gmail.add_error("backendError", is_applied=True, path_regex="messages/send$")
    request = google.users().messages().send(userId="me", body={"raw": as_raw(mail(headers={"X-Pitch-Id": "7"}))})
    request._sleep = lambda _: None
    request.execute(num_retries=1)
    assert post.world.count_by_header("X-Pitch-Id") == {(BOB, "7"): 2}


def test_history_is_read_page_by_page(google: Any, post: Post) -> None:
    start = post.history_id
    sent = [post.send(mail(subject=f"No. {number}"))["id"] for number in range(5)]
    post.gmail.set_options(blank_history_pages=2)
    history = google.users().history()
    request, found, pages = history.list(userId="me", startHistoryId=start, maxResults=2), [], 0
    while request is not None:
        answer = request.execute()
        pages += 1
        found += [each["messagesAdded"][0]["message"]["id"] for each in answer.get("history", [])]
        request = history.list_next(request, answer)
    assert (found, pages) == (sent, 9)
