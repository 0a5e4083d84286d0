"""The three forms of a media upload, and batches, byte by byte."""

import json
import re
from typing import Any

import httpx
import pytest

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail, problem
from integrations_sandbox import FaultRule
from integrations_sandbox.gmail.methods import MOST_SENT

SEND = "/upload/gmail/v1/users/me/messages/send"
RFC822 = {"Content-Type": "message/rfc822"}


@pytest.mark.parametrize("prefix", ["", "/gmail", "/resumable", "/gmail/resumable"])
def test_a_simple_upload_is_the_message_itself(post: Post, prefix: str) -> None:
    raw = mail().replace(b"7bit", b"8bit") + "Grüße".encode("latin-1")
    sent = post.http.post(f"{prefix}{SEND}?uploadType=media", content=raw, headers=RFC822)
    assert sent.raise_for_status().json()["labelIds"] == ["SENT"]
    assert post.world.deliveries()[0].mail.to_bytes().endswith(b"Gr\xfc\xdfe")


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_a_multipart_upload_has_json_and_the_message(post: Post, end: bytes) -> None:
    thread_id = post.world.letter(ADA, {"From": BOB, "Subject": "Q", "Message-ID": "<q@x.example>"}, "?").thread_id
    headers = {"In-Reply-To": "<q@x.example>", "References": "<q@x.example>"}
    raw = mail(subject="Re: Q", text="Last line.\n\n", headers=headers)
    lines = [
        b"--frontier",
        b"Content-Type: application/json; charset=UTF-8",
        b"",
        json.dumps({"threadId": thread_id}).encode(),
        b"--frontier",
        b"Content-Type: message/rfc822",
        b"",
        raw,
        b"--frontier--",
        b"",
    ]
    content_type = {"Content-Type": 'multipart/related; boundary="frontier"'}
    sent = post.http.post(f"{SEND}?uploadType=multipart", content=end.join(lines), headers=content_type)
    assert sent.raise_for_status().json()["threadId"] == thread_id
    assert post.world.deliveries()[0].mail.body == raw.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("content_type", "content", "reason"),
    [
        ("text/plain", mail(), "badContent"),
        ("", mail(), "badContent"),
        (
            "multipart/related; boundary=x",
            b"--x\r\nContent-Type: application/json\r\n\r\n{}\r\n--x--",
            "invalidArgument",
        ),
        (
            "multipart/related; boundary=x",
            b"--x\n\n{}\n--x\nContent-Type: text/plain\n\nSubject: x\n--x--",
            "badContent",
        ),
        ("multipart/related; boundary=x", b"--x\n\n{}\n--x\nContent-Type: message/rfc822\n--x--", "invalidArgument"),
        ("multipart/related; boundary=x", b"--x\n\n{\n--x\nContent-Type: message/rfc822\n\n.\n--x--", "parseError"),
    ],
)
def test_an_upload_that_is_no_message_is_refused(post: Post, content_type: str, content: bytes, reason: str) -> None:
    refused = post.http.post(SEND, content=content, headers={"Content-Type": content_type})
    assert problem(refused)[:2] == (400, reason)
    assert post.world.deliveries() == []


def begin(post: Post, path: str = SEND, **headers: str) -> httpx.Response:
    return post.http.post(f"{path}?uploadType=resumable", json={}, headers=headers)


def test_a_resumable_upload_comes_in_pieces_and_is_sent_once(post: Post) -> None:
    raw = mail()
    started = begin(post, **{"X-Upload-Content-Type": "message/rfc822", "X-Upload-Content-Length": str(len(raw))})
    where = started.raise_for_status().headers["Location"]
    assert where.startswith(post.server.url + SEND)

    def put(start: int, stop: int, data: bytes) -> httpx.Response:
        span = {"Content-Range": f"bytes {start}-{stop - 1}/{len(raw)}"}
        return post.http.put(where, content=data, headers=span | {"Authorization": ""})

    nothing = post.http.put(where, headers={"Content-Range": f"bytes */{len(raw)}"})
    assert (nothing.status_code, "Range" in nothing.headers) == (308, False)
    assert put(0, 20, raw[:20]).headers["Range"] == "bytes=0-19"
    assert put(40, len(raw), raw[40:]).headers["Range"] == "bytes=0-19"
    assert post.http.put(where, headers={"Content-Range": f"bytes */{len(raw)}"}).headers["Range"] == "bytes=0-19"
    assert post.world.deliveries() == []
    done = put(20, len(raw), raw[20:])
    assert (done.status_code, done.json()["labelIds"]) == (200, ["SENT"])
    assert put(20, len(raw), raw[20:]).json() == done.json()
    assert len(post.world.deliveries()) == 1


def test_a_lost_answer_to_the_last_piece_can_be_asked_for(post: Post) -> None:
    raw = mail()
    where = begin(post).headers["Location"]
    post.server.airtable.add_fault(FaultRule(action="drop_after", method="PUT"))
    with pytest.raises(httpx.RemoteProtocolError):
        post.http.put(where, content=raw)
    again = post.http.put(where, headers={"Content-Range": f"bytes */{len(raw)}"})
    assert again.json()["labelIds"] == ["SENT"]
    assert len(post.world.deliveries()) == 1


def test_a_resumable_upload_may_be_of_unknown_length(post: Post) -> None:
    raw = mail()
    where = begin(post).headers["Location"]
    first = post.http.put(where, content=raw[:9], headers={"Content-Range": "bytes 0-8/*"})
    assert first.status_code == 308
    last = {"Content-Range": f"bytes 9-{len(raw) - 1}/{len(raw)}"}
    assert post.http.put(where, content=raw[9:], headers=last).status_code == 200


def test_a_resumable_upload_can_change_a_draft(post: Post) -> None:
    draft = post.post("drafts", {"message": {"raw": as_raw(mail(subject="First"))}})
    path = f"/upload/gmail/v1/users/me/drafts/{draft['id']}?uploadType=resumable"
    where = post.http.put(path, json={}).raise_for_status().headers["Location"]
    changed = post.http.put(where, content=mail(subject="Second")).raise_for_status().json()
    assert post.headers(changed["message"]["id"])["Subject"] == "Second"


def test_what_makes_no_sense_in_a_resumable_upload_is_refused(post: Post) -> None:
    assert problem(begin(post, **{"X-Upload-Content-Type": "text/plain"}))[1] == "badContent"
    assert begin(post, **{"X-Upload-Content-Length": "36700161"}).status_code == 413
    assert begin(post, Authorization="").status_code == 401
    where = begin(post).headers["Location"]
    assert post.http.put(where, content=b"x", headers={"Content-Range": "pages 1-2"}).status_code == 400
    assert post.http.put(f"{SEND}?upload_id=unknown", content=b"x").status_code == 404
    assert problem(post.http.put(where, content=mail(to=None)))[2] == "Recipient address required"
    where = begin(post).headers["Location"]
    too_much = mail() + b"a" * MOST_SENT
    assert post.http.put(where, content=too_much, timeout=patient(30)).status_code == 413
    assert post.world.deliveries() == []


# Batches


def part(line: str, content_id: str = "<a+1>", body: str = "", **headers: str) -> str:
    inner = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"Content-Type: application/http\r\nContent-ID: {content_id}\r\n\r\n{line}\r\n{inner}\r\n{body}"


def send_batch(post: Post, parts: list[str], path: str = "/batch", **headers: str) -> httpx.Response:
    content = "".join(f"--b\r\n{each}\r\n" for each in parts) + "--b--\r\n"
    return post.http.post(path, content=content, headers={"Content-Type": 'multipart/mixed; boundary="b"'} | headers)


def answers(response: httpx.Response) -> list[tuple[str, int, Any]]:
    """Content-ID, status and JSON of each part."""
    assert response.status_code == 200
    boundary = response.headers["Content-Type"].partition("boundary=")[2]
    found = []
    for piece in response.text.split(f"--{boundary}")[1:-1]:
        outer, head, body = piece.lstrip().split("\r\n\r\n", 2)
        status = int(head.split()[1])
        content_id = re.findall(r"(?m)^Content-ID: (.*?)\r?$", outer)[0]
        found.append((content_id, status, json.loads(body) if body.strip() else None))
    return found


@pytest.mark.parametrize("path", ["/batch", "/batch/gmail/v1", "/gmail/batch", "/gmail/batch/gmail/v1"])
def test_a_batch_answers_every_part_with_its_id_and_its_own_status(post: Post, path: str) -> None:
    sent = post.send(mail())["id"]
    change = json.dumps({"addLabelIds": ["STARRED"]})
    parts = [
        part("GET /gmail/v1/users/me/profile?prettyPrint=false", "<x+1>"),
        part("GET /gmail/gmail/v1/users/me/messages/beef HTTP/1.1", "<x+2>"),
        part(f"POST /gmail/v1/users/me/messages/{sent}/modify HTTP/1.1", "<x+3>", change),
        part(f"DELETE /gmail/v1/users/me/messages/{sent}", "<x+4>"),
    ]
    found = answers(send_batch(post, parts, path))
    assert [each[:2] for each in found] == [
        ("<response-x+1>", 200),
        ("<response-x+2>", 404),
        ("<response-x+3>", 200),
        ("<response-x+4>", 204),
    ]
    assert found[0][2]["emailAddress"] == ADA
    assert found[1][2]["error"]["errors"][0]["reason"] == "notFound"
    assert found[2][2]["labelIds"] == ["SENT", "STARRED"]
    assert found[3][2] is None


def test_the_order_of_the_answers_is_not_that_of_the_calls_on_request(post: Post) -> None:
    post.gmail.set_options(shuffles_batches=True)
    parts = [part("GET /gmail/v1/users/me/profile", f"<{number}>") for number in range(3)]
    assert [each[0] for each in answers(send_batch(post, parts))] == ["<response-2>", "<response-1>", "<response-0>"]


def test_a_part_may_have_a_token_of_its_own(post: Post) -> None:
    post.gmail.create_mailbox(BOB)
    line = "GET /gmail/v1/users/me/profile"
    own = {"Authorization": f"Bearer {post.gmail.token(BOB)}"}
    parts = [part(line), part(line, **own), part(line, Authorization="Bearer ya29.unknown")]
    found = answers(send_batch(post, parts, Authorization=f"Bearer {post.token}"))
    assert [each[1] for each in found] == [200, 200, 401]
    assert [each[2]["emailAddress"] for each in found[:2]] == [ADA, BOB]


def test_a_part_may_end_with_its_request_line(post: Post) -> None:
    bare = "Content-Type: application/http\r\n\r\nGET /gmail/v1/users/me/profile HTTP/1.1"
    ((content_id, status, _),) = answers(send_batch(post, [bare], Authorization=f"Bearer {post.token}"))
    assert (content_id, status) == ("<response->", 200)


def test_a_batch_takes_a_hundred_calls_and_no_more(post: Post) -> None:
    parts = [part("GET /gmail/v1/users/me/profile")] * 100
    assert len(answers(send_batch(post, parts))) == 100
    assert problem(send_batch(post, [*parts, parts[0]]))[:2] == (400, "badRequest")


def test_mail_is_sent_in_batches_but_not_uploaded(post: Post) -> None:
    send = part("POST /gmail/v1/users/me/messages/send", body=json.dumps({"raw": as_raw(mail())}))
    upload = part(f"POST {SEND}?uploadType=media", body=mail().decode(), **RFC822)
    assert [each.split()[1] for each in send_batch(post, [send, upload]).text.split("HTTP/1.1")[1:]] == ["OK", "Not"]
    assert len(post.world.deliveries()) == 1


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/mixed", ""])
def test_what_is_no_batch_is_refused(post: Post, content_type: str) -> None:
    refused = post.http.post("/batch", content="--b\r\n", headers={"Content-Type": content_type})
    assert problem(refused)[:2] == (400, "badRequest")
    assert problem(send_batch(post, [part("")]))[:2] == (400, "badRequest")


def test_one_part_of_a_batch_may_go_wrong_by_itself(post: Post) -> None:
    profile = "GET /gmail/v1/users/me/profile"
    post.gmail.add_error("rateLimitExceeded", path_regex="profile$", skip=1)
    post.gmail.add_error("backendError", path_regex="messages/send$", is_applied=True)
    post.server.airtable.add_fault(FaultRule(action="rate_limit", path_regex="labels$"))
    send = part("POST /gmail/v1/users/me/messages/send", body=json.dumps({"raw": as_raw(mail())}))
    parts = [part(profile), part(profile), part(profile), send, part("GET /gmail/v1/users/me/labels")]
    assert [each[1] for each in answers(send_batch(post, parts))] == [200, 403, 200, 503, 429]
    assert len(post.world.deliveries()) == 1


def test_each_call_of_a_batch_costs_its_units(post: Post) -> None:
    post.gmail.set_options(rate_limit_scale=0.01)
    parts = [part("GET /gmail/v1/users/me/messages/beef")] * 5
    assert [each[1] for each in answers(send_batch(post, parts))] == [404, 404, 404, 403, 403]
