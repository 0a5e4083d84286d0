# ruff: noqa: ARG002 - every handler takes the request, so that one table can hold them all
"""Airtable's place in the sandbox: its API under `/airtable`, its control operations.

Belongs here: the translation between control requests and the methods of the state. Does not belong here:
the operations themselves (`state`), the public API (`api`).
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from integrations_sandbox.airtable import columns
from integrations_sandbox.airtable.api import AirtableApi
from integrations_sandbox.airtable.distortion import distorted
from integrations_sandbox.airtable.errors import bare_not_found
from integrations_sandbox.airtable.model import Field
from integrations_sandbox.airtable.state import ALL_SCOPES, DEFAULT_TOKEN, Airtable, Token
from integrations_sandbox.faults import FaultRule
from integrations_sandbox.wire import ControlRow, JsonObject, Reply, Request

_BASE = "sandbox/airtable/bases/{}"
_TABLE = _BASE + "/tables/{}"


class AirtableEmulator:
    """Implements `stage.Emulator`."""

    name = "airtable"
    roots = ("v0",)
    guide = (
        "<h2>Airtable</h2><p>Use <code>http://THIS-HOST/airtable</code> in place of "
        f"<code>https://api.airtable.com</code>, with the token <code>{DEFAULT_TOKEN}</code>.</p>"
    )

    def __init__(self, airtable: Airtable) -> None:
        self._airtable = airtable
        self._api = AirtableApi(airtable)

    def reset(self) -> None:
        self._airtable.reset()

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        if segments and segments[0] == "v0" and fault is not None:
            return distorted(self._airtable, request, segments, fault, partial(self._handle, segments, fault))
        if segments and segments[0] == "v0":
            return self._api.handle(request, segments, fault)
        refused = bare_not_found()
        return Reply(status=refused.status, body=refused.body)

    def _handle(self, segments: Sequence[str], fault: FaultRule, request: Request) -> Reply:
        return self._api.handle(request, segments, fault)

    def control(self) -> Sequence[ControlRow]:
        return [
            ("GET", "sandbox/airtable/options", self.options, "shuffle_pages, allows_webhooks, …"),
            ("PATCH", "sandbox/airtable/options", self.set_options, "change some of them"),
            (
                "POST",
                "sandbox/airtable/tokens",
                self.create_token,
                '{"scopes": […], "base_ids": […], "permission": "edit"}',
            ),
            ("DELETE", "sandbox/airtable/tokens/{}", self.revoke_token, "revoke a token"),
            ("POST", "sandbox/airtable/expire-iterators", self.expire_iterators, "forget all offsets"),
            ("GET", "sandbox/airtable/bases", self.bases, "all bases with their tables"),
            ("POST", "sandbox/airtable/bases", self.create_base, '{"name", "contacts_table": "Contacts"}'),
            ("POST", _BASE + "/tables", self.create_table, '{"name", "fields"}'),
            ("POST", _BASE + "/contacts-table", self.create_contacts, '{"name", "with_contact_id": true}'),
            ("POST", _BASE + "/webhook-error", self.webhook_error, '{"code"}: a payload that is an error'),
            ("POST", _TABLE + "/fields", self.create_field, '{"name", "type", "options"}'),
            ("PATCH", _TABLE + "/fields/{}", self.change_field, '{"name", "type", "options"}'),
            ("POST", _TABLE + "/fields/swap", self.swap_fields, '{"fields": […, …]}: each gets the name of the other'),
            (
                "POST",
                _TABLE + "/fields/{}/replace",
                self.replace_field,
                '{"type", "options"}: delete it, make one anew',
            ),
            ("PUT", _TABLE + "/fields/{}/outputs", self.set_outputs, '{"*": {"error": "#ERROR!"}, "rec…": …}'),
            ("DELETE", _TABLE + "/fields/{}", self.delete_field, "delete a field and its cells"),
            ("POST", _TABLE + "/views", self.create_view, '{"name", "formula"}'),
            ("GET", _TABLE + "/records", self.records, "all records"),
            ("POST", _TABLE + "/records", self.create_records, '{"records": [{"fields": {…}}]}'),
            ("PATCH", _TABLE + "/records", self.update_records, '{"records": [{"id", "fields": {…}}]}'),
            ("DELETE", _TABLE + "/records", self.delete_records, '{"ids": […]}'),
        ]

    def options(self, request: Request) -> Reply:
        return Reply(body=asdict(self._airtable.options))

    def set_options(self, request: Request) -> Reply:
        self._airtable.set_options(**request.json())
        return self.options(request)

    def create_token(self, request: Request) -> Reply:
        document = request.json()
        token = self._airtable.create_token(
            value=document.get("token"),
            user_id=document.get("user_id"),
            scopes=document.get("scopes", ALL_SCOPES),
            base_ids=document.get("base_ids"),
            oauth_client=document.get("oauth_client"),
            permission=document.get("permission", "create"),
        )
        return Reply(body=_token_json(token))

    def revoke_token(self, request: Request, token: str) -> Reply:
        self._airtable.revoke_token(token)
        return Reply(body={})

    def expire_iterators(self, request: Request) -> Reply:
        self._airtable.expire_iterators()
        return Reply(body={})

    def bases(self, request: Request) -> Reply:
        return Reply(body={"bases": [self._base_json(base.id) for base in self._airtable.bases]})

    def create_base(self, request: Request) -> Reply:
        document = request.json()
        base = self._airtable.create_base(document["name"], document.get("id"))
        for table in document.get("tables", []):
            self._airtable.create_table(base.id, table["name"], table["fields"])
        if document.get("contacts_table"):
            self._airtable.create_contacts_table(base.id, document["contacts_table"])
        return Reply(body=self._base_json(base.id))

    def create_table(self, request: Request, base_id: str) -> Reply:
        document = request.json()
        return Reply(body=self._airtable.create_table(base_id, document["name"], document["fields"]).to_json())

    def create_contacts(self, request: Request, base_id: str) -> Reply:
        document = request.json()
        name, with_contact_id = document.get("name", "Contacts"), document.get("with_contact_id", True)
        table = self._airtable.create_contacts_table(base_id, name, with_contact_id=with_contact_id)
        return Reply(body=table.to_json())

    def webhook_error(self, request: Request, base_id: str) -> Reply:
        self._airtable.send_webhook_error(base_id, request.json().get("code", "INVALID_HOOK"))
        return Reply(body={})

    def create_field(self, request: Request, base_id: str, table: str) -> Reply:
        return Reply(body=self._airtable.create_field(base_id, table, request.json()).to_json())

    def change_field(self, request: Request, base_id: str, table: str, column: str) -> Reply:
        """The type first: its refusal leaves the name alone."""
        document, field_id = request.json(), self._column(base_id, table, column).id
        if "type" in document:
            self._airtable.change_field_type(base_id, table, field_id, document["type"], document.get("options"))
        if "name" in document:
            self._airtable.rename_field(base_id, table, field_id, document["name"])
        return Reply(body=self._column(base_id, table, field_id).to_json())

    def swap_fields(self, request: Request, base_id: str, table: str) -> Reply:
        first, second = request.json()["fields"]
        self._airtable.swap_fields(base_id, table, first, second)
        return Reply(body=self._airtable.table(base_id, table).to_json())

    def replace_field(self, request: Request, base_id: str, table: str, column: str) -> Reply:
        return Reply(body=self._airtable.replace_field(base_id, table, column, request.json()).to_json())

    def set_outputs(self, request: Request, base_id: str, table: str, column: str) -> Reply:
        self._airtable.set_outputs(base_id, table, column, request.json())
        return Reply(body={})

    def _column(self, base_id: str, table: str, column: str) -> Field:
        return columns.column_of(self._airtable.table(base_id, table), column)

    def delete_field(self, request: Request, base_id: str, table: str, column: str) -> Reply:
        self._airtable.delete_field(base_id, table, column)
        return Reply(body={})

    def create_view(self, request: Request, base_id: str, table: str) -> Reply:
        document = request.json()
        view = self._airtable.create_view(base_id, table, document["name"], document.get("formula"))
        return Reply(body=view.to_json())

    def records(self, request: Request, base_id: str, table: str) -> Reply:
        return Reply(body={"records": self._airtable.records(base_id, table)})

    def create_records(self, request: Request, base_id: str, table: str) -> Reply:
        fields = [each["fields"] for each in request.json()["records"]]
        return Reply(body={"records": self._airtable.create_records(base_id, table, fields)})

    def update_records(self, request: Request, base_id: str, table: str) -> Reply:
        return Reply(body={"records": self._airtable.update_records(base_id, table, request.json()["records"])})

    def delete_records(self, request: Request, base_id: str, table: str) -> Reply:
        self._airtable.delete_records(base_id, table, request.json()["ids"])
        return Reply(body={})

    def _base_json(self, base_id: str) -> JsonObject:
        base = self._airtable.base(base_id)
        return {"id": base.id, "name": base.name, "tables": [each.to_json() for each in base.tables.values()]}


def _token_json(token: Token) -> JsonObject:
    base_ids: Any = sorted(token.base_ids) if token.base_ids is not None else None
    return {
        "token": token.value,
        "user_id": token.user_id,
        "scopes": sorted(token.scopes),
        "base_ids": base_ids,
    }
