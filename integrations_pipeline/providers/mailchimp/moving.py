"""A new e-mail for a member who is not subscribed: Mailchimp changes addresses of subscribed members only.

So the person gets a new member with the same fields and tags and no more consent than before, and the old one
is archived. Killed in between, both are there: the next run finds the new one as it would have made it, and
archives the old one. Belongs here: that move. Does not: changes of addresses in place (`writer`).
"""

from collections.abc import Mapping
from typing import Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import Change, ChangeState, Outcome
from integrations_pipeline.providers.mailchimp import wire
from integrations_pipeline.providers.mailchimp.client import MailchimpClient, Member
from integrations_pipeline.providers.mailchimp.members import (
    ARCHIVED,
    SUBSCRIBED,
    TRANSACTIONAL,
    UNSUBSCRIBED,
    external_id,
)
from integrations_pipeline.providers.mailchimp.outcomes import GONE, failed, outcome_of, refused

_TAKEN = "another member of the audience has this e-mail, perhaps an archived one"
_PENDING = "the person has not confirmed the old e-mail at Mailchimp yet: it can be changed after that"


def readdress(client: MailchimpClient, change: Change, address: str, values: Mapping[str, Any]) -> Outcome:
    """Move the member at `address` to the change's e-mail, with these merge values over its own."""
    old = client.member(wire.member_hash(address))
    if old is None or old.get("status") == ARCHIVED:
        return outcome_of(change, ChangeState.SUPERSEDED, GONE)
    if old.get("status") not in (TRANSACTIONAL, UNSUBSCRIBED, "cleaned"):
        return failed(change, PermanentError(_PENDING, code=wire.SUBSCRIBED_ONLY))
    email = change.after["email"].strip()
    try:
        new = _made(client, old, email, {**(old.get("merge_fields") or {}), **values})
        if new is None:
            return failed(change, PermanentError(_TAKEN, code="taken"))
        tags = client.all_tags(address)
        if tags:
            client.set_tags(email, {str(tag["name"]): True for tag in tags})
        _put_aside(client, address)
    except PermanentError as error:
        return refused(change, error)
    return outcome_of(change, ChangeState.APPLIED, "", external_id(new))


def _made(client: MailchimpClient, old: Member, email: str, values: Mapping[str, Any]) -> Member | None:
    """The member with the new e-mail; None if that is somebody else."""
    there = client.member(wire.member_hash(email))
    if there is None:
        # A bounce belongs to the old address; whoever opted out stays so at the new one.
        status = UNSUBSCRIBED if old.get("status") == UNSUBSCRIBED else TRANSACTIONAL
        made = client.put(email, {"status_if_new": status, "merge_fields": dict(values)})
        return made if made.get("contact_id") else client.member(wire.member_hash(email))
    is_ours = there.get("status") not in (ARCHIVED, SUBSCRIBED) and (there.get("merge_fields") or {}) == values
    return there if is_ours else None


def _put_aside(client: MailchimpClient, address: str) -> None:
    """Archive the old member. One that bounced cannot be; it stays, and nobody can be mailed there."""
    try:
        client.archive(address)
    except PermanentError as error:
        if error.code != wire.NOT_ALLOWED:
            raise
