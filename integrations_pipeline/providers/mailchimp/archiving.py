"""Deleting at Mailchimp: a member is archived, and only its own word for that counts.

Belongs here: one member, archived or not. Does not: which ones (`writer`).
"""

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import Outcome
from integrations_pipeline.providers.batches import applied
from integrations_pipeline.providers.mailchimp import wire
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.members import ARCHIVED
from integrations_pipeline.providers.mailchimp.outcomes import failed, refused
from integrations_pipeline.providers.mailchimp.prepared import Prepared

_NOT_ARCHIVED = "Mailchimp archives nobody who bounced or has not confirmed yet"
_NOT_GONE = "Mailchimp did not say that the member was archived, and it is still there; the next run tries again"


def archived(client: MailchimpClient, each: Prepared) -> Outcome:
    """An archived member is one that Mailchimp calls so, by its answer or when it is asked again. That it is not found
    may be said of the address of the request as well (a gateway, a route): then the member is asked for."""
    try:
        is_done = client.archive(each.address)
    except PermanentError as error:
        reason = {wire.NOT_ALLOWED: _NOT_ARCHIVED, wire.GONE: _NOT_GONE}.get(error.code)
        return _after_doubt(client, each, reason) if reason else refused(each.change, error)
    return applied(each.change) if is_done else _after_doubt(client, each, _NOT_GONE)


def _after_doubt(client: MailchimpClient, each: Prepared, reason: str) -> Outcome:
    member = client.member(wire.member_hash(each.address))
    if member is None or member.get("status") == ARCHIVED:
        return applied(each.change)
    code = wire.NOT_ALLOWED if reason == _NOT_ARCHIVED else wire.PASSING
    return failed(each.change, PermanentError(reason, code=code))
