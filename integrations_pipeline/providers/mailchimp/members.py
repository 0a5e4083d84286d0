"""A member of an audience as a record: identity, address, consent. Pure.

A member is known by its `contact_id`, which stays when the e-mail changes; its e-mail is only its address in
paths. Belongs here: members. Does not: single merge values (`fields`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integrations_pipeline.model import (
    CONSENT_IN_AT,
    CONSENT_OUT,
    CONSENT_UNASKED,
    MappedField,
    clean_text,
    join_set,
)
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.providers.mailchimp.fields import FIXED, from_member

ARCHIVED = "archived"
SUBSCRIBED = "subscribed"
TRANSACTIONAL = "transactional"
UNSUBSCRIBED = "unsubscribed"
_OUT = frozenset({UNSUBSCRIBED, "cleaned"})
#: The tag of a member that was made for somebody's new e-mail while the old one is still there; never a tag here.
UNDER_WAY = "new e-mail under way"

Member = Mapping[str, Any]

#: What is asked for of each member: everything mapped, and nothing else.
FIELDS = (
    "id",
    "contact_id",
    "email_address",
    "status",
    "merge_fields",
    "tags",
    "tags_count",
    "last_changed",
    "timestamp_opt",
    "ip_opt",
)


def external_id(member: Member) -> str:
    """The member's lasting id; its hash where a server tells no `contact_id`."""
    return str(member.get("contact_id") or member.get("id") or "")


def to_record(member: Member, mapping: Sequence[MappedField]) -> RemoteRecord:
    special = {
        "email": clean_text(str(member.get("email_address") or "")),
        "tags": tags_text(member.get("tags") or []),
        "email_opt_out": consent(member),
    }
    return RemoteRecord(
        external_id=external_id(member),
        fields={
            mapped.name: special[mapped.name] if mapped.name in FIXED else from_member(member, mapped)
            for mapped in mapping
        },
        modified_at=read_time(member.get("last_changed")),
    )


def tags_text(tags: Sequence[Mapping[str, Any]]) -> str:
    """The names of tags as one text."""
    return join_set(name for tag in tags if (name := clean_text(str(tag.get("name") or ""))) != UNDER_WAY)


def consent(member: Member) -> str:
    """What a member's status says about consent, in the words of `model`.

    A subscribed member tells its own opt-in only with the address it was confirmed from; an import has none.
    """
    status = member.get("status")
    if status in _OUT:
        return CONSENT_OUT
    if status != SUBSCRIBED:
        return CONSENT_UNASKED
    opted_in = read_time(member.get("timestamp_opt"))
    return f"{CONSENT_IN_AT}{opted_in.isoformat()}" if opted_in and member.get("ip_opt") else ""


def read_time(text: Any) -> datetime | None:
    """An ISO time, aware; None for "" and whatever is no time."""
    try:
        found = datetime.fromisoformat(str(text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def write_time(when: datetime) -> str:
    """Whole seconds with an offset: Mailchimp silently ignores any other form, and lists everybody."""
    return when.astimezone(UTC).replace(microsecond=0).isoformat()
