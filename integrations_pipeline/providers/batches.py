"""Batches of writes: outcomes, halving, chunks, and the errors that mean the same at every service.

Belongs here: what every provider needs and none should write again. Does not: requests, what a service alone means
(its `wire`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import httpx

from integrations_pipeline.errors import (
    ConfigurationError,
    CredentialsError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RateLimitedError,
    RetryableError,
    WrongAnswerError,
)
from integrations_pipeline.model import Change, ChangeKind, ChangeState, Outcome
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.providers.http import retry_after

T = TypeVar("T")
Send = Callable[[Sequence[Change]], list[Outcome]]
Refuse = Callable[[Change, PermanentError], Outcome]

IS_GONE = "the record was deleted at the provider during the run; the next run takes it up"


def applied(change: Change, external_id: str | None = None) -> Outcome:
    """It is done, to the change's own record or to the one that was made or found."""
    return _outcome(change, ChangeState.APPLIED, external_id=external_id or change.external_id)


def failed(change: Change, error: IntegrationError, *, is_passing: bool = False) -> Outcome:
    """This record was refused. `is_passing`: it may pass by itself, so it is no refusal for good: every run tries it
    again, as it does after a `RetryableError`."""
    kind = RetryableError if is_passing else type(error)
    return _outcome(change, ChangeState.FAILED, reason=str(error), error_class=kind.__name__)


def superseded(change: Change, reason: str = IS_GONE, external_id: str | None = None) -> Outcome:
    """Not done, because things are not as they were: the next run plans it anew."""
    return _outcome(change, ChangeState.SUPERSEDED, external_id=external_id or change.external_id, reason=reason)


def refused(change: Change, error: PermanentError, gone: Collection[str], reason: str = IS_GONE) -> Outcome:
    """A record that is gone (by one of these codes) is no failure: a delete is done, an update is planned anew."""
    if error.code not in gone or change.kind is ChangeKind.CREATE:
        return failed(change, error)
    return applied(change) if change.kind is ChangeKind.DELETE else superseded(change, reason)


def _outcome(
    change: Change, state: ChangeState, *, external_id: str | None = None, reason: str = "", error_class: str = ""
) -> Outcome:
    return Outcome(
        change=change,
        state=state,
        external_id=external_id or change.external_id,
        contact_id=change.contact_id,
        reason=reason,
        error_class=error_class,
    )


def bisect(batch: Sequence[Change], send: Send, refuse: Refuse) -> list[Outcome]:
    """Send a batch that is applied as a whole or not at all; on refusal halve it until each bad record
    stands alone. A batch of n with k bad records costs about k·log2(n) more requests."""
    try:
        return send(batch)
    except ConfigurationError:
        raise
    except PermanentError as error:
        if len(batch) == 1:
            return [refuse(batch[0], error)]
        middle = len(batch) // 2
        return bisect(batch[:middle], send, refuse) + bisect(batch[middle:], send, refuse)


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in their order, at most `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def created(changes: Sequence[Change], records: Iterable[RemoteRecord]) -> dict[str, RemoteRecord]:
    """Whose these records are, by contact id, for `Provider.find_created`: by the contact's key on them, or, of those
    without a key, by the e-mail as it was sent. Several for one contact are nobody's."""
    by_key: dict[str, list[RemoteRecord]] = {}
    by_email: dict[str, list[RemoteRecord]] = {}
    for record in records:
        where, name = (by_key, record.contact_key) if record.contact_key else (by_email, _email(record.fields))
        where.setdefault(name, []).append(record)
    found: dict[str, RemoteRecord] = {}
    for change in changes:
        email = _email(change.after)
        candidates = by_key.get(change.contact_id or "") or (by_email.get(email, []) if email else [])
        if len(candidates) == 1:
            found[change.contact_id or ""] = candidates[0]
    return found


def _email(fields: Mapping[str, str]) -> str:
    return fields.get("email", "").strip().lower()


def passing_error(response: httpx.Response, title: str) -> IntegrationError | None:
    """What an answer means that says nothing of the request itself, or None.

    ==================  ==========================================================
    429                 `RateLimitedError`
    5xx, 408            `RetryableError`; 501 is none: there is no such endpoint
    a redirect          `WrongAnswerError`: it is not followed, tokens stay with us
    ==================  ==========================================================
    """
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RateLimitedError(f"{title}'s rate limit was met", retry_after_seconds=retry_after(response))
    if status == httpx.codes.REQUEST_TIMEOUT or (response.is_server_error and status != httpx.codes.NOT_IMPLEMENTED):
        return RetryableError(f"{title} answered {status}", retry_after_seconds=retry_after(response))
    if response.is_redirect:
        return WrongAnswerError(f"{title} answered {status} and points elsewhere, which is not followed")
    return None


def default_error(response: httpx.Response, title: str, code: str = "") -> IntegrationError:
    """The exception for a refused request at a service without errors of its own kind: a `read_error` for an
    `Endpoint`, or what one ends with. `code`: the service's own short error type; never its message."""
    status = response.status_code
    if (passing := passing_error(response, title)) is not None:
        return passing
    if status == httpx.codes.UNAUTHORIZED:
        return CredentialsError(f"{title} refuses the token: it is wrong, expired or revoked; add the connection again")
    if status == httpx.codes.FORBIDDEN:
        return NeedsAttentionError(f"{title} denies access ({code or status}): look at what the token may do")
    return PermanentError(f"{title} refused the request ({code or status})", code=code or str(status))
