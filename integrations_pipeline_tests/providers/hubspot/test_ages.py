"""Whether a contact of HubSpot's may be one that a create of ours made."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations_pipeline.providers.hubspot.provider import CLOCKS_APART, _is_young

SINCE = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("made", "is_young"),
    [
        (SINCE.isoformat(), True),
        ((SINCE - CLOCKS_APART + timedelta(seconds=1)).isoformat(), True),
        ((SINCE - CLOCKS_APART).isoformat(), False),
        ("2020-01-01T00:00:00Z", False),
        (None, True),
    ],
)
def test_a_contact_may_be_ours_unless_it_was_made_before(made: str | None, is_young: bool) -> None:
    assert _is_young({"id": "1", "createdAt": made}, SINCE) is is_young
