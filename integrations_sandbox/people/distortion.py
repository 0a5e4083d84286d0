"""Faults that know contacts: what a rule does to a request on its way in and to the answer on its way out.

Belongs here: where contacts and their fields are in requests and answers. Does not belong here: what is done to the
values (the sandbox's own `distortion`), when (`faults`).
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from integrations_sandbox.distortion import altered, blanked
from integrations_sandbox.faults import FaultRule
from integrations_sandbox.wire import JsonObject, Reply, Request

#: Keys of a contact that are no fields with values.
_FRAME = ("resourceName", "etag", "metadata", "clientData")
_LISTS = ("connections", "contacts")


def distorted(request: Request, rule: FaultRule | None, handle: Callable[[Request], Reply]) -> Reply:
    """The answer of `handle` as the rule leaves it; a refusal is left alone. `alter_written` with `keep_old` takes the
    fields out of the mask."""
    if rule is not None and rule.action == "alter_written":
        request = replace(request, body=_altered_body(request, rule))
    reply = handle(request)
    if rule is None or reply.status != 200 or not isinstance(reply.body, dict):
        return reply
    if rule.action == "blank_values":
        return replace(reply, body=_each(reply.body, lambda person: _blank(person, rule)))
    if rule.action == "alter_answer":
        return replace(reply, body=_each(reply.body, lambda person: _altered(person, rule)))
    if rule.action in ("truncate_page", "empty_page") and "connections" in reply.body:
        rows = reply.body["connections"]
        kept = rows[: len(rows) // 2] if rule.action == "truncate_page" else []
        rest = {key: value for key, value in reply.body.items() if key not in ("connections", "nextPageToken")}
        return replace(reply, body=rest | ({"connections": kept} if kept else {}))
    return reply


def _altered_body(request: Request, rule: FaultRule) -> bytes:
    try:
        document = request.json()
    except ValueError:
        return request.body
    if rule.how == "keep_old" and isinstance(document.get("updateMask"), str):
        names = [name for name in document["updateMask"].split(",") if name not in rule.names]
        return json.dumps(document | {"updateMask": ",".join(names)}).encode()
    return json.dumps(_each(document, lambda person: _altered(person, rule, empty=[]))).encode()


def _each(document: Any, change: Callable[[JsonObject], JsonObject]) -> Any:
    """The document with every contact in it changed, wherever it stands."""
    if isinstance(document, list):
        return [_each(item, change) for item in document]
    if not isinstance(document, dict):
        return document
    if "resourceName" in document or "names" in document or "emailAddresses" in document or "etag" in document:
        return change(document)
    return {key: _each(value, change) for key, value in document.items()}


def _blank(person: JsonObject, rule: FaultRule) -> JsonObject:
    return {key: person[key] for key in _FRAME if key in person} | blanked(_values(person), rule.names)


def _altered(person: JsonObject, rule: FaultRule, empty: Any = None) -> JsonObject:
    frame = {key: person[key] for key in _FRAME if key in person}
    return frame | altered(_values(person), rule, rule.names, empty)


def _values(person: JsonObject) -> JsonObject:
    return {key: value for key, value in person.items() if key not in _FRAME}
