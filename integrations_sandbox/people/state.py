"""The state of the sandboxed People API and what people can do to it.

Belongs here: accounts, tokens and options in one object; acting as an account's owner in the Contacts app. Does not
belong here: HTTP, the public API's rules (`calls`).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.people import errors, fields
from integrations_sandbox.people.book import Book
from integrations_sandbox.people.model import MY_CONTACTS, Group, Person
from integrations_sandbox.people.options import PeopleOptions
from integrations_sandbox.stage import Grant, LoggedRequest, Stage
from integrations_sandbox.wire import JsonObject

CLIENT_ID = "100000000001-sandbox.apps.googleusercontent.com"
CONTACTS = "https://www.googleapis.com/auth/contacts"
CONTACTS_READONLY = "https://www.googleapis.com/auth/contacts.readonly"
#: Reported: requests of a user in a minute, reads and updates together; the console alone shows the number.
REQUESTS_PER_MINUTE = 90
MINUTE = timedelta(minutes=1)


class People:
    """Everything the sandboxed People API knows. An account is there as soon as somebody has a token for it.

    Methods for people take an account and raise ValueError for a contact that does not exist. All are safe to call from
    any thread.
    """

    def __init__(self, stage: Stage, options: PeopleOptions) -> None:
        self.stage = stage
        self._first_options = options
        self.reset()

    def reset(self) -> None:
        with self.stage.lock:
            self.options = self._first_options
            self._books: dict[str, Book] = {}
            self._asked: dict[str, deque[datetime]] = {}

    def set_options(self, **changes: Any) -> None:
        """Changes options of the running server. Raises TypeError or ValueError for one that does not exist."""
        with self.stage.lock:
            self.options = replace(self.options, **changes)

    def book(self, account: str) -> Book:
        account = account.lower()
        with self.stage.lock:
            if account not in self._books:
                self._books[account] = Book(account, self.stage.ids)
                self._books[account].open(self._now())
            return self._books[account]

    def token(self, account: str, scopes: Iterable[str] = (CONTACTS,), expires_in: float | None = None) -> str:
        """A fresh access token, as if the account's owner had consented to these scopes (full URLs)."""
        with self.stage.lock:
            grant = Grant(
                token=self.stage.ids.new("ya29.", 60),
                provider="google",
                account=account.lower(),
                scopes=frozenset(scopes),
                client_id=CLIENT_ID,
                expires_at=None if expires_in is None else self._now() + timedelta(seconds=expires_in),
            )
            self.stage.grants.add(grant)
            return grant.token

    def revoke_token(self, token: str) -> None:
        with self.stage.lock:
            self.stage.grants.revoke([token])

    def admit(self, account: str, now: datetime) -> bool:
        """Whether a request of this user may pass; if so, it is counted. Assumed: a sliding minute, one count for all
        methods, and that refused requests cost nothing."""
        scale = self.options.rate_limit_scale
        if scale is None:
            return True
        asked = self._asked.setdefault(account, deque())
        while asked and now - asked[0] >= MINUTE:
            asked.popleft()
        if len(asked) >= REQUESTS_PER_MINUTE * scale:
            return False
        asked.append(now)
        return True

    # Acting as an account's owner

    def people(self, account: str) -> list[JsonObject]:
        """All contacts with all their fields, as the API tells them."""
        with self.stage.lock:
            return [fields.shown(person, fields.READABLE) for person in self.book(account).people.values()]

    def create_person(self, account: str, document: JsonObject, groups: Sequence[str] = ()) -> str:
        """`document` as the API takes it, without memberships; `groups` by name, made where there are none."""
        with self.stage.lock:
            book = self.book(account)
            made = fields.read_fields(document, tuple(document))
            return book.make(made, self._group_names(book, groups), self._now()).resource

    def edit_person(
        self, account: str, resource: str, document: JsonObject, groups: Sequence[str] | None = None
    ) -> None:
        """Replaces the fields that the document has, and with `groups` all labels."""
        with self.stage.lock:
            book = self.book(account)
            names = None if groups is None else self._group_names(book, groups)
            book.change(self._person(book, resource), fields.read_fields(document, tuple(document)), names, self._now())

    def delete_person(self, account: str, *resources: str) -> None:
        with self.stage.lock:
            book = self.book(account)
            for resource in resources:
                book.delete(self._person(book, resource), self._now())

    def merge_people(self, account: str, gone: str, kept: str) -> None:
        """The app's "merge": what the one has is added to the other, and the one is deleted."""
        with self.stage.lock:
            book, now = self.book(account), self._now()
            one, other = self._person(book, gone), self._person(book, kept)
            added = {
                name: [*other.fields.get(name, []), *({**item, "metadata": {}} for item in items)]
                for name, items in one.fields.items()
                if name not in fields.SINGLETONS or not other.fields.get(name)
            }
            book.change(other, added, [*other.groups, *one.groups], now)
            book.delete(one, now)

    def join_profile(self, account: str, resource: str) -> str:
        """The contact is joined with a person's own profile; its new resource name."""
        with self.stage.lock:
            book = self.book(account)
            return book.rename(self._person(book, resource), self._now())

    def person(self, account: str, resource: str) -> JsonObject:
        with self.stage.lock:
            return fields.shown(self._person(self.book(account), resource), fields.READABLE)

    def group_names(self, account: str, resource: str) -> list[str]:
        """The labels of a contact, without the system's groups."""
        with self.stage.lock:
            book = self.book(account)
            groups = [book.groups[key] for key in self._person(book, resource).groups]
            return [group.name for group in groups if not group.is_system]

    def rename_group(self, account: str, name: str, new_name: str) -> None:
        with self.stage.lock:
            book = self.book(account)
            book.rename_group(self._group(book, name), new_name, self._now())

    def delete_group(self, account: str, name: str) -> None:
        with self.stage.lock:
            book = self.book(account)
            book.delete_group(self._group(book, name), self._now())

    def expire_sync_tokens(self, account: str) -> None:
        with self.stage.lock:
            self.book(account).generation += 1

    # Faults, and what arrived

    def add_fault(self, rule: FaultRule) -> None:
        with self.stage.lock:
            self.stage.faults.add(rule)

    def add_error(self, name: str, *, is_applied: bool = False, **rule: Any) -> None:
        """A fault that answers with that body (a key of `errors.BY_NAME`); `rule` as in FaultRule."""
        refusal = errors.BY_NAME.get(name)
        if refusal is None:
            raise ValueError(f"name must be one of {', '.join(errors.BY_NAME)}")
        action = "status_after" if is_applied else "status"
        self.add_fault(FaultRule(action=action, status=refusal.status, body=refusal.body, **rule))  # type: ignore[arg-type]  # one of two literals

    def clear_faults(self) -> None:
        with self.stage.lock:
            self.stage.faults.clear()

    def requests(self, after: int = 0) -> list[LoggedRequest]:
        with self.stage.lock:
            return self.stage.log.entries(after)

    def _now(self) -> datetime:
        return self.stage.clock.now()

    def _group_names(self, book: Book, names: Sequence[str]) -> list[str]:
        found = [book.group_named(name) or book.make_group(name, self._now()) for name in names]
        return [MY_CONTACTS, *(group.resource for group in found)]

    @staticmethod
    def _person(book: Book, resource: str) -> Person:
        found = book.find(resource)
        if found is None:
            raise ValueError(f"there is no contact {resource}")
        return found

    @staticmethod
    def _group(book: Book, name: str) -> Group:
        found = book.group_named(name)
        if found is None:
            raise ValueError(f"there is no group {name}")
        return found
