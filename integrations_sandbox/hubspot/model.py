"""Portals, their contacts and their properties.

Belongs here: what is kept, and finding it. Does not: rules about values (`values`), writing (`writing`), HTTP (`api`).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations_sandbox.stage import iso
from integrations_sandbox.wire import JsonObject

#: Ids begin here, so that none is mistaken for a position.
FIRST_ID = 101
#: Kept by HubSpot itself, and in every answer.
COMPUTED = ("hs_object_id", "createdate", "lastmodifieddate")


@dataclass(slots=True)
class Property:
    """One property's definition; `name` never changes."""

    name: str
    label: str = ""
    type: str = "string"
    field_type: str = "text"
    options: tuple[tuple[str, str], ...] = ()
    is_read_only: bool = False
    is_custom: bool = False
    created_at: datetime | None = None

    def to_json(self) -> JsonObject:
        options = [
            {"label": label, "value": value, "displayOrder": number, "hidden": False}
            for number, (value, label) in enumerate(self.options)
        ]
        return {
            "name": self.name,
            "label": self.label or self.name,
            "type": self.type,
            "fieldType": self.field_type,
            "groupName": "contactinformation",
            "options": options,
            "calculated": False,
            "hasUniqueValue": self.name == "email",
            "hubspotDefined": not self.is_custom,
            "archived": False,
            "createdAt": iso(self.created_at) if self.created_at else None,
            "modificationMetadata": {
                "archivable": self.is_custom,
                "readOnlyDefinition": not self.is_custom,
                "readOnlyValue": self.is_read_only,
            },
        }


@dataclass(frozen=True, slots=True)
class Version:
    """A contact as it was from a moment on, for a search index that lags."""

    at: datetime
    properties: dict[str, str]
    updated_at: datetime
    is_there: bool


@dataclass(slots=True)
class Contact:
    """One contact. Properties without a value have no key."""

    id: str
    created_at: datetime
    updated_at: datetime
    properties: dict[str, str] = field(default_factory=dict)
    archived_at: datetime | None = None
    merged_ids: list[str] = field(default_factory=list)
    additional_emails: list[str] = field(default_factory=list)
    #: Another contact took it in: it is found under that one's id.
    merged_into: str | None = None
    versions: list[Version] = field(default_factory=list)

    @property
    def email(self) -> str:
        return self.properties.get("email", "")

    @property
    def is_there(self) -> bool:
        return self.archived_at is None and self.merged_into is None

    def note(self, at: datetime) -> None:
        """Remember how it is from now on."""
        self.versions = [*self.versions[-20:], Version(at, dict(self.properties), self.updated_at, self.is_there)]

    def as_of(self, when: datetime) -> Version | None:
        """How it was then; None if it was not there yet."""
        return next((each for each in reversed(self.versions) if each.at <= when), None)


@dataclass(slots=True)
class Rule:
    """What an admin demands of a property's values."""

    property: str
    pattern: str


@dataclass(slots=True)
class Portal:
    """One account. `emails` leads from every address, additional ones too, to the contact that has it."""

    id: int
    properties: dict[str, Property] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)
    opted_out: set[str] = field(default_factory=set)
    rules: list[Rule] = field(default_factory=list)
    is_closed: bool = False
    next_id: int = FIRST_ID

    def new_contact(self, now: datetime) -> Contact:
        made = Contact(id=str(self.next_id), created_at=now, updated_at=now)
        self.next_id += 1
        self.contacts[made.id] = made
        return made

    def find(self, contact_id: str) -> Contact | None:
        """The contact of an id, archived or not; of one that was merged, the contact it became."""
        found = self.contacts.get(contact_id)
        while found is not None and found.merged_into is not None:
            found = self.contacts.get(found.merged_into)
        return found

    def by_email(self, email: str) -> Contact | None:
        key = self.emails.get(email.strip().lower())
        return self.contacts[key] if key is not None else None

    def value(self, contact: Contact, name: str) -> str | None:
        """A property's value as an answer shows it, None where there is none."""
        return self.values(contact.id, contact.properties, contact.updated_at, contact).get(name)

    def values(
        self, contact_id: str, held: dict[str, str], updated_at: datetime, contact: Contact
    ) -> dict[str, str | None]:
        """All values, the computed ones too; of properties that are gone none."""
        kept: dict[str, str | None] = {name: held.get(name) for name in self.properties}
        kept |= {
            "hs_object_id": contact_id,
            "createdate": iso(contact.created_at),
            "lastmodifieddate": iso(updated_at),
            "hs_email_optout": "true" if held.get("email") in self.opted_out else None,
            "hs_merged_object_ids": ";".join(contact.merged_ids) or None,
            "hs_additional_emails": ";".join(contact.additional_emails) or None,
        }
        return kept


def document(portal: Portal, contact: Contact, names: list[str], version: Version | None = None) -> JsonObject:
    """A contact as the API shows it, with these properties; names that do not exist are left out without a word."""
    held, updated_at = contact.properties, contact.updated_at
    if version is not None:
        held, updated_at = version.properties, version.updated_at
    values = portal.values(contact.id, held, updated_at, contact)
    shown = {name: values[name] for name in dict.fromkeys([*COMPUTED, *names]) if name in values}
    told: JsonObject = {
        "id": contact.id,
        "properties": shown,
        "createdAt": iso(contact.created_at),
        "updatedAt": iso(updated_at),
        "archived": contact.archived_at is not None,
    }
    if contact.archived_at is not None:
        told["archivedAt"] = iso(contact.archived_at)
    return told


def whole_milliseconds(when: datetime) -> datetime:
    return when - timedelta(microseconds=when.microsecond % 1000)


def default_properties() -> dict[str, Property]:
    """Those of a new account that matter here."""
    text = ("firstname", "lastname", "company", "jobtitle", "city", "website")
    found: dict[str, Any] = {name: Property(name) for name in ("email", *text)}
    found["phone"] = Property("phone", field_type="phonenumber")
    stages = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer")
    found["lifecyclestage"] = Property(
        "lifecyclestage", type="enumeration", field_type="radio", options=tuple((each, each) for each in stages)
    )
    found["hs_email_optout"] = Property("hs_email_optout", type="bool", field_type="booleancheckbox", is_read_only=True)
    for name in ("hs_object_id", "hs_merged_object_ids", "hs_additional_emails"):
        found[name] = Property(name, is_read_only=True)
    for name in ("createdate", "lastmodifieddate"):
        found[name] = Property(name, type="datetime", field_type="date", is_read_only=True)
    return found
