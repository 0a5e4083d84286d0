"""Lists, searches and look-ups of contacts.

Belongs here: which contacts, in which order, how many. Does not: writing, requests as they come (`api`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations_sandbox.hubspot import errors
from integrations_sandbox.hubspot.model import Contact, Portal, Version, document
from integrations_sandbox.hubspot.options import HubSpotOptions
from integrations_sandbox.wire import JsonObject

#: What an answer shows where nothing is asked for.
USUAL = ["firstname", "lastname", "email"]
LIST_PAGE = 100
Found = tuple[Contact, Version]


def listed(portal: Portal, *, names: Sequence[str], after: str | None, limit: int, is_archived: bool) -> JsonObject:
    """A page by id. Those that were merged are in neither list."""
    if not 0 < limit <= LIST_PAGE:
        raise errors.invalid(f"limit must be from 1 to {LIST_PAGE}")
    start = int(after) if after and after.isdigit() else 0
    there = [
        each
        for each in portal.contacts.values()
        if each.merged_into is None and (each.archived_at is not None) is is_archived and int(each.id) > start
    ]
    there.sort(key=lambda each: int(each.id))
    page = there[:limit]
    body: JsonObject = {"results": [document(portal, each, list(names or USUAL)) for each in page]}
    if len(there) > limit:
        body["paging"] = {"next": {"after": page[-1].id, "link": "https://api.hubapi.com/"}}
    return body


def searched(portal: Portal, options: HubSpotOptions, asked: Mapping[str, Any], now: datetime) -> JsonObject:
    """A page of what the index knows, which may lag; no result beyond the wall is reached."""
    limit = int(asked.get("limit") or 10)
    after = int(asked.get("after") or 0)
    if not 0 < limit <= 200:
        raise errors.invalid("limit must be from 1 to 200")
    limit = min(limit, options.search_page)
    if after + limit > options.search_wall and after:
        raise errors.invalid("The search reached the most results it can give")
    when = now - timedelta(seconds=options.index_lag_seconds)
    known = [(each, version) for each in portal.contacts.values() if (version := each.as_of(when)) is not None]
    found = [each for each in known if each[1].is_there and _fits(portal, each, asked.get("filterGroups") or [])]
    for name, is_descending in reversed(_sorts(asked.get("sorts") or [])):
        found.sort(key=lambda each: _comparable(_value(portal, each, name)), reverse=is_descending)
    page = found[after : after + limit]
    names = list(asked.get("properties") or USUAL)
    body: JsonObject = {
        "total": len(found),
        "results": [document(portal, contact, names, version) for contact, version in page],
    }
    if after + limit < len(found):
        body["paging"] = {"next": {"after": str(after + limit)}}
    return body


def _sorts(given: Sequence[Any]) -> list[tuple[str, bool]]:
    if len(given) > 1:
        raise errors.invalid("only one sort is allowed")
    found = []
    for each in given or ["createdate"]:
        told = {"propertyName": each} if isinstance(each, str) else each
        name = str(told["propertyName"])
        found.append((name.lstrip("-"), name.startswith("-") or told.get("direction") == "DESCENDING"))
    return [("hs_object_id", False), *found][::-1][:2]


def _value(portal: Portal, each: Found, name: str) -> str | None:
    contact, version = each
    return portal.values(contact.id, version.properties, version.updated_at, contact).get(name)


def _fits(portal: Portal, each: Found, groups: Sequence[Mapping[str, Any]]) -> bool:
    """One of the groups, all of its filters."""
    return not groups or any(
        all(_passes(_value(portal, each, str(one["propertyName"])), one) for one in group["filters"])
        for group in groups
    )


def _passes(held: str | None, asked: Mapping[str, Any]) -> bool:
    operator = asked.get("operator")
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return (held is not None) is (operator == "HAS_PROPERTY")
    if operator == "IN":
        return held is not None and held.lower() in {str(each).lower() for each in asked.get("values") or ()}
    if operator not in _OPERATORS:
        raise errors.invalid("operator is not known")
    if held is None:
        return False
    return _OPERATORS[operator](_comparable(held), _comparable(str(asked.get("value"))))


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda held, asked: bool(held == asked),
    "NEQ": lambda held, asked: bool(held != asked),
    "GT": lambda held, asked: bool(held > asked),
    "GTE": lambda held, asked: bool(held >= asked),
    "LT": lambda held, asked: bool(held < asked),
    "LTE": lambda held, asked: bool(held <= asked),
}


def _comparable(text: str | None) -> tuple[float, str]:
    """Numbers and times by size (times in milliseconds), anything else by its letters."""
    if text is None:
        return (float("-inf"), "")
    try:
        return (float(text), "")
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return (float("inf"), text.lower())
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (float(round(when.timestamp() * 1000)), "")
