"""Faults that know Mailchimp's members: what a rule does to a request on its way in and to the answer on its way out.

Belongs here: where members and their `merge_fields` are in requests and answers. Does not belong here: what is done to
the values (the sandbox's own `distortion`), when (`faults`), answers that Mailchimp may really give (`options`).
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from integrations_sandbox.distortion import altered, blanked
from integrations_sandbox.faults import FaultRule
from integrations_sandbox.wire import JsonObject, Reply, Request

#: Lists of members in the answers, the last two in those to a batch.
_LISTS = ("members", "new_members", "updated_members")


def distorted(request: Request, rule: FaultRule | None, handle: Callable[[Request], Reply]) -> Reply:
    """The answer of `handle` as the rule leaves it; a refusal is left alone."""
    if rule is not None and rule.action == "alter_written":
        request = replace(request, body=_with_altered(request, rule))
    reply = handle(request)
    if rule is None or reply.status != 200 or not isinstance(reply.body, dict):
        return reply
    if rule.action == "blank_values":
        return replace(reply, body=_with_members(reply.body, lambda each: _blank(each, rule)))
    if rule.action == "alter_answer":
        return replace(reply, body=_with_members(reply.body, lambda each: _altered(each, rule)))
    if rule.action in ("leave_out", "reorder") and "new_members" in reply.body:
        return replace(reply, body=_without(reply.body, rule) if rule.action == "leave_out" else _reversed(reply.body))
    return reply


def _with_altered(request: Request, rule: FaultRule) -> bytes:
    """An empty text clears a field of any type."""
    try:
        document = request.json()
    except ValueError:
        return request.body
    return json.dumps(_with_members(document, lambda each: _altered(each, rule, empty=""))).encode()


def _with_members(document: Any, change: Callable[[JsonObject], JsonObject]) -> Any:
    if not isinstance(document, dict):
        return document
    lists = {key: document[key] for key in _LISTS if isinstance(document.get(key), list)}
    changed = {key: [_with_members(each, change) for each in members] for key, members in lists.items()}
    return change(document | changed) if isinstance(document.get("merge_fields"), dict) else document | changed


def _blank(member: JsonObject, rule: FaultRule) -> JsonObject:
    if rule.drops_key:
        return {key: value for key, value in member.items() if key != "merge_fields"}
    return member | {"merge_fields": blanked(member["merge_fields"], rule.names)}


def _altered(member: JsonObject, rule: FaultRule, empty: Any = None) -> JsonObject:
    return member | {"merge_fields": altered(member["merge_fields"], rule, rule.names, empty)}


def _without(body: JsonObject, rule: FaultRule) -> JsonObject:
    """The totals agree with what is left, so that nothing but the absence tells of it."""
    first = next((each["email_address"] for key in _RESULTS for each in body[key]), "")
    unwanted = {each.lower() for each in rule.names or [first]}
    kept = {key: [each for each in body[key] if each["email_address"].lower() not in unwanted] for key in _RESULTS}
    return body | kept | {total: len(kept[key]) for key, total in _RESULTS.items()}


_RESULTS = {"new_members": "total_created", "updated_members": "total_updated", "errors": "error_count"}


def _reversed(body: JsonObject) -> JsonObject:
    return body | {key: body[key][::-1] for key in _RESULTS}
