"""A person's fields: what may be asked for and written, how an item is kept and shown.

Belongs here: masks, rules of values, names. Does not belong here: which contacts there are (`book`).
"""

from typing import Any

from integrations_sandbox.people import errors
from integrations_sandbox.people.model import Fields, Item, Person
from integrations_sandbox.stage import iso
from integrations_sandbox.wire import JsonObject

#: What contacts can hold and requests may change.
WRITABLE = (
    "addresses", "biographies", "birthdays", "calendarUrls", "clientData", "emailAddresses", "events", "externalIds",
    "genders", "imClients", "interests", "locales", "locations", "memberships", "miscKeywords", "names", "nicknames",
    "occupations", "organizations", "phoneNumbers", "relations", "sipAddresses", "urls", "userDefined",
)  # fmt: skip
READABLE = (*WRITABLE, "ageRanges", "coverPhotos", "metadata", "photos", "skills")
#: Fields of which a contact has at most one item.
SINGLETONS = ("biographies", "birthdays", "genders", "names")
#: Assumed: the longest text of most fields; longer ones are refused. Notes may be longer.
LONGEST_TEXT = 1024
_NAME_PARTS = ("honorificPrefix", "givenName", "middleName", "familyName", "honorificSuffix")


def read_mask(text: Any, allowed: tuple[str, ...], name: str, *, may_be_empty: bool = False) -> tuple[str, ...]:
    """The fields of a mask; a path below a field asks for the whole field."""
    if not isinstance(text, str) or (not text.strip() and not may_be_empty):
        raise errors.invalid(f"{name} mask is required. Please specify one or more valid paths.")
    paths = [part.strip() for part in text.split(",") if part.strip()]
    for path in paths:
        if path.split(".")[0] not in allowed:
            raise errors.invalid(f'Invalid {name} mask path: "{path}". Valid paths are documented.')
    return tuple(dict.fromkeys(path.split(".")[0] for path in paths))


def read_fields(document: Any, names: tuple[str, ...]) -> Fields:
    """The items of these fields in a person that a client sent, as they are kept."""
    if not isinstance(document, dict):
        raise errors.invalid("Request person is required.")
    return {name: _items(name, document.get(name) or []) for name in names if name != "memberships"}


def _items(name: str, told: Any) -> list[Item]:
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise errors.invalid(f'Invalid value at "person.{name}", a list of objects is expected.')
    if name in SINGLETONS and len(told) > 1:
        raise errors.invalid(f"Only one value of person.{name} is allowed for contact sources.")
    items = [_kept(name, each) for each in told]
    items = [item for item in items if any(value for key, value in item.items() if key != "metadata")]
    chosen = next((i for i, item in enumerate(items) if item.pop("metadata", {}).get("sourcePrimary")), 0)
    for i, item in enumerate(items):
        item["metadata"] = {"sourcePrimary": True} if i == chosen else {}
    return items


def _kept(name: str, told: Item) -> Item:
    item = {key: value for key, value in told.items() if not key.startswith("formatted") and key != "canonicalForm"}
    for key, value in item.items():
        if key != "metadata" and isinstance(value, (int, float)) and not isinstance(value, bool):
            raise errors.invalid(f'Invalid value at "person.{name}.{key}" (TYPE_STRING), {value}')
        longest = 100 * LONGEST_TEXT if name == "biographies" else LONGEST_TEXT
        if isinstance(value, str) and len(value) > longest:
            # Assumed: the wording.
            raise errors.invalid(f"The value of person.{name}.{key} is too long.")
    item["metadata"] = dict(item.get("metadata") or {})
    return _named(item) if name == "names" else item


def _named(item: Item) -> Item:
    """Assumed: parts go before the free form, which is taken apart where it stands alone."""
    kept = {key: value for key, value in item.items() if not key.startswith(("displayName", "unstructured"))}
    if not any(kept.get(part) for part in _NAME_PARTS):
        *given, family = str(item.get("unstructuredName") or "").split() or [""]
        kept |= {"givenName": " ".join(given), "familyName": family} if given else {"givenName": family}
    whole = " ".join(kept[part] for part in _NAME_PARTS if kept.get(part))
    told = {key: value for key, value in kept.items() if value}
    last_first = ", ".join(filter(None, [kept.get("familyName"), kept.get("givenName")]))
    return told | (
        {"displayName": whole, "displayNameLastFirst": last_first, "unstructuredName": whole} if whole else {}
    )


def shown(person: Person, mask: tuple[str, ...], *, tells_previous: bool = False) -> JsonObject:
    """A person as an answer tells it: a field without items is left out."""
    source = {"type": "CONTACT", "id": person.source_id}
    document: JsonObject = {"resourceName": person.resource, "etag": person.etag}
    for name in mask:
        items = _memberships(person) if name == "memberships" else person.fields.get(name, [])
        if items:
            document[name] = [_shown_item(item, source) for item in items]
    if "metadata" in mask:
        dated = {**source, "etag": f"#{person.etag}", "updateTime": iso(person.updated_at)}
        document["metadata"] = {"sources": [dated], "objectType": "PERSON"}
        if tells_previous and person.previous:
            document["metadata"]["previousResourceNames"] = list(person.previous)
    return document


def _shown_item(item: Item, source: Item) -> Item:
    is_primary = bool(item["metadata"].get("sourcePrimary"))
    flags = {"primary": True, "sourcePrimary": True} if is_primary else {}
    return {**item, "metadata": {**flags, "source": dict(source)}}


def _memberships(person: Person) -> list[Item]:
    return [
        {
            "contactGroupMembership": {
                "contactGroupId": resource.partition("/")[2],
                "contactGroupResourceName": resource,
            },
            "metadata": {},
        }
        for resource in person.groups
    ]


def deleted(resource: str) -> JsonObject:
    """How a list of changes tells that somebody is gone."""
    return {"resourceName": resource, "metadata": {"deleted": True, "objectType": "PERSON"}}
