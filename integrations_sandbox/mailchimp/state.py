"""The state of the sandboxed Mailchimp and what people can do to it: the owner of an audience, and those in it.

Belongs here: accounts, keys, audiences, options in one object; acting as an admin or as a person.
Does not belong here: HTTP, the public API's rules about requests and connections (`api`).
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.mailchimp import consent, errors, merge_values, schema
from integrations_sandbox.mailchimp.documents import Documents
from integrations_sandbox.mailchimp.model import Account, Audience, Member, MergeField, hash_of, hex_id, whole
from integrations_sandbox.mailchimp.operations import Batches
from integrations_sandbox.mailchimp.options import MailchimpOptions
from integrations_sandbox.mailchimp.reading import Listing
from integrations_sandbox.mailchimp.writing import MemberWriter
from integrations_sandbox.stage import LoggedRequest, Stage
from integrations_sandbox.wire import JsonObject

#: Opens a server on loopback that holds invented data only.
DEFAULT_KEY = "sandbox-us1"
DEFAULT_ACCOUNT = "owner@mailchimp.example"
#: The first whole-number id; audiences, members and tags share the numbering.
FIRST_NUMBER = 387_000_001

#: Who does something: the person whose address it is, or someone who runs the audience.
Actor = Literal["person", "admin"]
_SOURCES: dict[Actor, str] = {"person": "Hosted Signup Form", "admin": "Admin Add"}


@dataclass(slots=True)
class _Holdings:
    accounts: dict[str, Account] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    read_only: set[str] = field(default_factory=set)
    audiences: dict[str, Audience] = field(default_factory=dict)


class Mailchimp:
    """Everything the sandboxed Mailchimp knows. Methods take list ids; `who` is an address, its hash or a contact id.

    What people do is not limited in number, and domains that "look fake" are theirs to use. Methods give members
    as the API shows them, raise WireError with the body that the API would have sent, and are safe to call from
    any thread.
    """

    def __init__(self, stage: Stage, options: MailchimpOptions) -> None:
        self.stage = stage
        self._first_options = options
        self.reset()

    def reset(self) -> None:
        """Back to the start: one account with one key and no audience, options as given at the start."""
        with self.stage.lock:
            self.options = self._first_options
            self._held = _Holdings()
            self._numbers = itertools.count(FIRST_NUMBER)
            self.listing = Listing(self.stage.ids)
            self.batches = Batches(self.stage.ids)
            self.create_api_key(value=DEFAULT_KEY)

    def set_options(self, **changes: Any) -> None:
        """Changes options of the running server. Raises TypeError for one that does not exist."""
        with self.stage.lock:
            changes = {key: tuple(value) if isinstance(value, list) else value for key, value in changes.items()}
            self.options = replace(self.options, **changes)

    # Accounts and keys

    def account(self, name: str = DEFAULT_ACCOUNT) -> Account:
        """The account of that name, which is made if there is none."""
        with self.stage.lock:
            if name not in self._held.accounts:
                self._held.accounts[name] = Account(name, hex_id("account " + name, 24))
            return self._held.accounts[name]

    def disable_account(self, name: str = DEFAULT_ACCOUNT, *, is_disabled: bool = True) -> None:
        """Mailchimp closed it: whatever its keys and tokens ask for is answered "User Disabled"."""
        self.account(name).is_disabled = is_disabled

    def set_plan(self, name: str = DEFAULT_ACCOUNT, *, plan: str) -> None:
        """What the account pays for: `monthly`, `pay_as_you_go` or `forever_free`."""
        self.account(name).plan = plan

    def create_api_key(
        self, account: str = DEFAULT_ACCOUNT, *, value: str | None = None, is_read_only: bool = False
    ) -> str:
        """Every key ends in the data centre of its account. `is_read_only`: of a user whose role is to look on."""
        with self.stage.lock:
            owner = self.account(account)
            key = value or f"{hex_id(self.stage.ids.new('key'), 32)}-{owner.data_centre}"
            self._held.keys[key] = owner.name
            if is_read_only:
                self._held.read_only.add(key)
            return key

    def is_read_only(self, secret: str | None) -> bool:
        """Whether a key's user may only look."""
        return secret in self._held.read_only

    def revoke_api_key(self, value: str) -> None:
        with self.stage.lock:
            self._held.keys.pop(value, None)

    def find_account(self, secret: str | None) -> Account | None:
        """The account that a key or an OAuth access token acts for; None if it is worth nothing (any more)."""
        if secret in self._held.keys:
            return self.account(self._held.keys[secret])
        grant = self.stage.grants.find("mailchimp", secret, self.stage.clock.now())
        return None if grant is None else self.account(grant.account)

    # Audiences and their fields

    @property
    def lists(self) -> list[Audience]:
        return list(self._held.audiences.values())

    def find_list(self, list_id: str) -> Audience:
        audience = self._held.audiences.get(list_id)
        if audience is None:
            raise errors.not_found()
        return audience

    def create_list(
        self,
        name: str = "Audience",
        merge_fields: Sequence[JsonObject | str] = schema.DEFAULT_FIELDS,
        *,
        extra_fields: Sequence[JsonObject | str] = (),
        account: str = DEFAULT_ACCOUNT,
        list_id: str | None = None,
    ) -> Audience:
        """`merge_fields` as in the API, or plain tags for text fields; `extra_fields` come after them. Raises
        ValueError for an id that is in use."""
        with self.stage.lock:
            if list_id in self._held.audiences:
                raise ValueError("there is a list with this id")
            audience = Audience(
                id=list_id or hex_id(self.stage.ids.new("list"), 10),
                web_id=next(self._numbers),
                account=self.account(account).name,
                name=name,
                created_at=whole(self.stage.clock.now()),
                numbers=self._numbers,
            )
            schema.add_fields(audience, [*merge_fields, *extra_fields])
            self._held.audiences[audience.id] = audience
            return audience

    def delete_list(self, list_id: str) -> None:
        with self.stage.lock:
            del self._held.audiences[self.find_list(list_id).id]

    def create_merge_field(self, list_id: str, document: JsonObject | str) -> MergeField:
        with self.stage.lock:
            audience = self.find_list(list_id)
            schema.add_fields(audience, [document])
            return audience.merge_fields[-1]

    def change_merge_field(self, list_id: str, tag: str, /, **changes: Any) -> None:
        """`changes` are attributes of `MergeField`; a new tag takes the members' values along, a new type those that
        it accepts. Raises WireError for a tag that another field has, and for a type that there is not."""
        with self.stage.lock:
            audience, column = self._column(list_id, tag)
            new_tag, kind = changes.pop("tag", tag), changes.pop("type", column.type)
            if audience.merge_field(new_tag) not in (None, column):
                raise errors.merge_tag_taken(new_tag)
            for key, value in changes.items():
                setattr(column, key, value)
            if kind != column.type:
                schema.change_type(audience, column, kind)
            schema.retag(audience, {tag: new_tag})

    def swap_merge_tags(self, list_id: str, first: str, second: str) -> None:
        """Each field gets the other's tag and keeps its id and values."""
        with self.stage.lock:
            audience, _ = self._column(list_id, first)
            self._column(list_id, second)
            schema.retag(audience, {first: second, second: first})

    def replace_merge_field(self, list_id: str, tag: str, document: JsonObject) -> MergeField:
        """Deletes a field and makes one of its tag; `document` may have `name`, `type`, `options`, `required`."""
        with self.stage.lock:
            audience, column = self._column(list_id, tag)
            described = {"name": column.name, "type": column.type, "options": column.options}
            schema.delete_field(audience, column)
            return schema.add_field(audience, described | document | {"tag": tag})

    def delete_merge_field(self, list_id: str, tag: str) -> None:
        with self.stage.lock:
            schema.delete_field(*self._column(list_id, tag))

    def _column(self, list_id: str, tag: str) -> tuple[Audience, MergeField]:
        audience = self.find_list(list_id)
        column = audience.merge_field(tag)
        if column is None:
            raise errors.not_found()
        return audience, column

    # Members, as people

    def members(self, list_id: str) -> list[JsonObject]:
        """All members, the archived ones too, in the order of their joining, with everything the API shows."""
        with self.stage.lock:
            audience = self.find_list(list_id)
            return [self._shown(audience, member) for member in audience.members.values()]

    def member(self, list_id: str, who: str) -> JsonObject:
        with self.stage.lock:
            audience, member = self._member(list_id, who)
            return self._shown(audience, member)

    def subscribe(
        self,
        list_id: str,
        email: str,
        merge_fields: JsonObject | None = None,
        *,
        tags: Iterable[str] = (),
        status: str = "subscribed",
        by: Actor = "person",
    ) -> JsonObject:
        """Someone new, through the form or added by an admin. Raises WireError for an address that is a member
        already, and to an admin for a forgotten one; the person can always sign up anew."""
        with self.stage.lock:
            audience, writer = self._writer(list_id)
            if audience.find_email(email) is not None:
                raise errors.member_exists(email)
            if by == "admin" and hash_of(email) in audience.forgotten:
                raise errors.forgotten_email(email)
            values = self._checked(audience, merge_fields or {})
            audience.forgotten.discard(hash_of(email))
            member = writer.make(email, status)
            member.source, member.values = _SOURCES[by], {tag: each for tag, each in values.items() if each != ""}
            if by == "person":
                member.timestamp_signup = member.created_at
            writer.set_tags(member, tags)
            return self._shown(audience, member)

    def unsubscribe(self, list_id: str, who: str, *, by: Actor = "person") -> JsonObject:
        """By the person it is for good, as far as the API and admins are concerned."""
        with self._changing(list_id, who) as (audience, member):
            consent.set_status(audience, member, "unsubscribed", self.stage.clock.now())
            if by == "person":
                member.is_in_compliance, member.unsubscribe_reason = True, "None given"
            return self._shown(audience, member)

    def resubscribe(self, list_id: str, who: str, *, by: Actor = "person") -> JsonObject:
        """The person signs up again, which heals everything, or an admin tries to."""
        with self._changing(list_id, who) as (audience, member):
            if by == "admin":
                consent.check(member, "subscribed")
            member.is_in_compliance = False
            consent.set_status(audience, member, "subscribed", self.stage.clock.now())
            return self._shown(audience, member)

    def confirm(self, list_id: str, who: str) -> JsonObject:
        """The person says yes to the mail that a pending member gets."""
        if self.member(list_id, who)["status"] != "pending":
            raise ValueError("only a pending member has something to confirm")
        return self.resubscribe(list_id, who)

    def clean(self, list_id: str, who: str) -> JsonObject:
        """Mail to the address bounced."""
        with self._changing(list_id, who) as (audience, member):
            member.is_in_compliance, member.status = True, "cleaned"
            return self._shown(audience, member)

    def archive(self, list_id: str, who: str) -> JsonObject:
        """In the app, unlike by the API, any member can be archived."""
        with self._changing(list_id, who) as (audience, member):
            if member.status != "archived":
                consent.archive(member)
            return self._shown(audience, member)

    def unarchive(self, list_id: str, who: str) -> JsonObject:
        """Back to the status before. The API cannot do this: it only knows to set a status."""
        with self._changing(list_id, who) as (audience, member):
            if member.status == "archived":
                member.status = member.status_before_archive
            return self._shown(audience, member)

    def delete_permanently(self, list_id: str, who: str) -> None:
        with self.stage.lock:
            _, member = self._member(list_id, who)
            self._writer(list_id)[1].forget(member)

    def edit(self, list_id: str, who: str, /, **merge_fields: Any) -> JsonObject:
        """Changes merge fields, by tag; an empty text clears."""
        with self.stage.lock:
            audience, _ = self._member(list_id, who)
            checked = self._checked(audience, merge_fields)
            with self._changing(list_id, who) as (_, member):
                values = member.values | checked
                member.values = {tag: each for tag, each in values.items() if each != ""}
                return self._shown(audience, member)

    def change_email(self, list_id: str, who: str, email: str) -> JsonObject:
        with self._changing(list_id, who) as (audience, member):
            owner = audience.find_email(email)
            if owner is not None and owner is not member:
                raise errors.email_taken(email, owner.status)
            audience.rename(member, email)
            return self._shown(audience, member)

    def tag(self, list_id: str, who: str, *names: str) -> JsonObject:
        with self.stage.lock:
            audience, writer = self._writer(list_id)
            _, member = self._member(list_id, who)
            writer.touch_for_tags(member, has_changed=writer.set_tags(member, names))
            return self._shown(audience, member)

    def untag(self, list_id: str, who: str, *names: str) -> JsonObject:
        with self.stage.lock:
            audience, writer = self._writer(list_id)
            _, member = self._member(list_id, who)
            writer.touch_for_tags(member, has_changed=writer.remove_tags(member, names))
            return self._shown(audience, member)

    # Faults and the log, shared by all providers

    def add_fault(self, rule: FaultRule) -> None:
        with self.stage.lock:
            self.stage.faults.add(rule)

    def clear_faults(self) -> None:
        with self.stage.lock:
            self.stage.faults.clear()

    def requests(self, after: int = 0) -> list[LoggedRequest]:
        """The requests that came in after number `after`, to all providers."""
        with self.stage.lock:
            return self.stage.log.entries(after)

    def clear_requests(self) -> None:
        with self.stage.lock:
            self.stage.log.clear()

    # Shared with `api`

    def writer(self, audience: Audience, *, skips_required: bool) -> MemberWriter:
        ids, now = self.stage.ids, self.stage.clock.now()
        return MemberWriter(audience, self.options, ids, now, skips_required=skips_required)

    def _writer(self, list_id: str) -> tuple[Audience, MemberWriter]:
        audience = self.find_list(list_id)
        return audience, self.writer(audience, skips_required=True)

    def _member(self, list_id: str, who: str) -> tuple[Audience, Member]:
        audience = self.find_list(list_id)
        member = audience.find(who)
        if member is None:
            raise errors.not_found()
        return audience, member

    @contextmanager
    def _changing(self, list_id: str, who: str) -> Iterator[tuple[Audience, Member]]:
        """A member that is about to change; the change counts as made before it is shown."""
        with self.stage.lock:
            audience, member = self._member(list_id, who)
            before = member.last_changed
            audience.touch(member, self.stage.clock.now())
            try:
                yield audience, member
            except Exception:
                member.last_changed = before
                raise

    @staticmethod
    def _checked(audience: Audience, merge_fields: JsonObject) -> JsonObject:
        checked = merge_values.check(audience.merge_fields, merge_fields)
        if checked.errors:
            raise errors.invalid_merge_fields(checked.errors)
        return checked.values

    @staticmethod
    def _shown(audience: Audience, member: Member) -> JsonObject:
        return Documents("").member(audience, member)
