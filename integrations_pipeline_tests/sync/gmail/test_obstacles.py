"""Whether a pitch that answers another one may go, as far as that one decides it."""

from typing import Any

import pytest

from integrations_pipeline.store.pitches import ParentRow
from integrations_pipeline.sync.mailing.obstacles import Obstacle, _of_parent

SENT: dict[str, Any] = {"status": "sent", "gmail_message_id": "m1", "rfc822_message_id": "<m1@mail>"}
LEFT = {**SENT, "rfc822_message_id": None}
NEVER = {"gmail_message_id": None, "rfc822_message_id": None}


def in_the_way(**told: Any) -> Obstacle | None:
    row = {"subject": "Hello", "gmail_thread_id": "t1", "references": (), "is_circle": False}
    return _of_parent(ParentRow(**{**row, **told}))


def test_an_answer_goes_once_the_message_that_it_answers_is_known() -> None:
    assert in_the_way(**SENT) is None
    assert in_the_way(**{**SENT, "status": "replied"}) is None


@pytest.mark.parametrize(
    "told",
    [
        {**NEVER, "status": "queued"},
        {**NEVER, "status": "sending"},
        {**LEFT, "status": "sent"},
        {**NEVER, "status": "unknown"},
        {**LEFT, "status": "unknown"},
    ],
)
def test_an_answer_waits_while_the_message_that_it_answers_may_be_on_its_way(told: dict[str, Any]) -> None:
    found = in_the_way(**told)
    assert found is not None
    assert (found.status, found.waits) == ("queued", True)


@pytest.mark.parametrize(
    "told",
    [
        *({**SENT, "status": status} for status in ("failed", "cancelled", "bounced", "draft")),
        {**NEVER, "status": "sent"},
        {**SENT, "is_circle": True},
    ],
)
def test_an_answer_to_what_was_not_sent_or_to_itself_never_goes(told: dict[str, Any]) -> None:
    found = in_the_way(**told)
    assert found is not None
    assert (found.status, found.waits) == ("failed", False)
