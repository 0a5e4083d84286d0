"""The state of the sandboxed HubSpot and what people can do to it: an admin, and whoever works in the app.

Belongs here: portals, tokens, options in one object; acting as a person. Does not: HTTP, requests and limits (`api`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.hubspot import errors
from integrations_sandbox.hubspot.model import (
    Contact,
    Portal,
    Property,
    Rule,
    default_properties,
    document,
    whole_milliseconds,
)
from integrations_sandbox.hubspot.options import HubSpotOptions
from integrations_sandbox.hubspot.writing import Writer
from integrations_sandbox.stage import LoggedRequest, Stage
from integrations_sandbox.wire import JsonObject

#: Opens a server on loopback that holds invented data only.
DEFAULT_TOKEN = "pat-eu1-sandbox"  # noqa: S105 - guards nothing
DEFAULT_PORTAL = 1_000_001
READ = "crm.objects.contacts.read"
WRITE = "crm.objects.contacts.write"
SCHEMA = "crm.schemas.contacts.read"
CONSENT = "subscriptions-status-write"
ALL_SCOPES = frozenset({READ, WRITE, SCHEMA, CONSENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A private app's token: its portal and scopes."""

    value: str
    portal_id: int
    scopes: frozenset[str]


def portal_of(account: str) -> int:
    """The portal of an account at the authorization server, which is its id or stands for the first one."""
    return int(account) if account.isdecimal() else DEFAULT_PORTAL


class HubSpot:
    """Everything the sandboxed HubSpot knows. What people do is not limited in number. Methods raise WireError with the
    body that the API would have sent, and are safe to call from any thread."""

    def __init__(self, stage: Stage, options: HubSpotOptions) -> None:
        self.stage = stage
        self._first_options = options
        self.reset()

    def reset(self) -> None:
        """Back to the start: one portal with one token, and nobody in it."""
        with self.stage.lock:
            self.options = self._first_options
            self.portals: dict[int, Portal] = {}
            self._tokens: dict[str, Token] = {}
            self.create_portal()
            self.create_token(DEFAULT_PORTAL, value=DEFAULT_TOKEN)

    def set_options(self, **changes: Any) -> None:
        """Changes options of the running server. Raises TypeError for one that does not exist."""
        with self.stage.lock:
            self.options = replace(self.options, **changes)

    @property
    def now(self) -> datetime:
        return whole_milliseconds(self.stage.clock.now())

    # Portals and tokens

    def create_portal(self) -> Portal:
        """Another account; the first one has the id `DEFAULT_PORTAL`."""
        with self.stage.lock:
            made = Portal(id=DEFAULT_PORTAL + len(self.portals), properties=default_properties())
            # Every portal counts from another start, so that no id is in two of them.
            made.next_id += 1_000_000 * len(self.portals)
            self.portals[made.id] = made
            return made

    def portal(self, portal_id: int = DEFAULT_PORTAL) -> Portal:
        found = self.portals.get(portal_id)
        if found is None:
            raise errors.not_found()
        return found

    def close_portal(self, portal_id: int = DEFAULT_PORTAL) -> None:
        """The account is gone; whatever its tokens ask for is refused."""
        self.portal(portal_id).is_closed = True

    def create_token(
        self, portal_id: int = DEFAULT_PORTAL, *, value: str | None = None, scopes: Iterable[str] = ALL_SCOPES
    ) -> str:
        with self.stage.lock:
            token = value or self.stage.ids.new("pat-eu1-")
            self._tokens[token] = Token(value=token, portal_id=portal_id, scopes=frozenset(scopes))
            return token

    def revoke_token(self, value: str) -> None:
        with self.stage.lock:
            self._tokens.pop(value, None)

    def find_token(self, value: str | None) -> Token | None:
        """The rights of a private app's or an OAuth token; None if it is worth nothing (any more)."""
        if value in self._tokens:
            return self._tokens[value]
        grant = self.stage.grants.find("hubspot", value, self.stage.clock.now())
        if grant is None:
            return None
        return Token(value=grant.token, portal_id=portal_of(grant.account), scopes=grant.scopes)

    # Properties

    def create_property(
        self,
        portal_id: int,
        name: str,
        *,
        type: str = "string",
        field_type: str = "text",
        options: Sequence[str] = (),
    ) -> Property:
        """A custom property; each option's value is its label in lower case."""
        with self.stage.lock:
            chosen = tuple((each.lower(), each) for each in options)
            made = Property(name, type=type, field_type=field_type, options=chosen, is_custom=True)
            made.created_at = self.now
            self.portal(portal_id).properties[name] = made
            return made

    def change_property(self, portal_id: int, name: str, **changes: Any) -> None:
        """`label`, `type`, `field_type`, `options` as pairs, `is_read_only`."""
        with self.stage.lock:
            properties = self.portal(portal_id).properties
            properties[name] = replace(properties[name], **changes)

    def archive_property(self, portal_id: int, name: str) -> None:
        with self.stage.lock:
            portal = self.portal(portal_id)
            del portal.properties[name]
            for contact in portal.contacts.values():
                contact.properties.pop(name, None)

    def add_rule(self, portal_id: int, name: str, pattern: str) -> None:
        """An admin demands that values of a property hold this expression."""
        self.portal(portal_id).rules.append(Rule(name, pattern))

    def clear_rules(self, portal_id: int) -> None:
        self.portal(portal_id).rules.clear()

    # Contacts, as people change them

    def writer(self, portal_id: int) -> Writer:
        return Writer(self.portal(portal_id), self.options, self.now)

    def contact(self, portal_id: int, contact_id: str) -> Contact:
        found = self.portal(portal_id).find(contact_id)
        if found is None:
            raise errors.not_found()
        return found

    def make(self, portal_id: int, properties: Mapping[str, object]) -> JsonObject:
        with self.stage.lock:
            return self._shown(portal_id, self.writer(portal_id).create(properties))

    def edit(self, portal_id: int, contact_id: str, properties: Mapping[str, object]) -> JsonObject:
        with self.stage.lock:
            contact = self.contact(portal_id, contact_id)
            return self._shown(portal_id, self.writer(portal_id).update(contact, properties))

    def archive(self, portal_id: int, contact_id: str) -> None:
        with self.stage.lock:
            self.writer(portal_id).archive(self.contact(portal_id, contact_id))

    def restore(self, portal_id: int, contact_id: str) -> None:
        with self.stage.lock:
            self.writer(portal_id).restore(self.contact(portal_id, contact_id))

    def forget(self, portal_id: int, contact_id: str) -> None:
        """Deleted for good, as the law on privacy has it; nothing tells of it."""
        with self.stage.lock:
            self.writer(portal_id).forget(self.contact(portal_id, contact_id))

    def merge(self, portal_id: int, primary_id: str, other_id: str) -> JsonObject:
        with self.stage.lock:
            primary, other = self.contact(portal_id, primary_id), self.contact(portal_id, other_id)
            if primary is other:
                raise errors.invalid("a contact cannot be merged with itself")
            return self._shown(portal_id, self.writer(portal_id).merge(primary, other))

    def contacts(self, portal_id: int = DEFAULT_PORTAL) -> list[JsonObject]:
        """Everybody who is there, with all properties."""
        with self.stage.lock:
            portal = self.portal(portal_id)
            return [self._shown(portal_id, each) for each in portal.contacts.values() if each.is_there]

    def opt_out(self, portal_id: int, email: str) -> None:
        """Of all mail. Assumed: the address keeps it, whoever has the address, and its contact counts as changed."""
        with self.stage.lock:
            self._set_consent(portal_id, email, is_out=True)

    def opt_in(self, portal_id: int, email: str) -> None:
        """The person takes it back."""
        with self.stage.lock:
            self._set_consent(portal_id, email, is_out=False)

    def _set_consent(self, portal_id: int, email: str, *, is_out: bool) -> None:
        portal, address = self.portal(portal_id), email.strip().lower()
        if (address in portal.opted_out) == is_out:
            return
        (portal.opted_out.add if is_out else portal.opted_out.discard)(address)
        contact = portal.by_email(address)
        if contact is not None:
            self.writer(portal_id).touch(contact)

    def _shown(self, portal_id: int, contact: Contact) -> JsonObject:
        portal = self.portal(portal_id)
        return document(portal, contact, list(portal.properties))

    # The sandbox itself

    def add_fault(self, rule: FaultRule) -> None:
        with self.stage.lock:
            self.stage.faults.add(rule)

    def clear_faults(self) -> None:
        with self.stage.lock:
            self.stage.faults.clear()

    def requests(self, after: int = 0) -> list[LoggedRequest]:
        """What arrived, oldest first; those with a larger number than `after`."""
        with self.stage.lock:
            return self.stage.log.entries(after)
