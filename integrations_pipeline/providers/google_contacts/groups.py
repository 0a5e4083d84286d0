"""Labels, which the API calls contact groups: a contact's tags are the labels that people gave it.

Belongs here: names and ids of labels, making one, a contact's memberships with other labels. Does not: requests. The
system's own groups (myContacts, starred, …) are no tags, and every contact stays in those that it is in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import clean_text, join_set, split_set
from integrations_pipeline.providers.google_contacts import wire
from integrations_pipeline.providers.google_contacts.client import ContactsClient, Person

#: A contact with labels only would be missing in people's own list.
MY_CONTACTS = "contactGroups/myContacts"
_OWN = "USER_CONTACT_GROUP"


class Labels:
    """The account's labels by resource name; asked for once per read, and again where one is unknown."""

    def __init__(self, client: ContactsClient) -> None:
        self._client = client
        self._names: dict[str, str] = {}
        self._system: set[str] = set()
        self._is_loaded = False

    def load(self) -> dict[str, str]:
        """Ask for them; what people named, by resource name."""
        groups = self._client.groups()
        own = {
            each["resourceName"]: clean_text(each.get("name", "")) for each in groups if each.get("groupType") == _OWN
        }
        self._system = {each["resourceName"] for each in groups} - own.keys()
        self._names, self._is_loaded = own, True
        return dict(own)

    def tags(self, person: Person) -> str | None:
        """A contact's tags; None where a label is one that the account does not know: then they are not told."""
        wanted = [key for key in _memberships(person) if key not in self._system]
        if not self._is_loaded or not all(key in self._names or key in self._system for key in wanted):
            self.load()
            wanted = [key for key in wanted if key not in self._system]
        if not all(key in self._names for key in wanted):
            return None
        return join_set(self._names[key] for key in wanted)

    def memberships(self, person: Person, tags: str) -> list[dict[str, Any]]:
        """What a contact with these tags is in; labels that are missing are made. `PermanentError` for one that Google
        does not take."""
        ids = [self._id_of(name) for name in split_set(tags)]
        kept = [key for key in _memberships(person) if key in self._system] if person else [MY_CONTACTS]
        return [{"contactGroupMembership": {"contactGroupResourceName": key}} for key in dict.fromkeys([*kept, *ids])]

    def _id_of(self, name: str) -> str:
        if not self._is_loaded:
            self.load()
        return self._find(name, same_case=True) or self._make(name)

    def _make(self, name: str) -> str:
        try:
            made = self._client.create_group(name)
        except PermanentError as error:
            # Somebody made it meanwhile, a lost answer of ours did, or Google does not tell its case apart.
            self.load()
            found = self._find(name, same_case=True) or self._find(name, same_case=False)
            if found:
                return found
            told = "its name is one of Google's own" if error.code == wire.TAKEN else error.code
            raise PermanentError(
                f"Google Contacts did not take a tag as a label ({told}); rename or remove the tag"
            ) from error
        self._names[made["resourceName"]] = name
        return str(made["resourceName"])

    def _find(self, name: str, *, same_case: bool) -> str | None:
        def folded(text: str) -> str:
            return text if same_case else text.casefold()

        return next((key for key, known in self._names.items() if folded(known) == folded(name)), None)


def is_other(known: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether a label that was known has another name or is gone: no list of changes tells its contacts for that."""
    return any(now.get(key) != name for key, name in known.items())


def _memberships(person: Person) -> Sequence[str]:
    told = (each.get("contactGroupMembership") or {} for each in person.get("memberships") or [])
    return [each["contactGroupResourceName"] for each in told if each.get("contactGroupResourceName")]
