"""Listing members: filters, order, and members that are equal in it.

Belongs here: everything between a request's parameters and the members it is about, in their order.
Does not belong here: pages and partial answers (`query`), documents, HTTP.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from integrations_sandbox.mailchimp import errors, query
from integrations_sandbox.mailchimp.consent import STATUSES
from integrations_sandbox.mailchimp.member_input import EMAIL_TYPES
from integrations_sandbox.mailchimp.model import Audience, Member
from integrations_sandbox.stage import IdSource
from integrations_sandbox.wire import Request

SORT_FIELDS = ("timestamp_opt", "timestamp_signup", "last_changed")
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberQuery:
    """Without `status`, archived members are left out. Times exclude their own second, as the words of the
    documentation say: changed after, changed before.

    Interests are not filtered by: the sandbox has none. `since_last_campaign` asks for a status and then filters
    nothing, because no campaign was ever sent.
    """

    status: str | None = None
    email_type: str | None = None
    unique_email_id: str | None = None
    is_vip_only: bool = False
    since_last_changed: datetime | None = None
    before_last_changed: datetime | None = None
    since_timestamp_opt: datetime | None = None
    before_timestamp_opt: datetime | None = None
    unsubscribed_since: datetime | None = None
    sort_field: str | None = None
    is_descending: bool = False

    @classmethod
    def read(cls, request: Request) -> "MemberQuery":
        """Raises WireError for a value that is none of those allowed, and for filters that need a status."""
        status = query.choice(request, "status", (*STATUSES, "archived"))
        # Assumed: the wording of both refusals.
        if request.value("unsubscribed_since") is not None and status != "unsubscribed":
            raise errors.invalid_resource(("unsubscribed_since", "The status must be unsubscribed to use this filter"))
        if query.flag(request, "since_last_campaign") and status is None:
            raise errors.invalid_resource(("since_last_campaign", "A status is required to use this filter"))
        return cls(
            status=status,
            email_type=query.choice(request, "email_type", EMAIL_TYPES),
            unique_email_id=request.value("unique_email_id"),
            is_vip_only=query.flag(request, "vip_only"),
            since_last_changed=query.moment(request, "since_last_changed"),
            before_last_changed=query.moment(request, "before_last_changed"),
            since_timestamp_opt=query.moment(request, "since_timestamp_opt"),
            before_timestamp_opt=query.moment(request, "before_timestamp_opt"),
            unsubscribed_since=query.moment(request, "unsubscribed_since"),
            sort_field=query.choice(request, "sort_field", SORT_FIELDS),
            is_descending=query.choice(request, "sort_dir", ("ASC", "DESC")) == "DESC",
        )

    def fits(self, member: Member) -> bool:
        if member.status != self.status and (self.status is not None or member.status == "archived"):
            return False
        if self.is_vip_only and not member.vip:
            return False
        if self.email_type is not None and member.email_type != self.email_type:
            return False
        return (
            _is_between(member.last_changed, self.since_last_changed, self.before_last_changed)
            and _is_between(member.timestamp_opt, self.since_timestamp_opt, self.before_timestamp_opt)
            and _is_between(member.unsubscribed_at, self.unsubscribed_since, None)
            and self.unique_email_id in (None, member.unique_email_id)
        )

    def key(self, member: Member) -> datetime:
        """Assumed: without a sort field, members come in the order of their joining."""
        at: datetime | None = getattr(member, self.sort_field or "created_at")
        return at or _NEVER


class Listing:
    """Finds the members that a query is about; the last answer of each audience is kept for the next page."""

    def __init__(self, ids: IdSource) -> None:
        self._ids = ids
        self._kept: dict[str, tuple[int, MemberQuery, list[Member]]] = {}

    def members(self, audience: Audience, wanted: MemberQuery, *, shuffles_ties: bool) -> list[Member]:
        revision, known, found = self._kept.get(audience.id, (-1, None, []))
        if revision != audience.revision or known != wanted:
            chosen = [each for each in audience.members.values() if wanted.fits(each)]
            found = sorted(chosen, key=wanted.key, reverse=wanted.is_descending)
            self._kept[audience.id] = (audience.revision, wanted, found)
        return self._shuffled(audience, wanted, found) if shuffles_ties else found

    def _shuffled(self, audience: Audience, wanted: MemberQuery, found: list[Member]) -> list[Member]:
        ids = [each.contact_id for each in found]
        self._ids.shuffle(ids)
        return sorted((audience.members[each] for each in ids), key=wanted.key, reverse=wanted.is_descending)


def _is_between(at: datetime | None, since: datetime | None, before: datetime | None) -> bool:
    """Whether a time lies between two others, each of which may be missing; no time lies nowhere."""
    if at is None:
        return since is None and before is None
    return (since is None or at > since) and (before is None or at < before)
