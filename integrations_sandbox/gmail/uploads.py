"""Messages that come as media: alone, beside JSON, or in pieces.

Belongs here: reading the three forms of an upload, and the uploads that are under way. Does not belong here: what is
done with the message, tokens.
"""

import json
import re
from dataclasses import dataclass, field
from email.message import Message as Header
from urllib.parse import urlencode

from integrations_sandbox.gmail import errors
from integrations_sandbox.gmail.methods import Target
from integrations_sandbox.stage import IdSource
from integrations_sandbox.wire import JsonObject, Reply, Request

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_ANY_END = re.compile(rb"\r\n|\n")


@dataclass(frozen=True, slots=True)
class Body:
    """What a request brought: the JSON beside the message, and the message; None where there is none."""

    document: JsonObject
    media: bytes | None = None


@dataclass(slots=True)
class Session:
    """A resumable upload: begun with a request that named everything but the bytes."""

    target: Target
    document: JsonObject
    token: str | None
    data: bytearray = field(default_factory=bytearray)
    reply: Reply | None = None


class Uploads:
    """The resumable uploads under way."""

    def __init__(self, ids: IdSource) -> None:
        self._ids = ids
        self._sessions: dict[str, Session] = {}

    def begin(self, request: Request, target: Target) -> Reply:
        """Answers with the address that takes the bytes."""
        limit = target.method.upload_limit
        _check_type(request.header("X-Upload-Content-Type") or "message/rfc822")
        declared = request.header("X-Upload-Content-Length")
        if declared.isdigit() and int(declared) > limit:
            raise errors.too_large(limit)
        upload_id = self._ids.new("AHmUCY", 40)
        self._sessions[upload_id] = Session(target, read_document(request.body), request.token)
        query = urlencode([*request.query, ("upload_id", upload_id)])
        location = f"http://{request.host}{request.path}?{query}"
        return Reply(headers=(("Location", location), ("X-GUploader-UploadID", upload_id)))

    def find(self, request: Request) -> Session:
        """Raises WireError for an upload that was never begun."""
        session = self._sessions.get(request.value("upload_id") or "")
        if session is None:
            raise errors.not_found()
        return session

    def take(self, session: Session, request: Request) -> Reply | None:
        """Keeps a piece. The answer to it, or None when the message is whole."""
        if session.reply is not None:
            return session.reply
        found = _RANGE.fullmatch(request.header("Content-Range") or f"bytes */{len(request.body)}")
        if found is None:
            raise errors.invalid_argument("Failed to parse Content-Range header.")
        is_query = found[1] is None and request.header("Content-Range") != ""
        if not is_query:
            start = int(found[1] or 0)
            if start > len(session.data):
                return _progress(session)
            session.data[start:] = request.body
        if len(session.data) > session.target.method.upload_limit:
            raise errors.too_large(session.target.method.upload_limit)
        is_whole = found[3] != "*" and len(session.data) >= int(found[3])
        return None if is_whole else _progress(session)


def read_body(request: Request, is_upload: bool) -> Body:
    """The body of a request that is no part of a resumable upload."""
    if not is_upload:
        return Body(read_document(request.body))
    header = _header(request.content_type)
    if header.get_content_type() == "multipart/related":
        return _read_related(request.body, str(header.get_param("boundary", "")))
    _check_type(header.get_content_type())
    return Body({}, request.body)


def read_document(body: bytes) -> JsonObject:
    """Raises WireError unless it is a JSON object or nothing."""
    try:
        document = json.loads(body) if body.strip() else {}
    except ValueError as error:
        raise errors.invalid_json() from error
    if not isinstance(document, dict):
        raise errors.invalid_json()
    return document


def split_parts(body: bytes, boundary: str) -> list[tuple[Header, bytes]]:
    """The parts of a multipart body as bytes, with their header; line ends may be CRLF or LF."""
    found = []
    pieces = re.split(rb"(?:^|\r\n|\n)--" + re.escape(boundary.encode()) + rb"(?:--)?[ \t]*(?=\r\n|\n|$)", body)
    for piece in pieces[1:]:
        content = _ANY_END.sub(b"", piece, count=1) if piece[:2] == b"\r\n" or piece[:1] == b"\n" else piece
        if content.strip():
            found.append(_split_header(content))
    return found


def _split_header(content: bytes) -> tuple[Header, bytes]:
    header, position = Header(), 0
    while position < len(content):
        end = _ANY_END.search(content, position)
        stop, after = (end.start(), end.end()) if end else (len(content), len(content))
        line = content[position:stop].decode("utf-8", "replace")
        position = after
        if not line:
            break
        name, _, value = line.partition(":")
        header[name.strip()] = value.strip()
    return header, content[position:]


def _read_related(body: bytes, boundary: str) -> Body:
    found = split_parts(body, boundary)
    if len(found) != 2:
        raise errors.invalid_argument("Multipart must have two parts")
    (_, document), (header, media) = found
    _check_type(header.get_content_type())
    return Body(read_document(document), media)


def _check_type(content_type: str) -> None:
    if not content_type.lower().startswith("message/"):
        message = f"Media type '{content_type}' is not supported. Valid media types: [message/*]"
        raise errors.refusal(400, "badContent", message)


def _header(content_type: str) -> Header:
    header = Header()
    header["Content-Type"] = content_type or "application/octet-stream"
    return header


def _progress(session: Session) -> Reply:
    """308 with what has arrived; without a Range nothing has."""
    have = len(session.data)
    return Reply(status=308, headers=(("Range", f"bytes=0-{have - 1}"),) if have else ())
