"""Contacts' fields in the words of a workspace, both ways. Pure.

Belongs here: which item of a field counts, its value, and the items with another value in its place. Does not: labels'
names (`groups`), requests.

A contact has several e-mails, phones and organizations. One of each counts: the source's primary one, else the first.
What is written takes its place; the others stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations_pipeline.model import MappedField, clean_text
from integrations_pipeline.providers.google_contacts.client import Person

Item = Mapping[str, Any]
Items = Sequence[Item]

#: Under this key a create leaves the contact's id among the client data, which no app shows.
CONTACT_KEY = "integrations.contact_id"
MEMBERSHIPS = "memberships"
USER_DEFINED = "userDefined"
#: Column → the field and the key of its item.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "names": ("names", ""),
    "emailAddresses": ("emailAddresses", "value"),
    "phoneNumbers": ("phoneNumbers", "value"),
    "organizations.name": ("organizations", "name"),
    "organizations.title": ("organizations", "title"),
    "organizations.department": ("organizations", "department"),
    "biographies": ("biographies", "value"),
    "nicknames": ("nicknames", "value"),
    "occupations": ("occupations", "value"),
    "urls": ("urls", "value"),
    MEMBERSHIPS: (MEMBERSHIPS, ""),
}
_NAME_PARTS = ("honorificPrefix", "givenName", "middleName", "familyName", "honorificSuffix")
#: Keys of an item that say nothing by themselves.
_HOLLOW = ("metadata", "type", "formattedType", "current")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a mapped field is kept: a person's field, and the key of its item; in `userDefined` the item's own key."""

    field: str
    key: str

    @classmethod
    def of(cls, column: str) -> "Place | None":
        head, dot, key = column.partition(".")
        if head == USER_DEFINED and dot and key:
            return cls(field=USER_DEFINED, key=key)
        known = COLUMNS.get(column)
        return None if known is None else cls(field=known[0], key=known[1])


def mask_of(mapping: Sequence[MappedField]) -> list[str]:
    """What must be asked for: the mapped fields, the contact's key and what tells its version."""
    places = [place for mapped in mapping if (place := Place.of(mapped.column))]
    return sorted({"clientData", "metadata", *(place.field for place in places)})


def value_of(person: Person, place: Place) -> str:
    """Of a field that was asked for: one that is not there is empty, for Google leaves empty ones out."""
    items: Items = person.get(place.field) or []
    chosen = _chosen(items, place)
    if chosen is None:
        return ""
    item = items[chosen]
    if place.field == "names":
        return _whole_name(item)
    return clean_text(item.get("value" if place.field == USER_DEFINED else place.key, "")).strip()


def with_value(items: Items, place: Place, value: str) -> list[dict[str, Any]]:
    """The items of a field with this value where the one that counts was."""
    kept = [dict(item) for item in items]
    if place.field == "names":
        return _renamed(kept, value)
    chosen = _chosen(items, place)
    key = "value" if place.field == USER_DEFINED else place.key
    item = {} if chosen is None else kept.pop(chosen)
    if place.field == USER_DEFINED:
        item = {"key": place.key} if value else {}
    if value:
        item[key] = value
    else:
        item.pop(key, None)
    if not any(item.get(name) for name in item if name not in _HOLLOW):
        return kept
    if place.key == "value":
        # A second e-mail that becomes the first is not there twice.
        kept = [other for other in kept if other.get("value") != value]
    if place.field != USER_DEFINED:
        kept = [_unmarked(other) for other in kept]
        item["metadata"] = {"sourcePrimary": True}
    return [item, *kept]


def others_of(person: Person, place: Place) -> list[str]:
    """The values beside the one that counts, where one of them takes its place when that is cleared."""
    items: Items = person.get(place.field) or []
    chosen = _chosen(items, place)
    if place.field in ("names", MEMBERSHIPS, USER_DEFINED):
        return []
    return [clean_text(item.get(place.key, "")).strip() for i, item in enumerate(items) if i != chosen]


def contact_key(person: Person) -> str:
    """The contact that a create of ours made it for, or ""; also where it carries several, as after a merge."""
    found = {item.get("value", "") for item in person.get("clientData") or [] if item.get("key") == CONTACT_KEY}
    return clean_text(found.pop()) if len(found) == 1 else ""


def source_of(person: Person) -> Mapping[str, Any]:
    """The contact's own source, with its etag and time; {} where it is not told."""
    sources = (person.get("metadata") or {}).get("sources") or []
    return next((source for source in sources if source.get("type") == "CONTACT"), {})


def etag_of(person: Person) -> str:
    return str(source_of(person).get("etag") or person.get("etag") or "")


def modified_at(person: Person) -> datetime | None:
    try:
        found = datetime.fromisoformat(source_of(person).get("updateTime") or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _chosen(items: Items, place: Place) -> int | None:
    """Which item counts. They come in no order; one is primary for the contact, or for all sources together."""
    if place.field == USER_DEFINED:
        return next((i for i, item in enumerate(items) if item.get("key") == place.key), None)
    for mark in ("sourcePrimary", "primary"):
        marked = [i for i, item in enumerate(items) if (item.get("metadata") or {}).get(mark)]
        if marked:
            return marked[0]
    return 0 if items else None


def _unmarked(item: Item) -> dict[str, Any]:
    """An item that another one goes before."""
    marks = {
        key: value for key, value in (item.get("metadata") or {}).items() if key not in ("primary", "sourcePrimary")
    }
    return {**item, "metadata": marks}


def _whole_name(item: Item) -> str:
    parts = " ".join(item[part].strip() for part in _NAME_PARTS if item.get(part))
    return clean_text(item.get("unstructuredName") or parts or item.get("displayName") or "").strip()


def _renamed(items: list[dict[str, Any]], value: str) -> list[dict[str, Any]]:
    """A contact has one name. Where a given or family name stays, the person's own split stays; else Google splits."""
    if not value:
        return []
    old = items[0] if items else {}
    kept = {key: text for key, text in old.items() if key.startswith("phonetic")}
    given, family = old.get("givenName", ""), old.get("familyName", "")
    has_more = any(old.get(part) for part in _NAME_PARTS if part not in ("givenName", "familyName"))
    if given and family and not has_more:
        if value.startswith(f"{given} "):
            return [{**kept, "givenName": given, "familyName": value.removeprefix(f"{given} ")}]
        if value.endswith(f" {family}"):
            return [{**kept, "givenName": value.removesuffix(f" {family}"), "familyName": family}]
    return [{**kept, "unstructuredName": value}]
