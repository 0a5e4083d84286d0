# ruff: noqa: ARG002 - every handler takes the request, so that one table can hold them all
"""HubSpot's place in the sandbox: its API under `/hubspot`, its control operations.

Belongs here: the translation between control requests and the methods of the state. Does not: the operations
themselves (`state`), the public API (`api`).
"""

from collections.abc import Sequence
from dataclasses import asdict

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.hubspot.api import HubSpotApi
from integrations_sandbox.hubspot.distortion import distorted
from integrations_sandbox.hubspot.state import ALL_SCOPES, DEFAULT_TOKEN, HubSpot
from integrations_sandbox.wire import ControlRow, Reply, Request

_PORTALS = "sandbox/hubspot/portals"
_PORTAL = _PORTALS + "/{}"
_CONTACT = _PORTAL + "/contacts/{}"
_PROPERTY = _PORTAL + "/properties/{}"


class HubSpotEmulator:
    """Implements `stage.Emulator`."""

    name = "hubspot"
    roots: Sequence[str] = ()
    guide = (
        "<h2>HubSpot</h2><p>Use <code>http://THIS-HOST/hubspot</code> in place of "
        f"<code>https://api.hubapi.com</code>, with the private app's token <code>{DEFAULT_TOKEN}</code>.</p>"
    )

    def __init__(self, hubspot: HubSpot) -> None:
        self._hubspot = hubspot
        self._api = HubSpotApi(hubspot)

    def reset(self) -> None:
        self._hubspot.reset()
        self._api.reset()

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        return distorted(request, fault, lambda given: self._api.handle(given, segments, fault))

    def control(self) -> Sequence[ControlRow]:
        return [
            ("GET", "sandbox/hubspot/options", self.options, "daily_limit, index_lag_seconds, …"),
            ("PATCH", "sandbox/hubspot/options", self.set_options, "change some of them"),
            ("POST", _PORTALS, self.create_portal, "another account, with a token"),
            ("DELETE", _PORTAL, self.close_portal, "close an account"),
            ("POST", "sandbox/hubspot/tokens", self.create_token, '{"portal_id", "scopes": […]}'),
            ("DELETE", "sandbox/hubspot/tokens/{}", self.revoke_token, "revoke a token"),
            ("POST", _PORTAL + "/properties", self.create_property, '{"name", "type", "field_type", "options"}'),
            ("PATCH", _PROPERTY, self.change_property, '{"label", "type", "field_type", "is_read_only"}'),
            ("DELETE", _PROPERTY, self.archive_property, "archive a property, with its values"),
            ("POST", _PORTAL + "/rules", self.add_rule, '{"name", "pattern"}: what values must hold'),
            ("DELETE", _PORTAL + "/rules", self.clear_rules, "remove all rules"),
            ("GET", _PORTAL + "/contacts", self.contacts, "everybody who is there"),
            ("POST", _PORTAL + "/contacts", self.make, '{"email", "firstname", …}'),
            ("PATCH", _CONTACT, self.edit, '{"company": "…"}'),
            ("DELETE", _CONTACT, self.archive, "archive; /forget deletes for good"),
            ("POST", _CONTACT + "/restore", self.restore, "take it out of the archive"),
            ("POST", _CONTACT + "/forget", self.forget, "delete for good"),
            ("POST", _CONTACT + "/merge", self.merge, '{"other": ID}: take another one in'),
            ("POST", _PORTAL + "/opt-outs", self.opt_out, '{"email"}: no mail any more'),
            ("POST", _PORTAL + "/opt-ins", self.opt_in, '{"email"}: the person takes it back'),
        ]

    def options(self, request: Request) -> Reply:
        return Reply(body=asdict(self._hubspot.options))

    def set_options(self, request: Request) -> Reply:
        self._hubspot.set_options(**request.json())
        return self.options(request)

    def create_portal(self, request: Request) -> Reply:
        portal = self._hubspot.create_portal()
        return Reply(body={"id": portal.id, "token": self._hubspot.create_token(portal.id)})

    def close_portal(self, request: Request, portal_id: str) -> Reply:
        self._hubspot.close_portal(int(portal_id))
        return Reply(body={})

    def create_token(self, request: Request) -> Reply:
        document = request.json()
        scopes = document.get("scopes", sorted(ALL_SCOPES))
        token = self._hubspot.create_token(int(document["portal_id"]), value=document.get("token"), scopes=scopes)
        return Reply(body={"token": token, "scopes": scopes})

    def revoke_token(self, request: Request, token: str) -> Reply:
        self._hubspot.revoke_token(token)
        return Reply(body={})

    def create_property(self, request: Request, portal_id: str) -> Reply:
        return Reply(body=self._hubspot.create_property(int(portal_id), **request.json()).to_json())

    def change_property(self, request: Request, portal_id: str, name: str) -> Reply:
        self._hubspot.change_property(int(portal_id), name, **request.json())
        return Reply(body={})

    def archive_property(self, request: Request, portal_id: str, name: str) -> Reply:
        self._hubspot.archive_property(int(portal_id), name)
        return Reply(body={})

    def add_rule(self, request: Request, portal_id: str) -> Reply:
        self._hubspot.add_rule(int(portal_id), **request.json())
        return Reply(body={})

    def clear_rules(self, request: Request, portal_id: str) -> Reply:
        self._hubspot.clear_rules(int(portal_id))
        return Reply(body={})

    def contacts(self, request: Request, portal_id: str) -> Reply:
        return Reply(body={"contacts": self._hubspot.contacts(int(portal_id))})

    def make(self, request: Request, portal_id: str) -> Reply:
        return Reply(body=self._hubspot.make(int(portal_id), request.json()))

    def edit(self, request: Request, portal_id: str, contact_id: str) -> Reply:
        return Reply(body=self._hubspot.edit(int(portal_id), contact_id, request.json()))

    def archive(self, request: Request, portal_id: str, contact_id: str) -> Reply:
        self._hubspot.archive(int(portal_id), contact_id)
        return Reply(body={})

    def restore(self, request: Request, portal_id: str, contact_id: str) -> Reply:
        self._hubspot.restore(int(portal_id), contact_id)
        return Reply(body={})

    def forget(self, request: Request, portal_id: str, contact_id: str) -> Reply:
        self._hubspot.forget(int(portal_id), contact_id)
        return Reply(body={})

    def merge(self, request: Request, portal_id: str, contact_id: str) -> Reply:
        return Reply(body=self._hubspot.merge(int(portal_id), contact_id, str(request.json()["other"])))

    def opt_out(self, request: Request, portal_id: str) -> Reply:
        self._hubspot.opt_out(int(portal_id), request.json()["email"])
        return Reply(body={})

    def opt_in(self, request: Request, portal_id: str) -> Reply:
        self._hubspot.opt_in(int(portal_id), request.json()["email"])
        return Reply(body={})
