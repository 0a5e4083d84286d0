"""Contacts as records, and changes as the fields to be written. Belongs here: joining the mapping with `fields` and
`groups`. Does not: requests of its own, outcomes (`writer`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.providers.google_contacts.client import Person
from integrations_pipeline.providers.google_contacts.fields import (
    CONTACT_KEY,
    MEMBERSHIPS,
    Place,
    contact_key,
    modified_at,
    value_of,
    with_value,
)
from integrations_pipeline.providers.google_contacts.groups import Labels

Edits = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """`places`: where each mapped field is kept, by workspace name."""

    places: Mapping[str, Place]
    labels: Labels

    @classmethod
    def of(cls, mapping: Sequence[MappedField], labels: Labels) -> "Reader":
        places = {mapped.name: place for mapped in mapping if (place := Place.of(mapped.column))}
        return cls(places=places, labels=labels)

    @property
    def has_labels(self) -> bool:
        return any(place.field == MEMBERSHIPS for place in self.places.values())

    def fields(self, person: Person) -> dict[str, str]:
        told = {name: self._value(person, place) for name, place in self.places.items()}
        return {name: value for name, value in told.items() if value is not None}

    def record(self, person: Person) -> RemoteRecord:
        return RemoteRecord(
            external_id=str(person["resourceName"]),
            fields=self.fields(person),
            contact_key=contact_key(person),
            modified_at=modified_at(person),
        )

    def _value(self, person: Person, place: Place) -> str | None:
        return self.labels.tags(person) if place.field == MEMBERSHIPS else value_of(person, place)

    def edits(self, person: Person, after: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
        """The person's fields, whole, with these values in them; {} as the person makes a new one. `PermanentError` for
        a tag that is not taken."""
        edited: dict[str, list[dict[str, Any]]] = {}
        # What is set goes first: an organization without a name may still get a title, and then is not let go of.
        for name in sorted(after, key=lambda each: not after[each]):
            place = self.places.get(name)
            if place is None:
                continue
            if place.field == MEMBERSHIPS:
                edited[place.field] = self.labels.memberships(person, after[name])
            else:
                told: Sequence[Mapping[str, Any]] = person.get(place.field) or []
                edited[place.field] = with_value(edited.get(place.field, told), place, after[name])
        return edited

    def new_person(self, after: Mapping[str, str], key: str) -> dict[str, Any]:
        """What a create sends; `key`: the contact's id, or "" to leave none."""
        person: dict[str, Any] = {field: items for field, items in self.edits({}, after).items() if items}
        return person | ({"clientData": [{"key": CONTACT_KEY, "value": key}]} if key else {})
