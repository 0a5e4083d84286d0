"""Changes of contacts, with the rules that hold for people and for the API alike.

Belongs here: making, changing, archiving, restoring, merging; what fails leaves everything as it was. Does not: batches
and their answers (`batches`), who may do it (`admission`).
"""

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime

from integrations_sandbox.hubspot import errors, values
from integrations_sandbox.hubspot.model import Contact, Portal
from integrations_sandbox.hubspot.options import HubSpotOptions

#: Values that go one way only: a step back is answered as if it were done, and is not.
_STAGE = "lifecyclestage"
_IDENTITY = ("email", "firstname", "lastname")


class Writer:
    """Writes to one portal at one moment. `undo` takes back whatever it has written so far."""

    def __init__(self, portal: Portal, options: HubSpotOptions, now: datetime) -> None:
        self._portal = portal
        self._options = options
        self._now = now
        self._before: dict[str, Contact | None] = {}
        self._emails: dict[str, str] | None = None

    def create(self, given: Mapping[str, object]) -> Contact:
        portal = self._portal
        held = {name: kept for name, value in given.items() if (kept := values.taken(portal, name, value))}
        if not any(held.get(name) for name in _IDENTITY):
            raise errors.invalid("A contact needs an email, a firstname or a lastname")
        self._require_free(held.get("email", ""), None)
        self._remember_emails()
        contact = portal.new_contact(self._now)
        self._before[contact.id] = None
        contact.properties = held
        if contact.email:
            portal.emails[contact.email] = contact.id
        contact.note(self._now)
        return contact

    def update(self, contact: Contact, given: Mapping[str, object]) -> Contact:
        portal = self._portal
        kept = {name: values.taken(portal, name, value) for name, value in given.items()}
        if _is_step_back(portal, contact, kept.get(_STAGE, "")):
            del kept[_STAGE]
        email = kept.get("email")
        if email:
            self._require_free(email, contact)
        changed = {name: value for name, value in kept.items() if contact.properties.get(name, "") != value}
        if not changed and not self._options.moves_unchanged:
            return contact
        self._remember(contact)
        if "email" in changed:
            self._readdress(contact, changed["email"])
        contact.properties = {name: value for name, value in {**contact.properties, **changed}.items() if value}
        self.touch(contact)
        return contact

    def archive(self, contact: Contact) -> None:
        if contact.archived_at is None:
            self._remember(contact)
            self._release(contact)
            contact.archived_at = self._now
            self.touch(contact)

    def restore(self, contact: Contact) -> None:
        """Not while another one has its address."""
        self._require_free(contact.email, contact)
        self._remember(contact)
        contact.archived_at = None
        for email in filter(None, (contact.email, *contact.additional_emails)):
            self._portal.emails.setdefault(email, contact.id)
        self.touch(contact)

    def merge(self, primary: Contact, other: Contact) -> Contact:
        """The primary's values win, and the other's address is kept beside."""
        portal = self._portal
        into = portal.new_contact(self._now) if self._options.merge_makes_new_id else primary
        held = {**other.properties, **primary.properties}
        beside = [*primary.additional_emails, *other.additional_emails, other.email]
        gone = [each for each in (primary, other) if each is not into]
        into.merged_ids = [*primary.merged_ids, *other.merged_ids, *(each.id for each in gone)]
        into.properties, into.additional_emails = held, [each for each in beside if each and each != held.get("email")]
        for each in gone:
            each.merged_into = into.id
            each.note(self._now)
        for email in filter(None, (into.email, *into.additional_emails)):
            portal.emails[email] = into.id
        self.touch(into)
        return into

    def forget(self, contact: Contact) -> None:
        """Deleted for good."""
        self._release(contact)
        del self._portal.contacts[contact.id]

    def touch(self, contact: Contact) -> None:
        contact.updated_at = self._now
        contact.note(self._now)

    def undo(self) -> None:
        for key, before in self._before.items():
            if before is None:
                del self._portal.contacts[key]
            else:
                self._portal.contacts[key] = before
        if self._emails is not None:
            self._portal.emails = self._emails

    def _remember(self, contact: Contact) -> None:
        if contact.id not in self._before:
            self._before[contact.id] = deepcopy(contact)
        self._remember_emails()

    def _remember_emails(self) -> None:
        if self._emails is None:
            self._emails = dict(self._portal.emails)

    def _require_free(self, email: str, contact: Contact | None) -> None:
        holder = self._portal.by_email(email) if email else None
        if holder is not None and holder is not contact:
            raise errors.email_taken(holder.id)

    def _readdress(self, contact: Contact, email: str) -> None:
        if self._portal.emails.get(contact.email) == contact.id:
            del self._portal.emails[contact.email]
        if email:
            self._portal.emails[email] = contact.id
        contact.additional_emails = [each for each in contact.additional_emails if each != email]

    def _release(self, contact: Contact) -> None:
        self._portal.emails = {email: key for email, key in self._portal.emails.items() if key != contact.id}


def _is_step_back(portal: Portal, contact: Contact, stage: str) -> bool:
    order = [value for value, _ in portal.properties[_STAGE].options] if _STAGE in portal.properties else []
    held = contact.properties.get(_STAGE, "")
    return stage in order and held in order and order.index(stage) < order.index(held)
