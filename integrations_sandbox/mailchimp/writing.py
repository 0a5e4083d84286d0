"""Adding, changing, tagging, archiving and forgetting members, each write all or nothing.

Belongs here: checking one member's write against its audience, then applying it in steps that cannot fail.
Does not belong here: the shape of requests (`member_input`), many members at once (`bulk`), HTTP.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from integrations_sandbox.mailchimp import consent, errors, merge_values
from integrations_sandbox.mailchimp.member_input import MemberInput, is_email
from integrations_sandbox.mailchimp.model import Audience, Member, hash_of, hex_id, whole
from integrations_sandbox.mailchimp.options import MailchimpOptions
from integrations_sandbox.stage import IdSource
from integrations_sandbox.wire import JsonObject

_ASK_FOR_MAIL = frozenset(["subscribed", "pending"])


class MemberWriter:
    """Writes to one audience, at one time, as the API does it. Every method raises WireError and then did nothing.

    `skips_required` lets required merge fields stay empty; a value of the wrong kind is refused all the same.
    """

    def __init__(
        self,
        audience: Audience,
        options: MailchimpOptions,
        ids: IdSource,
        now: datetime,
        *,
        skips_required: bool = False,
    ) -> None:
        self.audience = audience
        self.options = options
        self.now = now
        self._ids = ids
        self._skips_required = skips_required

    def add(self, given: MemberInput) -> Member:
        """POST to the members: only for an address that is not in the audience, archived or not."""
        email = self.checked_email(given.email_address)
        if self.audience.find_email(email) is not None:
            raise errors.member_exists(email)
        return self.create(given, email, given.status)

    def put(self, who: str, given: MemberInput) -> Member:
        """PUT: changes the member whose hash, address or contact id stands in the path, or adds one.

        An unknown path with an address that is somebody's already is "Member Exists", as if it were a POST.
        """
        member = self.audience.find(who)
        if member is not None:
            return self.update(member, given, self.status_for(member, given))
        if given.email_address is None:
            raise errors.invalid_resource(errors.not_provided("email_address"))
        email = self.checked_email(given.email_address)
        if self.audience.find_email(email) is not None:
            raise errors.member_exists(email)
        return self.create(given, email, given.status_if_new or given.status)

    def status_for(self, member: Member, given: MemberInput) -> str | None:
        """What a write makes of an existing member's status; None leaves it as it is."""
        is_archived = member.status == "archived"
        if given.status is None and is_archived and self.options.status_if_new_restores_archived:
            return given.status_if_new
        return given.status

    def create(self, given: MemberInput, email: str, status: str | None) -> Member:
        """`email` has been checked, and is nobody's in the audience."""
        if hash_of(email) in self.audience.forgotten:
            raise errors.forgotten_email(email)
        if status is None:
            raise errors.invalid_resource(errors.not_provided("status"))
        self._check_signups(email, status)
        values = self._values({}, given.merge_fields or {})
        member = self.make(email, status)
        self._apply(member, values, given.attributes)
        self.set_tags(member, given.tags or (), is_whole=True)
        return member

    def make(self, email: str, status: str) -> Member:
        """A member without any data; nothing is checked."""
        now = whole(self.now)
        member = Member(
            contact_id=hex_id(self._ids.new("contact"), 32),
            web_id=next(self.audience.numbers),
            email_address=email,
            status=status,
            created_at=now,
            last_changed=now,
        )
        consent.set_status(self.audience, member, status, now)
        self.audience.put(member)
        return member

    def update(self, member: Member, given: MemberInput, status: str | None) -> Member:
        """Tags in a PUT do nothing to a member that exists. Assumed: `last_changed` moves only if something changed."""
        if status is not None:
            consent.check(member, status)
        if status is not None and status != member.status:
            self._check_signups(member.email_address, status)
        email = self._new_email(member, given.email_address, status or member.status)
        values = member.values
        if given.merge_fields is not None:
            values = self._values(member.values, given.merge_fields)
        has_changed = self._set_status(member, status)
        if email is not None:
            self.audience.rename(member, email)
        if self._apply(member, values, given.attributes) or has_changed or email is not None:
            self.audience.touch(member, self.now)
        return member

    def set_tags(self, member: Member, names: Iterable[str], *, is_whole: bool = False) -> bool:
        """Adds tags, or replaces all of them. Whether anything changed; `last_changed` is left alone."""
        wanted = {self.audience.tag_id(name) for name in names if name.strip()}
        kept = {each: at for each, at in member.tags.items() if each in wanted or not is_whole}
        added = {each: whole(self.now) for each in sorted(wanted - set(kept))}
        has_changed = bool(added) or len(kept) < len(member.tags)
        member.tags = kept | added
        self.audience.revision += has_changed
        return has_changed

    def remove_tags(self, member: Member, names: Iterable[str]) -> bool:
        ids = {self.audience.known_tag_id(name) for name in names}
        kept = {each: at for each, at in member.tags.items() if each not in ids}
        has_changed = len(kept) < len(member.tags)
        member.tags = kept
        self.audience.revision += has_changed
        return has_changed

    def touch_for_tags(self, member: Member, *, has_changed: bool) -> None:
        if has_changed and self.options.tags_move_last_changed:
            self.audience.touch(member, self.now)

    def archive(self, member: Member) -> None:
        consent.archive(member)
        self.audience.touch(member, self.now)

    def forget(self, member: Member) -> None:
        """Deletes for good: the address cannot be imported any more, only the person can bring it back."""
        self.audience.drop(member)
        self.audience.forgotten.add(member.hash)

    def checked_email(self, email: str | None) -> str:
        if email is None or not is_email(email):
            raise errors.invalid_email()
        if email.rpartition("@")[2].lower() in self.options.fake_domains:
            raise errors.fake_email(email)
        return email

    def _check_signups(self, email: str, status: str) -> None:
        if status in _ASK_FOR_MAIL and email.lower() in self.options.busy_addresses:
            raise errors.too_many_signups(email)

    def _new_email(self, member: Member, email: str | None, status: str) -> str | None:
        """The address a member gets, or None if it keeps the one it has; another spelling counts as another."""
        if email is None or email == member.email_address:
            return None
        if hash_of(email) == member.hash:
            return email
        if status != "subscribed" and self.options.only_subscribed_change_email:
            raise errors.email_is_fixed(status)
        email = self.checked_email(email)
        owner = self.audience.find_email(email)
        if owner is not None:
            raise errors.email_taken(email, owner.status)
        if hash_of(email) in self.audience.forgotten:
            raise errors.forgotten_email(email)
        return email

    def _values(self, stored: JsonObject, given: JsonObject) -> JsonObject:
        """All values after the write. Assumed: a required field may not stay empty in any write of merge fields."""
        fields = self.audience.merge_fields
        if self.options.cuts_long_texts:
            given = merge_values.cut_texts(fields, given)
        checked = merge_values.check(fields, given)
        values = {tag: value for tag, value in (stored | checked.values).items() if value != ""}
        refusals = list(checked.errors)
        if not self._skips_required:
            refused = {tag for tag, _ in refusals}
            refusals += [each for each in merge_values.missing(fields, values) if each[0] not in refused]
        if refusals:
            raise errors.invalid_merge_fields(refusals)
        return values

    def _set_status(self, member: Member, status: str | None) -> bool:
        if status is None or status == member.status:
            return False
        consent.set_status(self.audience, member, status, self.now)
        return True

    @staticmethod
    def _apply(member: Member, values: JsonObject, attributes: JsonObject) -> bool:
        before: dict[str, Any] = {key: getattr(member, key) for key in attributes}
        has_changed = before != attributes or member.values != values
        member.values = values
        for key, value in attributes.items():
            setattr(member, key, value)
        return has_changed
