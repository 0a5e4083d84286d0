# ruff: noqa: ARG002 - every handler takes the request, so that one table can hold them all
"""HubSpot's API: routes, and one handler per endpoint, under the numbered and the date-based versions alike.

Belongs here: reading requests, the documents that go back. Does not: rights and limits (`admission`), what the
operations do (`reading`, `batches`, `writing`).
"""

from collections.abc import Sequence
from typing import Any

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.hubspot import errors, reading
from integrations_sandbox.hubspot.admission import Admission
from integrations_sandbox.hubspot.batches import Batches
from integrations_sandbox.hubspot.errors import Refusal
from integrations_sandbox.hubspot.model import Contact, document
from integrations_sandbox.hubspot.state import HubSpot
from integrations_sandbox.wire import Handler, JsonObject, Reply, Request, Route, find_route

#: Where contacts, properties, the account and the opt-outs lie, before and since the date-based versions.
CONTACTS = ("crm/v3/objects/contacts", "crm/objects/2026-03/contacts", "crm/objects/2026-09/contacts")
PROPERTIES = ("crm/v3/properties/contacts", "crm/properties/2026-03/contacts", "crm/properties/2026-09/contacts")
ACCOUNT = ("account-info/v3/details", "account-info/2026-03/details", "account-info/2026-09/details")
STATUSES = tuple(f"communication-preferences/{each}/statuses" for each in ("v4", "2026-03", "2026-09"))


class HubSpotApi:
    """Answers requests below the API's host."""

    def __init__(self, hubspot: HubSpot) -> None:
        self._hubspot = hubspot
        self._admission = Admission(hubspot)
        self._portal = hubspot.portal()
        self.routes = tuple(route for rows in (self._contacts(), self._others()) for route in rows)

    def reset(self) -> None:
        self._admission.reset()

    def _contacts(self) -> list[Route]:
        rows: list[tuple[str, str, Handler]] = [
            ("GET", "", self.list_contacts),
            ("POST", "", self.create_one),
            ("POST", "/search", self.search),
            ("POST", "/merge", self.merge),
            ("POST", "/batch/read", self.batch_read),
            ("POST", "/batch/create", self.batch_create),
            ("POST", "/batch/update", self.batch_update),
            ("POST", "/batch/upsert", self.batch_upsert),
            ("POST", "/batch/archive", self.batch_archive),
            ("GET", "/{}", self.get_one),
            ("PATCH", "/{}", self.update_one),
            ("DELETE", "/{}", self.archive_one),
        ]
        return [
            Route(method=method, template=root + rest, handler=handler)
            for root in CONTACTS
            for method, rest, handler in rows
        ]

    def _others(self) -> list[Route]:
        found = [Route(method="GET", template=each, handler=self.list_properties) for each in PROPERTIES]
        found += [Route(method="GET", template=each, handler=self.account) for each in ACCOUNT]
        for each in STATUSES:
            found.append(Route(method="POST", template=each + "/{}/unsubscribe-all", handler=self.unsubscribe))
            found.append(Route(method="GET", template=each + "/{}/unsubscribe-all", handler=self.unsubscribed))
        return found

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        """Answers one request; `fault` is the rule that hits it, if its action is one of HubSpot's own."""
        try:
            answer = find_route(self.routes, request, segments)
            if answer is None:
                raise errors.no_such_path()
            self._portal = self._admission.admit(request, fault)
            return _cut_page(answer(), fault)
        except Refusal as refusal:
            return Reply(status=refusal.status, body=refusal.body, headers=refusal.headers)

    # Reading

    def list_contacts(self, request: Request) -> Reply:
        body = reading.listed(
            self._portal,
            names=_names(request),
            after=request.value("after"),
            limit=int(request.value("limit") or 10),
            is_archived=_is_true(request.value("archived")),
        )
        return Reply(body=body)

    def search(self, request: Request) -> Reply:
        hubspot = self._hubspot
        return Reply(body=reading.searched(self._portal, hubspot.options, _object(request), hubspot.now))

    def get_one(self, request: Request, contact_id: str) -> Reply:
        contact = self._there(contact_id, request.value("idProperty"), is_archived=_is_true(request.value("archived")))
        return Reply(body=document(self._portal, contact, _names(request) or reading.USUAL))

    def _there(self, key: str, by: str | None, *, is_archived: bool = False) -> Contact:
        contact = self._portal.by_email(key) if by == "email" else self._portal.find(key)
        if contact is None or (contact.archived_at is not None) is not is_archived:
            raise errors.not_found()
        return contact

    def batch_read(self, request: Request) -> Reply:
        return self._batches().read(_object(request))

    # Writing

    def create_one(self, request: Request) -> Reply:
        given = _object(request).get("properties") or {}
        made = self._hubspot.writer(self._portal.id).create(given)
        return Reply(status=201, body=document(self._portal, made, list(given)))

    def update_one(self, request: Request, contact_id: str) -> Reply:
        given = _object(request).get("properties") or {}
        contact = self._there(contact_id, request.value("idProperty"))
        written = self._hubspot.writer(self._portal.id).update(contact, given)
        return Reply(body=document(self._portal, written, list(given)))

    def archive_one(self, request: Request, contact_id: str) -> Reply:
        contact = self._portal.find(contact_id)
        if contact is not None:
            self._hubspot.writer(self._portal.id).archive(contact)
        return Reply(status=204)

    def merge(self, request: Request) -> Reply:
        asked = _object(request)
        told = self._hubspot.merge(self._portal.id, str(asked["primaryObjectId"]), str(asked["objectIdToMerge"]))
        return Reply(body=told)

    def batch_create(self, request: Request) -> Reply:
        return self._batches().create(_object(request))

    def batch_update(self, request: Request) -> Reply:
        return self._batches().update(_object(request))

    def batch_upsert(self, request: Request) -> Reply:
        return self._batches().upsert(_object(request))

    def batch_archive(self, request: Request) -> Reply:
        return self._batches().archive(_object(request))

    def _batches(self) -> Batches:
        return Batches(self._portal, self._hubspot.options, self._hubspot.now)

    # The rest

    def list_properties(self, request: Request) -> Reply:
        return Reply(body={"results": [each.to_json() for each in self._portal.properties.values()]})

    def account(self, request: Request) -> Reply:
        return Reply(body={"portalId": self._portal.id, "accountType": "STANDARD", "timeZone": "Europe/Dublin"})

    def unsubscribe(self, request: Request, email: str) -> Reply:
        """Of all mail; somebody who has done so stays so."""
        if request.value("channel") != "EMAIL":
            raise errors.invalid("channel must be EMAIL")
        self._hubspot.opt_out(self._portal.id, email)
        return self.unsubscribed(request, email)

    def unsubscribed(self, request: Request, email: str) -> Reply:
        is_out = email.strip().lower() in self._portal.opted_out
        told = {"channel": "EMAIL", "status": "UNSUBSCRIBED", "wideStatusType": "PORTAL_WIDE"}
        return Reply(body={"status": "COMPLETE", "results": [told | {"subscriberIdString": email}] if is_out else []})


def _names(request: Request) -> list[str]:
    """Properties that are asked for, in one parameter or several."""
    return [name for value in request.values("properties") for name in value.split(",") if name]


def _is_true(text: str | None) -> bool:
    """In any case: the official client for Python sends "True"."""
    return (text or "").lower() == "true"


def _object(request: Request) -> dict[str, Any]:
    try:
        body = request.json()
    except ValueError:
        raise errors.invalid("Invalid input JSON") from None
    if not isinstance(body, dict):
        raise errors.invalid("Invalid input JSON")
    return body


def _cut_page(reply: Reply, fault: FaultRule | None) -> Reply:
    """A page that lacks records, without a sign of it."""
    action = fault.action if fault is not None else ""
    body: JsonObject | None = reply.body if isinstance(reply.body, dict) else None
    if action not in ("truncate_page", "empty_page") or body is None or "results" not in body:
        return reply
    kept = body["results"][: len(body["results"]) // 2] if action == "truncate_page" else []
    cut = {key: value for key, value in body.items() if key not in ("paging", "errors", "numErrors")}
    return Reply(status=200, body=cut | {"results": kept} | ({"total": len(kept)} if "total" in body else {}))
