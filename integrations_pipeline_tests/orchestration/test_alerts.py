"""The sensor that tells people, as Dagster ticks it."""

from collections.abc import Iterator

import dagster as dg
import pytest

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline_tests.alerts.receiver import Receiver, receiving
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import tick

URLS = "INTEGRATIONS_ALERT_URLS"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def acme(environment: Environment, receiver: Receiver) -> Environment:
    environment.monkeypatch.setenv(URLS, receiver.address)
    environment.connect(environment.add_workspace("acme"))
    environment.rows("update integration_connections set status = 'disconnected' returning id")
    return environment


def test_a_tick_tells_of_each_change_once(acme: Environment, receiver: Receiver, instance: dg.DagsterInstance) -> None:
    first = tick("alerts", instance)
    tick("alerts", instance)
    assert first.skip_message == "1 alert written; 1 message sent, 0 to be tried again, 0 given up"
    assert receiver.titles == ["acme airtable: disconnected"]


def test_a_destination_that_is_down_fails_no_tick(
    acme: Environment, receiver: Receiver, instance: dg.DagsterInstance
) -> None:
    receiver.mode = "reset"
    assert "0 messages sent, 1 to be tried again" in str(tick("alerts", instance).skip_message)
    assert "0 messages sent, 0 to be tried again" in str(tick("alerts", instance).skip_message)


def test_a_wrong_address_fails_this_sensor_alone(acme: Environment, instance: dg.DagsterInstance) -> None:
    acme.monkeypatch.setenv(URLS, "slak://x")
    with pytest.raises(ConfigurationError, match="not understood by apprise"):
        tick("alerts", instance)
    assert tick("workspace_partitions", instance).skip_message
    assert len(acme.rows("select id from integration_alerts")) == 1


def test_it_runs_from_the_start() -> None:
    [sensor] = [each for each in build_definitions().sensors or () if each.name == "alerts"]
    assert isinstance(sensor, dg.SensorDefinition)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
