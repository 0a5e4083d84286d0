"""Contacts, contact groups and what happened to them, of one account.

Belongs here: the values. Does not belong here: what may be written (`fields`), requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Item = dict[str, Any]
#: Field → its items, in the order of writing; at most one has `sourcePrimary` in its metadata.
Fields = dict[str, list[Item]]

MY_CONTACTS = "contactGroups/myContacts"
#: System groups by id, with the names that Google gives them; only the first two take new members.
SYSTEM_GROUPS: Mapping[str, str] = {
    "myContacts": "myContacts",
    "starred": "starred",
    "friends": "friends",
    "family": "family",
    "coworkers": "coworkers",
    "blocked": "blocked",
    "chatBuddies": "chatBuddies",
    "all": "all",
}
OPEN_GROUPS = ("contactGroups/myContacts", "contactGroups/starred")


@dataclass(slots=True)
class Person:
    """`source_id` is that of the contact source and stays; the resource name may change, and `previous` has the old
    ones. `groups` are resource names."""

    resource: str
    source_id: str
    etag: str
    updated_at: datetime
    fields: Fields
    groups: list[str]
    previous: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    resource: str
    name: str
    etag: str
    updated_at: datetime
    is_system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a person: how it was afterwards, None for deleted."""

    at: datetime
    resource: str
    person: Person | None
