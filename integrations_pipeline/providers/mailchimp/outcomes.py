"""What becomes of a change at Mailchimp, as outcomes. Belongs here: values. Does not: requests (`writer`)."""

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import Change, ChangeKind, Outcome
from integrations_pipeline.providers import batches
from integrations_pipeline.providers.mailchimp import wire
from integrations_pipeline.providers.mailchimp.members import ARCHIVED, STATUSES, Member

IS_ARCHIVED = "the member is archived at Mailchimp: bring it back there, or delete the contact"
_STRANGE = "Mailchimp answered a member status that is not known: look at the member there"
GONE = "the member was deleted at Mailchimp during the run; the next run takes it up"


def refused(change: Change, error: PermanentError) -> Outcome:
    """A member that is gone is no failure: a delete is done, an update is planned anew."""
    if error.code != wire.GONE:
        return failed(change, error)
    return batches.applied(change) if change.kind is ChangeKind.DELETE else batches.superseded(change, GONE)


def failed(change: Change, error: PermanentError) -> Outcome:
    """A refusal that may pass by itself does not count as one for good."""
    return batches.failed(change, error, is_passing=error.code == wire.PASSING)


def wrong_status(member: Member) -> PermanentError | None:
    """Why the member that answered a create is not the one that was wanted, or None."""
    status = member.get("status")
    if status == ARCHIVED:
        return PermanentError(IS_ARCHIVED, code=ARCHIVED)
    return None if status is None or status in STATUSES else PermanentError(_STRANGE, code="status")
