"""What becomes of a change at Mailchimp, as outcomes. Belongs here: values. Does not: requests (`writer`)."""

from integrations_pipeline.errors import PermanentError, RetryableError
from integrations_pipeline.model import Change, ChangeKind, ChangeState, Outcome
from integrations_pipeline.providers.mailchimp import wire
from integrations_pipeline.providers.mailchimp.members import ARCHIVED, STATUSES, Member

IS_ARCHIVED = "the member is archived at Mailchimp: bring it back there, or delete the contact"
_STRANGE = "Mailchimp answered a member status that is not known: look at the member there"
GONE = "the member was deleted at Mailchimp during the run; the next run takes it up"


def refused(change: Change, error: PermanentError) -> Outcome:
    """A member that is gone is no failure: a delete is done, an update is planned anew."""
    if error.code != wire.GONE:
        return failed(change, error)
    if change.kind is ChangeKind.DELETE:
        return outcome_of(change, ChangeState.APPLIED, "")
    return outcome_of(change, ChangeState.SUPERSEDED, GONE)


def outcome_of(change: Change, state: ChangeState, reason: str, made_id: str | None = None) -> Outcome:
    return Outcome(
        change=change,
        state=state,
        external_id=made_id or change.external_id,
        contact_id=change.contact_id,
        reason=reason,
    )


def failed(change: Change, error: PermanentError) -> Outcome:
    """A refusal that may pass by itself does not count as one for good: every run tries it again."""
    kind = RetryableError if error.code == wire.PASSING else type(error)
    return Outcome(
        change=change,
        state=ChangeState.FAILED,
        external_id=change.external_id,
        contact_id=change.contact_id,
        reason=str(error),
        error_class=kind.__name__,
    )


def wrong_status(member: Member) -> PermanentError | None:
    """Why the member that answered a create is not the one that was wanted, or None."""
    status = member.get("status")
    if status == ARCHIVED:
        return PermanentError(IS_ARCHIVED, code=ARCHIVED)
    return None if status is None or status in STATUSES else PermanentError(_STRANGE, code="status")
