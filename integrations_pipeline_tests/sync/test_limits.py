"""How much of a kind may happen in 24 hours, from settings and size."""

from typing import Any

import pytest

from integrations_pipeline.providers.base import ConnectionSettings
from integrations_pipeline.sync.contacts.limits import changes_allowed, creates_allowed


@pytest.mark.parametrize(
    ("settings", "linked", "expected"),
    [
        pytest.param({}, 0, 10, id="a small address book has ordinary days, too"),
        pytest.param({}, 50, 10, id="a share that is an ordinary day"),
        pytest.param({}, 60, 12, id="a share"),
        pytest.param({}, 64, 12, id="rounded down"),
        pytest.param({}, 1000, 25, id="never more than the limit"),
        pytest.param({"change_limit": 3}, 10, 3, id="a limit below an ordinary day"),
        pytest.param({"change_limit_fraction": 0.2}, 10, 2, id="a share that was set is meant"),
        pytest.param({"change_limit_fraction": 0.0}, 1000, 0, id="none at all"),
    ],
)
def test_of_one_field_so_many_values_may_be_lost(settings: dict[str, Any], linked: int, expected: int) -> None:
    assert changes_allowed(ConnectionSettings(**settings), linked) == expected


@pytest.mark.parametrize(
    ("settings", "linked", "expected"),
    [
        pytest.param({}, 0, None, id="the first sync makes everybody"),
        pytest.param({"create_limit_fraction": 0.0}, 0, None, id="whatever was set"),
        pytest.param({}, 1, 25, id="a small address book has ordinary days, too"),
        pytest.param({}, 26, 26, id="as many again"),
        pytest.param({"create_limit_fraction": 0.5}, 9, 4, id="a share that was set is meant"),
        pytest.param({"create_limit_fraction": 0.0}, 9, 0, id="nobody at all"),
    ],
)
def test_so_many_people_may_be_made(settings: dict[str, Any], linked: int, expected: int | None) -> None:
    assert creates_allowed(ConnectionSettings(**settings), linked) == expected
