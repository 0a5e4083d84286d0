"""The People API in public: finding the method, admission, its answer.

Belongs here: everything between a request and the handler of its method. Does not belong here: what a method does
(`listing`, `contact_calls`, `group_calls`), sockets.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.people import contact_calls, errors, group_calls, listing
from integrations_sandbox.people.calls import Call
from integrations_sandbox.people.distortion import distorted
from integrations_sandbox.people.state import CONTACTS, CONTACTS_READONLY, People
from integrations_sandbox.wire import JsonObject, Reply, Request, WireError

Handler = Callable[..., Reply]
#: HTTP method, path with `{}` for a key, and what follows it after a colon.
_METHODS: Sequence[tuple[str, str, Handler]] = (
    ("GET", "people/me/connections", listing.list_connections),
    ("GET", "people:batchGet", contact_calls.batch_get),
    ("GET", "people/{}", contact_calls.get_person),
    ("POST", "people:createContact", contact_calls.create),
    ("POST", "people:batchCreateContacts", contact_calls.batch_create),
    ("POST", "people:batchUpdateContacts", contact_calls.batch_update),
    ("POST", "people:batchDeleteContacts", contact_calls.batch_delete),
    ("PATCH", "people/{}:updateContact", contact_calls.update),
    ("DELETE", "people/{}:deleteContact", contact_calls.delete),
    ("GET", "contactGroups", group_calls.list_groups),
    ("POST", "contactGroups", group_calls.create_group),
    ("POST", "contactGroups/{}/members:modify", group_calls.modify_members),
    ("GET", "contactGroups/{}", group_calls.get_group),
    ("PUT", "contactGroups/{}", group_calls.update_group),
    ("DELETE", "contactGroups/{}", group_calls.delete_group),
)
_UNKNOWN = "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Error 404 (Not Found)!!1</title></html>"


class PeopleApi:
    """Answers requests for `v1/…`, with or without `people` before it."""

    def __init__(self, people: People) -> None:
        self._people = people

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        request = _overridden(request)
        path = list(segments[1:]) if segments[:1] == ("v1",) or list(segments[:1]) == ["v1"] else None
        found = _find(request.method, path) if path else None
        if found is None:
            return Reply(status=404, html=_UNKNOWN)
        handler, keys = found
        return distorted(request, fault, lambda given: self._guarded(given, handler, keys, fault))

    def _guarded(self, request: Request, handler: Handler, keys: Sequence[str], fault: FaultRule | None) -> Reply:
        try:
            return handler(self._call(request, fault), *keys)
        except WireError as error:
            return Reply(status=error.status, body=error.body)

    def _call(self, request: Request, fault: FaultRule | None) -> Call:
        """Admission: token, scope, quota, in this order. Assumed: the order."""
        stage = self._people.stage
        now = stage.clock.now()
        grant = stage.grants.find("google", request.token, now)
        if grant is None:
            raise errors.bad_token()
        needed = {CONTACTS, CONTACTS_READONLY} if request.method == "GET" else {CONTACTS}
        if grant.scopes.isdisjoint(needed):
            raise errors.lacks_scope()
        is_limited = fault is not None and fault.action in ("rate_limit", "billing_limit")
        if is_limited or not self._people.admit(grant.account, now):
            raise errors.over_quota()
        return Call(
            request=request,
            book=self._people.book(grant.account),
            options=self._people.options,
            now=now,
            body=_body(request),
        )


def _body(request: Request) -> JsonObject:
    try:
        body = request.json()
    except ValueError as error:
        raise errors.invalid("Invalid JSON payload received. Unknown token.") from error
    if not isinstance(body, dict):
        raise errors.invalid("Invalid JSON payload received.")
    return body


def _find(method: str, path: Sequence[str]) -> tuple[Handler, list[str]] | None:
    for verb, template, handler in _METHODS:
        parts = template.split("/")
        if verb != method or len(parts) != len(path):
            continue
        keys = [_key(part, told) for part, told in zip(parts, path, strict=True)]
        if all(key is not None for key in keys):
            return handler, [key for key in keys if key]
    return None


def _key(part: str, told: str) -> str | None:
    """The key that a part of a path holds, "" where it holds none, None where it does not fit."""
    if not part.startswith("{}"):
        return "" if part == told else None
    rest = part.removeprefix("{}")
    key = told.removesuffix(rest)
    return key if told.endswith(rest) and key and ":" not in key else None


def _overridden(request: Request) -> Request:
    """Clients whose address would be too long send a GET as a POST with the query as its body."""
    method = request.header("X-HTTP-Method-Override").upper()
    if not method or request.method != "POST":
        return request
    query = tuple(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    return replace(request, method=method, query=request.query + query, body=b"")
