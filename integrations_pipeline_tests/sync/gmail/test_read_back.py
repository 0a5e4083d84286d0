"""The Message-ID that really went out is read back: what if the message is not told then."""

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.gmail.arrangement import PostWorld

READ_BACK = "/messages/[0-9a-f]+$"


@pytest.mark.parametrize(("times", "is_known"), [(1, True), (2, False)])
def test_a_sent_message_that_is_not_told_is_asked_for_once_more_by_the_next_run(
    world: PostWorld, times: int, is_known: bool
) -> None:
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch("ann@example.org")
    world.refuse("notFound", path_regex=READ_BACK, method="GET", times=times)
    assert agency.sync().status is RunStatus.SUCCESS
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    assert agency.ledger(pitch_id)[0]["rfc822_message_id"] is None
    agency.sync()
    assert bool(agency.ledger(pitch_id)[0]["rfc822_message_id"]) is is_known
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    agency.assert_idle()
