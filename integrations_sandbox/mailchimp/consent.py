"""What a member's status may become, and by whom.

Belongs here: the rules of consent. Does not belong here: the rest of a write, HTTP.

======================  ==========================================================================================
status                  how it comes about
======================  ==========================================================================================
subscribed              by the API, an admin or the person; refused to the first two in a compliance state
pending                 by the API: a mail asks the person, whose confirmation makes it subscribed; always allowed
unsubscribed            by the person (a compliance state from then on), or by the API or an admin (none)
cleaned                 the address bounced (a compliance state), or the API said so
transactional           by the API: known, never asked. Assumed: refused in a compliance state, like subscribed
archived                by DELETE or an admin; not out of cleaned, pending or archived by DELETE
======================  ==========================================================================================

An archived member keeps everything, its compliance state too, and comes back with whatever status a write names.
"""

from datetime import datetime

from integrations_sandbox.mailchimp import errors
from integrations_sandbox.mailchimp.model import Audience, Member, whole

#: What a request may ask for; `archived` is only ever answered.
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
#: What a DELETE refuses to archive.
NOT_ARCHIVABLE = frozenset(["cleaned", "pending", "archived"])
_NEED_CONSENT = frozenset(["subscribed", "transactional"])


def check(member: Member, wanted: str) -> None:
    """Raises WireError if the API may not give the member this status."""
    is_blocked = member.is_in_compliance or member.status == "cleaned"
    if wanted in _NEED_CONSENT and wanted != member.status and is_blocked:
        raise errors.in_compliance_state(member.email_address)


def set_status(audience: Audience, member: Member, status: str, now: datetime) -> None:
    """Whatever follows from a new status. It must be allowed, and different from the present one or the first."""
    member.status = status
    if status == "subscribed":
        audience.last_subscribed_at = whole(now)
        member.timestamp_opt = member.timestamp_opt or whole(now)
    if status == "unsubscribed":
        audience.last_unsubscribed_at = member.unsubscribed_at = whole(now)
        member.unsubscribe_reason = "N/A (Unsubscribed by admin)"


def archive(member: Member) -> None:
    """Puts a member aside. A bounce is remembered, so that it still counts when the member comes back."""
    member.is_in_compliance = member.is_in_compliance or member.status == "cleaned"
    member.status_before_archive = member.status
    member.status = "archived"


def check_archive(member: Member) -> None:
    if member.status in NOT_ARCHIVABLE:
        raise errors.cannot_be_archived()
