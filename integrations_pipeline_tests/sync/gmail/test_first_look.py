"""The first look into a mailbox, by a run that only sends."""

from integrations_pipeline.model import Direction
from integrations_pipeline_tests.sync.gmail.arrangement import PostWorld


def test_a_first_run_that_only_sends_remembers_where_the_mailbox_stood(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch("ann@example.org")
    agency.sync(direction=Direction.TO_EXTERNAL)
    assert agency.status(pitch_id) == "sent"
    assert agency.connection.mail_cursor
