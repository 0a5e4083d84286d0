"""What becomes of a change at Mailchimp, as outcomes. Belongs here: values. Does not: requests (`writer`)."""

from integrations_pipeline.errors import PermanentError, RetryableError
from integrations_pipeline.model import Change, ChangeKind, ChangeState, Outcome
from integrations_pipeline.providers.mailchimp import wire

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
