"""Faults that know Airtable's records: what a rule does to a request on its way in and to the answer on its way out.

Belongs here: where records and their `fields` are in requests and answers. Does not belong here: what is done to the
values (the sandbox's own `distortion`), when (`faults`).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from integrations_sandbox.airtable.state import Airtable
from integrations_sandbox.distortion import altered, blanked
from integrations_sandbox.faults import FaultRule
from integrations_sandbox.wire import JsonObject, Reply, Request


def distorted(
    airtable: Airtable, request: Request, segments: Sequence[str], rule: FaultRule, handle: Callable[[Request], Reply]
) -> Reply:
    """The answer of `handle` as the rule leaves it; a refusal is left alone."""
    if rule.action == "deny_delete":
        return Reply(body=_not_deleted(request, segments))
    names = _known_names(airtable, segments, rule)
    if rule.action == "alter_written":
        request = replace(request, body=_with_altered(request, rule, names))
    reply = handle(request)
    if reply.status != 200 or not isinstance(reply.body, dict):
        return reply
    if rule.action == "blank_values":
        return replace(reply, body=_with_fields(reply.body, lambda each: _blank(each, rule, names)))
    if rule.action == "alter_answer":
        return replace(reply, body=_with_fields(reply.body, lambda each: _altered(each, rule, names)))
    if rule.action in ("leave_out", "reorder") and "records" in reply.body:
        return replace(reply, body=reply.body | {"records": _listed(reply.body["records"], rule)})
    return reply


def _not_deleted(request: Request, segments: Sequence[str]) -> JsonObject:
    ids = request.values("records[]") + request.values("records") + list(segments[3:4])
    answers = [{"id": each, "deleted": False} for each in ids]
    return answers[0] if len(segments) == 4 else {"records": answers}


def _known_names(airtable: Airtable, segments: Sequence[str], rule: FaultRule) -> frozenset[str]:
    """The names of the rule, each with the id or the name that stands for the same column."""
    base = airtable.find_base(segments[1]) if len(segments) > 2 else None
    table = base.table(segments[2]) if base else None
    columns = [table.field(each) for each in rule.names] if table else []
    return frozenset(rule.names).union(*({each.id, each.name} for each in columns if each))


def _with_altered(request: Request, rule: FaultRule, names: frozenset[str]) -> bytes:
    """An empty text clears a cell of any type."""
    try:
        document = request.json()
    except ValueError:
        return request.body
    return json.dumps(_with_fields(document, lambda each: _altered(each, rule, names, empty=""))).encode()


def _with_fields(document: Any, change: Callable[[JsonObject], JsonObject]) -> Any:
    if not isinstance(document, dict):
        return document
    if isinstance(document.get("records"), list):
        return document | {"records": [_with_fields(each, change) for each in document["records"]]}
    return change(document) if isinstance(document.get("fields"), dict) else document


def _blank(record: JsonObject, rule: FaultRule, names: frozenset[str]) -> JsonObject:
    if rule.drops_key:
        return {key: value for key, value in record.items() if key != "fields"}
    return record | {"fields": blanked(record["fields"], names)}


def _altered(record: JsonObject, rule: FaultRule, names: frozenset[str], empty: Any = None) -> JsonObject:
    return record | {"fields": altered(record["fields"], rule, names, empty)}


def _listed(records: list[JsonObject], rule: FaultRule) -> list[JsonObject]:
    if rule.action == "reorder":
        return records[::-1]
    return [each for each in records if each["id"] not in rule.names] if rule.names else records[1:]
