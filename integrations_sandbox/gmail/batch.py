"""Several calls in one request: reading the parts, answering with parts.

Belongs here: the multipart forms of both. Does not belong here: carrying the calls out (`api`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlsplit

from integrations_sandbox.gmail import errors
from integrations_sandbox.gmail.uploads import split_parts
from integrations_sandbox.wire import Reply, Request

MOST_CALLS = 100
_BOUNDARY = "batch_sandbox000000"
_REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}
_REASONS |= {404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Inner:
    """One call of a batch, and the identifier by which its answer is known."""

    content_id: str
    request: Request


def read_batch(request: Request) -> list[Inner]:
    """Raises WireError for what is no batch, or too large a one."""
    boundary = _boundary(request.content_type)
    if not boundary:
        raise errors.refusal(400, "badRequest", "Failed to parse batch request, error: missing boundary.")
    pieces = split_parts(request.body, boundary)
    found = [_inner(request, header.get("Content-ID", ""), data) for header, data in pieces]
    if len(found) > MOST_CALLS:
        # Assumed: the wording; the limit is documented.
        raise errors.refusal(400, "badRequest", f"The batch holds more than {MOST_CALLS} calls.")
    return found


def write_batch(answers: Sequence[tuple[Inner, Reply]]) -> Reply:
    pieces = [_answer(inner, reply) for inner, reply in answers]
    body = b"".join(f"--{_BOUNDARY}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    content_type = ("Content-Type", f"multipart/mixed; boundary={_BOUNDARY}")
    return Reply(raw=body + f"--{_BOUNDARY}--\r\n".encode(), headers=(content_type,))


def _boundary(content_type: str) -> str:
    kind, _, rest = content_type.partition(";")
    for part in rest.split(";"):
        name, _, value = part.strip().partition("=")
        if kind.strip().lower() == "multipart/mixed" and name.lower() == "boundary":
            return value.strip('"')
    return ""


def _inner(outer: Request, content_id: str, data: bytes) -> Inner:
    """A call without an Authorization of its own has that of the whole."""
    line, _, rest = data.lstrip(b"\r\n").partition(b"\n")
    words = line.decode("utf-8", "replace").split()
    if len(words) < 2:
        raise errors.refusal(400, "badRequest", "Failed to parse batch request, error: no request line.")
    head, body = _split(rest)
    url = urlsplit(words[1])
    authorization = head.get("authorization", outer.authorization)
    scheme, _, token = authorization.partition(" ")
    request = replace(
        outer,
        method=words[0].upper(),
        path=unquote(url.path),
        segments=tuple(unquote(part) for part in url.path.split("/") if part),
        query=tuple(parse_qsl(url.query, keep_blank_values=True)),
        body=body,
        token=token.strip() if scheme.lower() == "bearer" else None,
        authorization=authorization,
        content_type=head.get("content-type", ""),
        headers=tuple(head.items()),
    )
    return Inner(content_id, request)


def _split(data: bytes) -> tuple[dict[str, str], bytes]:
    head: dict[str, str] = {}
    while data:
        line, _, data = data.partition(b"\n")
        if not line.strip():
            break
        name, _, value = line.decode("utf-8", "replace").partition(":")
        head[name.strip().lower()] = value.strip()
    return head, data


def _answer(inner: Inner, reply: Reply) -> bytes:
    content_id = f"<response-{inner.content_id.strip('<>')}>"
    body = b"" if reply.body is None else json.dumps(reply.body).encode()
    lines = ["Content-Type: application/http", f"Content-ID: {content_id}", ""]
    lines += [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    lines += ["Content-Type: application/json; charset=UTF-8", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body
