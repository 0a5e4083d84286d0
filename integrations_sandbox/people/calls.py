"""One admitted call of the API, and how its parameters are read.

Belongs here: what every handler needs. Does not belong here: finding the method, tokens, what a method does.
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations_sandbox.people import errors, fields
from integrations_sandbox.people.book import Book
from integrations_sandbox.people.model import OPEN_GROUPS, SYSTEM_GROUPS, Person
from integrations_sandbox.people.options import PeopleOptions
from integrations_sandbox.wire import JsonObject, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`body` is the JSON object that came, {} without one."""

    request: Request
    book: Book
    options: PeopleOptions
    now: datetime
    body: JsonObject

    def person_mask(self, name: str = "personFields") -> tuple[str, ...]:
        # The older parameter takes paths with `person.` before them, and is not imitated.
        told = ",".join(self.request.values(name))
        return fields.read_mask(told, fields.READABLE, name)

    def read_mask(self) -> tuple[str, ...]:
        return fields.read_mask(self.body.get("readMask", ""), fields.READABLE, "readMask", may_be_empty=True)

    def size(self, default: int, most: int) -> int:
        text = self.request.value("pageSize") or str(default)
        if not text.isdigit() or int(text) > most:
            raise errors.invalid(f"Page size must be less than or equal to {most}.")
        return int(text) or default

    def person(self, resource: str) -> Person:
        found = self.book.find(resource)
        if found is None:
            raise errors.not_found()
        return found

    def groups_of(self, document: JsonObject, before: Person | None) -> list[str]:
        """The resource names of the memberships that a client sent. Only groups of the owner's and two of the system's
        take new members; a contact stays in any that it is in."""
        found = []
        for item in document.get("memberships") or []:
            told = item.get("contactGroupMembership") or {}
            key = str(told.get("contactGroupResourceName") or "")
            group = self.book.groups.get(key)
            if group is None:
                raise errors.invalid(f"Contact group {key} is not found.")
            is_in = before is not None and key in before.groups
            if group.is_system and key not in OPEN_GROUPS and not is_in:
                raise errors.invalid("Contacts cannot be added to this system group.")
            found.append(key)
        return found


def many(body: JsonObject, key: str, most: int, kind: type) -> Any:
    """A list or map of a request, within its limit."""
    told = body.get(key)
    if not isinstance(told, kind) or not told:
        raise errors.invalid(f"Request must have at least one of {key}.")
    if len(told) > most:  # type: ignore[arg-type]  # both kinds have a length
        raise errors.invalid(f"Request must have at most {most} {key}.")
    return told


def write_token(**values: Any) -> str:
    """An opaque token that holds what it stands for."""
    return base64.urlsafe_b64encode(json.dumps(values, sort_keys=True).encode()).decode().rstrip("=")


def read_token(text: str) -> dict[str, Any]:
    """Raises WireError 400 for one that is none of ours."""
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError as error:
        raise errors.invalid("Invalid token.") from error
    if not isinstance(found, dict):
        raise errors.invalid("Invalid token.")
    return found


def is_system_name(name: str) -> bool:
    return name in SYSTEM_GROUPS
