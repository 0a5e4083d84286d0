"""Gmail's public API: finding the method, admission, uploads, batches.

Belongs here: everything between a request and the handler of its method. Does not belong here: what a method does
(`message_calls`, `draft_calls`, `mailbox_calls`), sockets.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.gmail import batch, errors
from integrations_sandbox.gmail.calls import Call
from integrations_sandbox.gmail.draft_calls import DraftCalls
from integrations_sandbox.gmail.mailbox import Mailbox
from integrations_sandbox.gmail.mailbox_calls import MailboxCalls
from integrations_sandbox.gmail.message_calls import MessageCalls
from integrations_sandbox.gmail.methods import Method, Target, find_target
from integrations_sandbox.gmail.selection import select
from integrations_sandbox.gmail.state import Gmail
from integrations_sandbox.gmail.uploads import Body, read_body
from integrations_sandbox.stage import Grant
from integrations_sandbox.wire import Reply, Request

_PART_FAULTS = ("status", "status_after", "rate_limit")
_LISTS = ("messages", "threads", "drafts", "history")
#: Google answers a path that it does not know with a page for people, not with JSON.
_UNKNOWN = (
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Error 404 (Not Found)!!1</title>"
    "<p><b>404.</b> <ins>That’s an error.</ins><p>The requested URL was not found on this server.</html>"
)


class GmailApi:
    """Answers requests for `gmail/v1/…`, `upload/gmail/v1/…` and `batch`, with or without `gmail` before them."""

    def __init__(self, gmail: Gmail) -> None:
        self._gmail = gmail
        self._handlers = {
            **MessageCalls(gmail).handlers(),
            **DraftCalls(gmail).handlers(),
            **MailboxCalls(gmail).handlers(),
        }

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        """Answers one request; `fault` is the rule that hits it, if its action is one of Gmail's own."""
        if self._is_crowded(request):
            refused = errors.BY_NAME["concurrentRequests"]
            return Reply(status=refused.status, body=refused.body)
        request = _overridden(request)
        if segments and segments[0] == "batch":
            return _guarded(lambda: self._batch(request, segments, fault))
        return self._single(request, segments, fault)

    def _is_crowded(self, request: Request) -> bool:
        """Whether too many requests of the same user came earlier and are not answered yet."""
        stage, limit = self._gmail.stage, self._gmail.options.concurrent_limit
        if limit is None:
            return False
        now = stage.clock.now()
        grants = [stage.grants.find("google", each.token, now) for each in [*stage.underway.before(request), request]]
        accounts = [grant.account for grant in grants if grant is not None]
        return grants[-1] is not None and accounts[:-1].count(accounts[-1]) >= limit

    def _single(
        self, request: Request, segments: Sequence[str], fault: FaultRule | None, *, takes_uploads: bool = True
    ) -> Reply:
        path = [each for each in segments if each != "resumable"]
        is_upload = path[:1] == ["upload"]
        path = path[1:] if is_upload else path
        while path[:1] == ["gmail"]:
            path = path[1:]
        if is_upload and request.value("upload_id") is not None:
            return _guarded(lambda: self._resume(request, fault))
        target = find_target(request.method, path[1:]) if path[:1] == ["v1"] else None
        if target is None or (is_upload and not (takes_uploads and target.method.upload_limit)):
            return Reply(status=404, html=_UNKNOWN)
        begin = is_upload and request.value("uploadType") == "resumable"
        if begin:
            return _guarded(lambda: self._begin(request, target))
        return _guarded(lambda: self._call(request, target, lambda: read_body(request, is_upload), fault))

    def _call(self, request: Request, target: Target, read: Callable[[], Body], fault: FaultRule | None) -> Reply:
        method = target.method
        grant = self._authorize(request.token, method)
        mailbox = self._mailbox(grant, target)
        self._count(grant, method, fault)
        body, fields = read(), request.value("fields")
        if body.media is not None and len(body.media) > method.upload_limit:
            raise errors.too_large(method.upload_limit)
        call = Call(
            request=request,
            mailbox=mailbox,
            scopes=grant.scopes,
            now=self._gmail.stage.clock.now(),
            document=body.document,
            media=body.media,
            media_limit=method.upload_limit,
            attachment_salt=self._gmail.stage.ids.new("", 16),
        )
        reply = self._handlers[method.name](call, *target.arguments[1:])
        if fault is not None and method.name.endswith(".list"):
            reply = _cut_page(reply, fault.action)
        return replace(reply, body=select(reply.body, fields)) if fields else reply

    # Admission: token, scopes, mailbox, units, in this order. Assumed: the order.

    def _authorize(self, token: str | None, method: Method) -> Grant:
        stage = self._gmail.stage
        grant = stage.grants.find("google", token, stage.clock.now())
        if grant is None:
            raise errors.invalid_credentials(method.rpc) if token else errors.login_required(method.rpc)
        if grant.scopes.isdisjoint(method.scopes):
            raise errors.insufficient_scopes(method.rpc, method.scopes)
        return grant

    def _mailbox(self, grant: Grant, target: Target) -> Mailbox:
        user = target.arguments[0]
        if user.lower() not in ("me", grant.account.lower()):
            raise errors.delegation_denied(user)
        mailbox = self._gmail.find_mailbox(grant.account)
        if mailbox is None:
            raise errors.failed_precondition("Mail service not enabled")
        return mailbox

    def _count(self, grant: Grant, method: Method, fault: FaultRule | None) -> None:
        action = fault.action if fault else ""
        if fault is not None and action == "rate_limit":
            raise _over_quota(fault)
        if action == "billing_limit":
            raise errors.BY_NAME["dailyLimitExceeded"]
        now = self._gmail.stage.clock.now()
        if not self._gmail.limiter.admit(grant.account, grant.client_id, method.units, now):
            raise errors.over_quota(self._gmail.options.quota_status)

    # Uploads in pieces

    def _begin(self, request: Request, target: Target) -> Reply:
        self._mailbox(self._authorize(request.token, target.method), target)
        return self._gmail.uploads.begin(request, target)

    def _resume(self, request: Request, fault: FaultRule | None) -> Reply:
        """A piece of an upload; the last one does what the upload is for, once."""
        uploads = self._gmail.uploads
        session = uploads.find(request)
        answered = uploads.take(session, request)
        if answered is None:
            answered = self._call(
                replace(request, token=session.token),
                session.target,
                lambda: Body(session.document, bytes(session.data)),
                fault,
            )
            session.reply = answered
        return answered

    # Batches

    def _batch(self, request: Request, path: Sequence[str], fault: FaultRule | None) -> Reply:
        if list(path[1:]) not in ([], ["gmail", "v1"]) or request.method != "POST":
            return Reply(status=404, html=_UNKNOWN)
        if fault is not None and fault.action == "rate_limit":
            raise _over_quota(fault)
        answers = [(inner, self._inner(inner.request)) for inner in batch.read_batch(request)]
        if self._gmail.options.shuffles_batches:
            answers.reverse()
        return batch.write_batch(answers)

    def _inner(self, request: Request) -> Reply:
        """One call of a batch. Faults that answer with a status can hit it alone."""
        fault = self._gmail.stage.faults.take(request, _PART_FAULTS)
        request = _overridden(request)
        if fault is not None and fault.action == "status":
            return _status_of(fault)
        reply = self._single(request, request.segments, fault, takes_uploads=False)
        return _status_of(fault) if fault is not None and fault.action == "status_after" else reply


def _status_of(fault: FaultRule) -> Reply:
    return Reply(status=fault.status, body=fault.body, headers=tuple(fault.headers.items()))


def _over_quota(fault: FaultRule) -> errors.Refusal:
    return errors.over_quota(403 if fault.status == 403 else 429)


def _guarded(answer: Callable[[], Reply]) -> Reply:
    try:
        return answer()
    except errors.Refusal as error:
        return Reply(status=error.status, body=error.body, headers=error.headers)


def _overridden(request: Request) -> Request:
    """Clients whose address would be too long send a GET as a POST with the query as its body."""
    method = request.header("X-HTTP-Method-Override").upper()
    if not method or request.method != "POST":
        return request
    query = tuple(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    return replace(request, method=method, query=request.query + query, body=b"")


def _cut_page(reply: Reply, action: str) -> Reply:
    """What `truncate_page` and `empty_page` leave of a list: fewer or no entries, and no sign of it."""
    key = next((each for each in _LISTS if each in reply.body), None)
    if action not in ("truncate_page", "empty_page") or key is None:
        return reply
    items = reply.body[key]
    kept = items[: len(items) // 2] if action == "truncate_page" else []
    body = {name: value for name, value in reply.body.items() if name not in (key, "nextPageToken")}
    return replace(reply, body=({key: kept} if kept else {}) | body)
