"""What a member of Mailchimp's says about consent, and what a refusal makes of a change."""

import pytest

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import (
    CONSENT_IN_AT,
    CONSENT_OUT,
    CONSENT_UNASKED,
    Change,
    ChangeKind,
    ChangeState,
    Side,
)
from integrations_pipeline.providers.mailchimp import outcomes, wire
from integrations_pipeline.providers.mailchimp.members import consent

AT = "2026-01-31T10:00:00+00:00"


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ({"status": "unsubscribed"}, CONSENT_OUT),
        ({"status": "cleaned"}, CONSENT_OUT),
        ({"status": "transactional"}, CONSENT_UNASKED),
        ({"status": "pending"}, CONSENT_UNASKED),
        ({"status": "subscribed", "timestamp_opt": AT, "ip_opt": "192.0.2.1"}, f"{CONSENT_IN_AT}{AT}"),
        ({"status": "subscribed", "timestamp_opt": AT, "ip_opt": ""}, ""),
        ({"status": "subscribed", "timestamp_opt": "", "ip_opt": "192.0.2.1"}, ""),
        ({"status": "of a kind that nobody knows"}, None),
        ({}, None),
    ],
)
def test_only_a_subscribed_member_with_the_address_of_its_opt_in_tells_one(
    member: dict[str, str], expected: str | None
) -> None:
    assert consent(member) == expected


@pytest.mark.parametrize(
    ("kind", "code", "state"),
    [
        (ChangeKind.DELETE, wire.GONE, ChangeState.APPLIED),
        (ChangeKind.UPDATE, wire.GONE, ChangeState.SUPERSEDED),
        (ChangeKind.DELETE, "refused", ChangeState.FAILED),
        (ChangeKind.UPDATE, "refused", ChangeState.FAILED),
    ],
)
def test_a_member_that_is_gone_is_deleted_as_wanted_or_planned_anew(
    kind: ChangeKind, code: str, state: ChangeState
) -> None:
    change = Change(side=Side.REMOTE, kind=kind, contact_id="c", external_id="m")
    assert outcomes.refused(change, PermanentError("no", code=code)).state is state
