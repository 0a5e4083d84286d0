"""Fixtures of the tests of alerts."""

from collections.abc import Iterator

import pytest

from integrations_pipeline_tests.alerts.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found
