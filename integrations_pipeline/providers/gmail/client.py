"""Requests to one Gmail mailbox. Knows paths and which answer has which shape, decides nothing.

Belongs here: one method per endpoint. Does not: pitches, replies, retries (`providers.http`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx

from integrations_pipeline.errors import InDoubtError, PermanentError, WrongAnswerError
from integrations_pipeline.providers.base import ProviderContext
from integrations_pipeline.providers.gmail import shapes, wire
from integrations_pipeline.providers.http import Endpoint, HttpClient, PaceRule, RetryPolicy
from integrations_pipeline.providers.shapes import Shape

Message = Mapping[str, Any]
_USER = "gmail/v1/users/me"
#: The id of no draft.
_NO_DRAFT = "r-0"
#: A send is asked once: what Gmail answers or fails to answer is looked into, never repeated.
_ONCE = RetryPolicy(budget_seconds=0.0, unreachable_seconds=0.0)


def pages(ask: Callable[[str], Message]) -> Iterator[Message]:
    """Pages of a listing, each asked for by the token of the one before; `WrongAnswerError` for one that leads back."""
    seen: set[str] = set()
    token = ""
    while token not in seen:
        page = ask(token)
        yield page
        seen.add(token)
        token = page.get("nextPageToken", "")
        if not token:
            return
    raise WrongAnswerError("Gmail's listing leads back to a page that was read")


class GmailClient:
    """The endpoints of one mailbox; every request first takes its units from the user's quota."""

    def __init__(self, context: ProviderContext, *, api_url: str) -> None:
        self._context = context
        self._key = f"gmail:{httpx.URL(api_url).netloc.decode()}:{context.account}"
        self.http = self._client(api_url, RetryPolicy.within(context.patience_seconds))
        self._once = self._client(api_url, _ONCE)

    def _client(self, api_url: str, retry: RetryPolicy) -> HttpClient:
        pace = PaceRule(
            key=self._key, interval_seconds=0.0, penalty_seconds=wire.PENALTY_SECONDS / self._context.rate_scale
        )
        endpoint = Endpoint(
            base_url=api_url, tokens=self._context.tokens, read_error=wire.read_error, pace=[pace], retry=retry
        )
        context = self._context
        return HttpClient(endpoint, pacer=context.pacer, transport=context.transport, sleep=context.sleep)

    @property
    def call_count(self) -> int:
        return self.http.call_count + self._once.call_count

    def profile(self) -> Message:
        return self._ask("getProfile", "GET", f"{_USER}/profile", shape=shapes.PROFILE)

    def send_as(self) -> list[Message]:
        body = self._ask("settings", "GET", f"{_USER}/settings/sendAs", shape=shapes.ALIASES)
        return list(body["sendAs"])

    def create_draft(self, raw: bytes, thread_id: str | None) -> Message:
        """One request, in a thread or none. `PermanentError` where Gmail refuses the message, or does not know the
        thread; an answer that is about neither is an `InDoubtError`."""
        message: dict[str, Any] = {"raw": wire.encode(raw)}
        message |= {"threadId": thread_id} if thread_id else {}
        content = {"json": {"message": message}, "is_repeatable": False, "shape": shapes.NEW_DRAFT}
        try:
            return self._ask("drafts.create", "POST", f"{_USER}/drafts", **content)
        except PermanentError as error:
            if error.code == wire.GONE and thread_id is None:
                # There is nothing that could be gone: it is the way there that was not found.
                raise InDoubtError("Gmail answered a new draft with 404") from error
            raise

    def require_writing(self) -> None:
        """`NeedsAttentionError` if the grant does not allow drafts and sending: asked by a request that changes
        nothing, to delete a draft that cannot exist. Gmail looks at the scopes first."""
        with suppress(PermanentError):
            self._ask("drafts.delete", "DELETE", f"{_USER}/drafts/{_NO_DRAFT}", shape=shapes.DELETED)

    def draft(self, draft_id: str) -> Message | None:
        return self._one("drafts", draft_id, params=[("format", "metadata")], shape=shapes.DRAFT)

    def drafts(self, page_token: str = "") -> Message:
        params = [("maxResults", "500"), *([("pageToken", page_token)] if page_token else [])]
        return self._ask("drafts.list", "GET", f"{_USER}/drafts", params=params, shape=shapes.DRAFTS)

    def delete_draft(self, draft_id: str) -> bool:
        """Whether it was there."""
        path = f"{_USER}/drafts/{quote(draft_id, safe='')}"
        return self._there("drafts.delete", "DELETE", path, shape=shapes.DELETED) is not None

    def send_draft(self, draft_id: str) -> Message:
        """One request. Whatever leaves open whether it was applied is an `InDoubtError`."""
        self._pay("drafts.send")
        try:
            body: Message = self._once.request(
                "POST", f"{_USER}/drafts/send", json={"id": draft_id}, is_repeatable=False, shape=shapes.SENT
            )
        except PermanentError as error:
            if error.code == wire.GONE:
                raise InDoubtError("the draft is not there (any more)") from error
            raise
        return body

    def messages(self, query: str, limit: int = 100) -> list[Message]:
        """Ids of messages that match, newest first, at most one page; also from the trash."""
        return list(self.search(query, limit).get("messages", []))

    def search(self, query: str, limit: int, page_token: str = "") -> Message:
        """One page of the messages that match, newest first; also from the trash."""
        params = [("q", query), ("maxResults", str(limit)), ("includeSpamTrash", "true")]
        params += [("pageToken", page_token)] if page_token else []
        return self._ask("messages.list", "GET", f"{_USER}/messages", params=params, shape=shapes.MESSAGES)

    def newest(self, labels: Sequence[str] = (), page_token: str = "", size: int = 100) -> Message:
        """One page of all messages, newest first, told by the mailbox itself: its search learns of them late."""
        params = [("maxResults", str(size)), ("includeSpamTrash", "true"), *(("labelIds", label) for label in labels)]
        params += [("pageToken", page_token)] if page_token else []
        return self._ask("messages.list", "GET", f"{_USER}/messages", params=params, shape=shapes.MESSAGES)

    def message(self, message_id: str, headers: Sequence[str] = ()) -> Message | None:
        """One message with its metadata (only these headers, or all); None if it is gone."""
        return self._message(message_id, "metadata", headers, shapes.MESSAGE)

    def raw_message(self, message_id: str) -> bytes | None:
        """One message as it was received; None if it is gone."""
        found = self._message(message_id, "raw", (), shapes.RAW_MESSAGE)
        return None if found is None else wire.decode(found["raw"])

    def _message(self, message_id: str, form: str, headers: Sequence[str], shape: Shape) -> Message | None:
        params = [("format", form), *(("metadataHeaders", name) for name in headers)]
        return self._one("messages", message_id, params=params, shape=shape)

    def thread(self, thread_id: str, headers: Sequence[str] = ()) -> list[Message]:
        """A thread's messages, oldest first; none if it is gone."""
        params = [("format", "metadata"), *(("metadataHeaders", name) for name in headers)]
        body = self._one("threads", thread_id, params=params, shape=shapes.THREAD)
        return list((body or {}).get("messages", []))

    def history(self, start: str, page_token: str = "", label: str = "") -> Message | None:
        """One page of what was added and deleted since a history id; None if that id is too old, or not this
        mailbox's."""
        params = [("startHistoryId", start), ("maxResults", "500")]
        params += [("historyTypes", "messageAdded"), ("historyTypes", "messageDeleted")]
        params += [("pageToken", page_token)] if page_token else []
        params += [("labelId", label)] if label else []
        try:
            return self._there("history.list", "GET", f"{_USER}/history", params=params, shape=shapes.HISTORY)
        except PermanentError:
            return None

    def close(self) -> None:
        self.http.close()
        self._once.close()

    def _pay(self, method: str) -> None:
        seconds = wire.UNITS[method] * wire.UNIT_SECONDS / self._context.rate_scale
        self._context.pacer.wait(self._key, seconds)

    def _ask(self, units: str, method: str, path: str, **content: Any) -> Message:
        self._pay(units)
        body: Message | None = self.http.request(method, path, **content)
        return body or {}

    def _one(self, kind: str, asked: str, **content: Any) -> Message | None:
        """The draft, message or thread with this id, and no other; None if it is gone."""
        found = self._there(f"{kind}.get", "GET", f"{_USER}/{kind}/{quote(asked, safe='')}", **content)
        if found is not None and found["id"] != asked:
            raise WrongAnswerError(f"Gmail answered about others of its {kind} than the one that was asked for")
        return found

    def _there(self, units: str, method: str, path: str, **content: Any) -> Message | None:
        try:
            return self._ask(units, method, path, **content)
        except PermanentError as error:
            if error.code == wire.GONE:
                return None
            raise
