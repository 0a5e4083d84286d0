"""people.connections.list: everything page by page, and what changed since a sync token.

Belongs here: paging and tokens. Does not belong here: single contacts, writes (`contact_calls`).

Assumed: a sync token stands where the list began, so that what happens while paging is told next time; contacts are
listed in the order of their making.
"""

from datetime import datetime, timedelta
from typing import Any

from integrations_sandbox.people import errors, fields
from integrations_sandbox.people.calls import Call, read_token, write_token
from integrations_sandbox.wire import JsonObject, Reply

#: All of these must be the same in every request of a list.
_SAME = ("personFields", "sources", "sortOrder", "requestSyncToken")
MOST = 1000


def list_connections(call: Call) -> Reply:
    mask, size = call.person_mask(), call.size(100, MOST)
    asked = {name: sorted(call.request.values(name)) for name in _SAME}
    page_token, sync_token = call.request.value("pageToken"), call.request.value("syncToken")
    since = _since(call, sync_token, asked) if sync_token else None
    if page_token:
        page = read_token(page_token)
        if page.get("asked") != asked or page.get("account") != call.book.account:
            raise errors.invalid("All other request parameters must match the first call.")
    else:
        page = {"asked": asked, "account": call.book.account, "done": 0, "end": _end(call, is_sync=since is not None)}
    rows = _rows(call, mask, page["end"], since)
    done = int(page["done"])
    shown = rows[done : done + size]
    body: JsonObject = {"connections": shown} if shown else {}
    body |= {"totalItems": len(rows), "totalPeople": len(rows)} if rows else {}
    if done + size < len(rows):
        body["nextPageToken"] = write_token(**{**page, "done": done + size})
    elif call.request.value("requestSyncToken") == "true":
        body["nextSyncToken"] = _next_token(call, page, since)
    return Reply(body=body)


def _end(call: Call, *, is_sync: bool) -> int:
    lag = call.options.sync_lag_seconds if is_sync or call.options.lists_lag else 0.0
    return call.book.position(call.now, lag)


def _since(call: Call, token: str, asked: dict[str, list[str]]) -> dict[str, Any]:
    known = read_token(token)
    born = datetime.fromisoformat(known["born"])
    is_old = call.now - born > timedelta(seconds=call.options.token_seconds)
    if is_old or known["generation"] != call.book.generation:
        raise errors.expired_token(call.options.expired_status)
    if known["asked"] != asked or known["account"] != call.book.account:
        raise errors.invalid("Sync token is invalid: all other request parameters must match the first call.")
    return known


def _next_token(call: Call, page: dict[str, Any], since: dict[str, Any] | None) -> str:
    is_inherited = since is not None and call.options.tokens_age_from_full_sync
    return write_token(
        asked=page["asked"],
        account=call.book.account,
        position=page["end"],
        generation=call.book.generation,
        born=since["born"] if is_inherited and since else call.now.isoformat(),
    )


def _rows(call: Call, mask: tuple[str, ...], end: int, since: dict[str, Any] | None) -> list[JsonObject]:
    if since is None:
        return [_listed(call, fields.shown(person, mask)) for person in call.book.as_of(end)]
    events = call.book.changes(min(int(since["position"]), end), end)
    return [
        fields.deleted(event.resource)
        if event.person is None
        else _listed(call, fields.shown(event.person, mask, tells_previous=True))
        for event in events
    ]


def _listed(call: Call, document: JsonObject) -> JsonObject:
    if call.options.takes_list_etags:
        return document
    for source in document.get("metadata", {}).get("sources", []):
        source["etag"] += ".list"
    return document | {"etag": document["etag"] + ".list"}
