"""Fixtures of the tests of Dagster."""

from collections.abc import Iterator

import dagster as dg
import pytest


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """In memory: for runs of this process."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def home() -> Iterator[dg.DagsterInstance]:
    """On files, so that other processes find it by `DAGSTER_HOME`."""
    with dg.instance_for_test() as found:
        yield found
