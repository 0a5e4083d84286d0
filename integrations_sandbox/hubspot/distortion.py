"""Faults that know HubSpot's contacts: what a rule does to a request on its way in and to the answer on its way out.

Belongs here: where contacts and their `properties` are in requests and answers. Does not: what is done to the
values (the sandbox's own `distortion`), when (`faults`), answers that HubSpot may really give (`options`).
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from integrations_sandbox.distortion import altered, blanked
from integrations_sandbox.faults import FaultRule
from integrations_sandbox.wire import JsonObject, Reply, Request


def distorted(request: Request, rule: FaultRule | None, handle: Callable[[Request], Reply]) -> Reply:
    """The answer of `handle` as the rule leaves it; a refusal is left alone."""
    if rule is not None and rule.action == "alter_written":
        request = replace(request, body=_with_altered(request, rule))
    reply = handle(request)
    if rule is None or reply.status >= 300 or not isinstance(reply.body, dict):
        return reply
    if rule.action == "blank_values":
        return replace(reply, body=_with_contacts(reply.body, "results", lambda each: _blank(each, rule)))
    if rule.action == "alter_answer":
        return replace(reply, body=_with_contacts(reply.body, "results", lambda each: _altered(each, rule)))
    results = reply.body.get("results")
    if rule.action == "reorder" and isinstance(results, list):
        return replace(reply, body=reply.body | {"results": results[::-1]})
    if rule.action == "leave_out" and isinstance(results, list):
        unwanted = set(rule.names) or {each["id"] for each in results[:1]}
        return replace(reply, body=reply.body | {"results": [each for each in results if each["id"] not in unwanted]})
    return reply


def _with_altered(request: Request, rule: FaultRule) -> bytes:
    """An empty text clears a property of any type."""
    try:
        document = request.json()
    except ValueError:
        return request.body
    return json.dumps(_with_contacts(document, "inputs", lambda each: _altered(each, rule, empty=""))).encode()


def _with_contacts(body: Any, key: str, change: Callable[[JsonObject], JsonObject]) -> Any:
    if not isinstance(body, dict):
        return body
    if isinstance(body.get(key), list):
        return body | {key: [change(each) if isinstance(each.get("properties"), dict) else each for each in body[key]]}
    return change(body) if isinstance(body.get("properties"), dict) else body


def _blank(contact: JsonObject, rule: FaultRule) -> JsonObject:
    if rule.drops_key:
        return {key: value for key, value in contact.items() if key != "properties"}
    return contact | {"properties": blanked(contact["properties"], rule.names)}


def _altered(contact: JsonObject, rule: FaultRule, empty: Any = None) -> JsonObject:
    return contact | {"properties": altered(contact["properties"], rule, rule.names, empty)}
