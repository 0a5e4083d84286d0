"""Who was edited so lately, by HubSpot's clock, that the edit may be half done."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.providers.hubspot.provider import HubSpotProvider

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(("now", "expected"), [(NOON, {"young"}), (None, set())])
def test_a_contact_edited_within_these_seconds_is_told_once_the_clock_is_known(
    now: datetime | None, expected: set[str]
) -> None:
    provider: Any = HubSpotProvider.__new__(HubSpotProvider)
    provider._client = SimpleNamespace(server_time=now)
    ages = {"young": 29, "old": 31}
    records = [
        RemoteRecord(external_id=name, fields={}, modified_at=NOON - timedelta(seconds=age))
        for name, age in ages.items()
    ]

    assert provider.recently_edited([*records, RemoteRecord(external_id="undated", fields={})], 30) == expected
