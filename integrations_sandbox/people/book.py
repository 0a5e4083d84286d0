"""One account's contacts and groups: making, changing, deleting, merging, and the order in which it happened.

Belongs here: the state of one account. Does not belong here: what a request may say (`calls`), tokens of access.
"""

import copy
from collections.abc import Iterable
from datetime import datetime, timedelta

from integrations_sandbox.people import errors
from integrations_sandbox.people.model import MY_CONTACTS, SYSTEM_GROUPS, Event, Fields, Group, Person
from integrations_sandbox.stage import IdSource


class Book:
    """`history` tells what happened, oldest first, with a copy of how the person was afterwards."""

    def __init__(self, account: str, ids: IdSource) -> None:
        self.account = account
        self.people: dict[str, Person] = {}
        self.groups: dict[str, Group] = {}
        self.history: list[Event] = []
        #: Old resource names by which a person is found, too.
        self.renamed: dict[str, str] = {}
        self.trash_count = 0
        #: Sync tokens of an earlier generation are expired.
        self.generation = 0
        self._ids = ids
        self._count = 0

    def open(self, now: datetime) -> None:
        for key, name in SYSTEM_GROUPS.items():
            resource = f"contactGroups/{key}"
            self.groups[resource] = Group(resource, name, self._etag(), now, is_system=True)

    # Contacts

    def find(self, resource: str) -> Person | None:
        return self.people.get(self.renamed.get(resource, resource))

    def make(self, fields: Fields, groups: Iterable[str] | None, now: datetime) -> Person:
        self._count += 1
        number = 1_000_000_000_000_000 + self._count * 7_919
        person = Person(
            resource=f"people/c{number}",
            source_id=f"{number:x}",
            etag=self._etag(),
            updated_at=now,
            fields=fields,
            groups=list(dict.fromkeys(groups)) if groups is not None else [MY_CONTACTS],
        )
        self.people[person.resource] = person
        self._note(person, now)
        return person

    def change(self, person: Person, fields: Fields, groups: Iterable[str] | None, now: datetime) -> None:
        """Replace these fields whole, and the groups unless None."""
        person.fields = {**person.fields, **fields}
        if groups is not None:
            person.groups = list(dict.fromkeys(groups))
        self.touch(person, now)

    def touch(self, person: Person, now: datetime) -> None:
        person.etag, person.updated_at = self._etag(), now
        self._note(person, now)

    def delete(self, person: Person, now: datetime) -> None:
        del self.people[person.resource]
        self.trash_count += 1
        self.history.append(Event(at=now, resource=person.resource, person=None))

    def rename(self, person: Person, now: datetime) -> str:
        """The contact is joined with a profile: it has another resource name from now on."""
        old, self._count = person.resource, self._count + 1
        del self.people[old]
        person.resource = f"people/{self._count + 100_000_000_000}"
        person.previous.append(old)
        self.renamed = {key: person.resource if value == old else value for key, value in self.renamed.items()}
        self.renamed[old] = person.resource
        self.people[person.resource] = person
        self.touch(person, now)
        return person.resource

    def _note(self, person: Person, now: datetime) -> None:
        self.history.append(Event(at=now, resource=person.resource, person=copy.deepcopy(person)))

    # Groups

    def group_named(self, name: str) -> Group | None:
        return next((group for group in self.groups.values() if group.name == name), None)

    def make_group(self, name: str, now: datetime) -> Group:
        if self.group_named(name) is not None:
            raise errors.group_exists()
        group = Group(f"contactGroups/{self._ids.new('', 14).lower()}", name, self._etag(), now)
        self.groups[group.resource] = group
        return group

    def rename_group(self, group: Group, name: str, now: datetime) -> None:
        """Assumed: its members do not count as changed."""
        if self.group_named(name) not in (None, group):
            raise errors.group_exists()
        group.name, group.etag, group.updated_at = name, self._etag(), now

    def delete_group(self, group: Group, now: datetime) -> None:
        del self.groups[group.resource]
        for person in self.people.values():
            if group.resource in person.groups:
                person.groups.remove(group.resource)
                self.touch(person, now)

    # What lists see

    def position(self, now: datetime, lag: float) -> int:
        """How much of the history lists see by now."""
        limit = now - timedelta(seconds=lag)
        seen = len(self.history)
        while lag and seen and self.history[seen - 1].at > limit:
            seen -= 1
        return seen

    def as_of(self, position: int) -> list[Person]:
        """The contacts as they were after so much of the history, in the order of their making."""
        if position == len(self.history):
            return list(self.people.values())
        found: dict[str, Person] = {}
        for event in self.history[:position]:
            if event.person is None:
                found.pop(event.resource, None)
            else:
                for old in event.person.previous:
                    found.pop(old, None)
                found[event.resource] = event.person
        return list(found.values())

    def changes(self, start: int, end: int) -> list[Event]:
        """The last event of each contact within a part of the history. One that has another name by now is told under
        that name alone."""
        last: dict[str, Event] = {}
        for event in self.history[start:end]:
            if event.person is not None:
                for old in event.person.previous:
                    last.pop(old, None)
            last.pop(event.resource, None)
            last[event.resource] = event
        return list(last.values())

    def _etag(self) -> str:
        return self._ids.new("%E", 20)
