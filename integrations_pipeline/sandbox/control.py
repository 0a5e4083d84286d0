# ruff: noqa: ARG002 - every handler takes the request, so that one table can hold them all
"""The control API under `/sandbox`: act as a person in the app, make things go wrong, see what arrived.

Belongs here: its routes, and the translation between JSON and the methods of the providers' state.
Does not belong here: the operations themselves, the providers' own APIs.

Control requests need no token, are not limited, not hit by faults and not logged.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from integrations_pipeline.sandbox.airtable.state import ALL_SCOPES, DEFAULT_TOKEN, Airtable, Token
from integrations_pipeline.sandbox.faults import FaultRule
from integrations_pipeline.sandbox.page import render
from integrations_pipeline.sandbox.stage import Stage, iso
from integrations_pipeline.sandbox.wire import JsonObject, Reply, Request, Route, WireError, find_route

_BASE = "sandbox/airtable/bases/{}"
_TABLE = _BASE + "/tables/{}"


class Control:
    """Answers requests whose path begins with `/sandbox`, and `/`."""

    def __init__(self, stage: Stage, airtable: Airtable) -> None:
        self._stage = stage
        self._airtable = airtable
        self._routes = tuple(
            Route(method=method, template=template, handler=handler) for method, template, handler, _ in self._table()
        )

    def handle(self, request: Request) -> Reply:
        answer = find_route(self._routes, request, request.segments)
        if answer is None:
            return _refused(404, "NOT_FOUND", "the control API has no such path or method; see /")
        try:
            with self._stage.lock:
                return answer()
        except WireError as error:
            return Reply(status=error.status, body=error.body)
        except (ValueError, TypeError, KeyError) as error:
            return _refused(400, "BAD_REQUEST", f"{type(error).__name__}: {error}")

    def page(self) -> Reply:
        lines = [f"{method:<6} /{_shown(path):<58} {text}" for method, path, _, text in self._table()]
        return Reply(html=render(DEFAULT_TOKEN, lines))

    def _table(self) -> list[tuple[str, str, Callable[..., Reply], str]]:
        return [
            ("GET", "sandbox/health", self.health, "is it up"),
            ("POST", "sandbox/reset", self.reset, "forget everything"),
            ("POST", "sandbox/clock", self.advance, '{"advance_seconds": 60}'),
            ("GET", "sandbox/requests", self.requests, "what arrived; ?after=N"),
            ("DELETE", "sandbox/requests", self.clear_requests, "empty that log"),
            ("GET", "sandbox/faults", self.faults, "the fault rules in force"),
            ("POST", "sandbox/faults", self.add_faults, '{"action": "status", "status": 503, "times": 2}'),
            ("DELETE", "sandbox/faults", self.clear_faults, "remove them"),
            ("GET", "sandbox/airtable/options", self.options, "shuffle_pages, allows_webhooks, …"),
            ("PATCH", "sandbox/airtable/options", self.set_options, "change some of them"),
            ("POST", "sandbox/airtable/tokens", self.create_token, '{"scopes": […], "base_ids": […]}'),
            ("DELETE", "sandbox/airtable/tokens/{}", self.revoke_token, "revoke a token"),
            ("POST", "sandbox/airtable/expire-iterators", self.expire_iterators, "forget all offsets"),
            ("GET", "sandbox/airtable/bases", self.bases, "all bases with their tables"),
            ("POST", "sandbox/airtable/bases", self.create_base, '{"name", "contacts_table": "Contacts"}'),
            ("POST", _BASE + "/tables", self.create_table, '{"name", "fields"}'),
            ("POST", _BASE + "/contacts-table", self.create_contacts, '{"name", "with_contact_id": true}'),
            ("POST", _BASE + "/webhook-error", self.webhook_error, '{"code"}: a payload that is an error'),
            ("POST", _TABLE + "/fields", self.create_field, '{"name", "type", "options"}'),
            ("PATCH", _TABLE + "/fields/{}", self.rename_field, '{"name"}'),
            ("DELETE", _TABLE + "/fields/{}", self.delete_field, "delete a field and its cells"),
            ("POST", _TABLE + "/views", self.create_view, '{"name", "formula"}'),
            ("GET", _TABLE + "/records", self.records, "all records"),
            ("POST", _TABLE + "/records", self.create_records, '{"records": [{"fields": {…}}]}'),
            ("PATCH", _TABLE + "/records", self.update_records, '{"records": [{"id", "fields": {…}}]}'),
            ("DELETE", _TABLE + "/records", self.delete_records, '{"ids": […]}'),
        ]

    # For all providers

    def health(self, request: Request) -> Reply:
        return Reply(body={"status": "ok", "time": iso(self._stage.clock.now()), "providers": ["airtable"]})

    def reset(self, request: Request) -> Reply:
        self._stage.reset()
        self._airtable.reset()
        return Reply(body={})

    def advance(self, request: Request) -> Reply:
        self._stage.clock.advance(float(request.json()["advance_seconds"]))
        return self.health(request)

    def requests(self, request: Request) -> Reply:
        entries = self._stage.log.entries(int(request.value("after") or 0))
        return Reply(body={"requests": [entry.to_json() for entry in entries]})

    def clear_requests(self, request: Request) -> Reply:
        self._stage.log.clear()
        return Reply(body={})

    def faults(self, request: Request) -> Reply:
        return Reply(body={"faults": self._stage.faults.to_json()})

    def add_faults(self, request: Request) -> Reply:
        """One rule, or `{"faults": [rule, …]}`; nothing is added unless all are right."""
        document = request.json()
        rules = [FaultRule.from_json(each) for each in document.get("faults", [document])]
        for rule in rules:
            self._stage.faults.add(rule)
        return self.faults(request)

    def clear_faults(self, request: Request) -> Reply:
        self._stage.faults.clear()
        return Reply(body={})

    # Airtable

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

    def rename_field(self, request: Request, base_id: str, table: str, column: str) -> Reply:
        self._airtable.rename_field(base_id, table, column, request.json()["name"])
        return Reply(body={})

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


def _refused(status: int, kind: str, message: str) -> Reply:
    return Reply(status=status, body={"error": {"type": kind, "message": message}})


def _shown(template: str) -> str:
    """A path template with names in place of its `{}`: base, table, and what comes third."""
    template = template.replace("tokens/{}", "tokens/TOKEN")
    for name in ("BASE", "TABLE", "ID"):
        template = template.replace("{}", name, 1)
    return template
