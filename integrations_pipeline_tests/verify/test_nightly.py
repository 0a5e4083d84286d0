"""Whose night it is, and that one connection's trouble stays its own."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from integrations_pipeline.errors import IntegrationError, PermanentError, RetryableError, UnavailableError
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.verify.compare import Certificate
from integrations_pipeline.verify.nightly import PATIENCE, is_turn, verify_slice
from integrations_pipeline_tests.sync.arrangement import World, person
from integrations_pipeline_tests.verify.arrangement import behind_the_journal, some_pair, synced

DAY = date(2026, 3, 1)


@pytest.mark.parametrize("nights", [1, 2, 7, 366])
def test_everybody_has_exactly_one_night_in_so_many_and_the_nights_are_shared_out(nights: int) -> None:
    source = Random(nights)
    ids = [UUID(int=source.getrandbits(128)) for _ in range(700)]
    turns = [[each for each in ids if is_turn(each, DAY + timedelta(days=n), nights)] for n in range(nights)]
    assert sorted(each for turn in turns for each in turn) == sorted(ids)
    assert max(map(len, turns)) <= max(2 * len(ids) / nights, 12)
    assert turns[0] == [each for each in ids if is_turn(each, DAY + timedelta(days=nights), nights)]


def test_no_nights_means_never() -> None:
    assert not is_turn(UUID(int=5), DAY, 0)


def test_a_night_certifies_its_connections_and_those_that_differed(world: World) -> None:
    tenant = synced(world)
    nights, connection_id = 5, tenant.connection.id
    mine = next(
        DAY + timedelta(days=n) for n in range(nights) if is_turn(connection_id, DAY + timedelta(days=n), nights)
    )
    other = mine + timedelta(days=1)

    assert verify_slice(world.runtime, nights, other).connections == ()
    assert verify_slice(world.runtime, nights, mine).to_dict()["agreeing"] == 1
    behind_the_journal(tenant, "update workspace_contacts set company = 'x' where id = :id", id=some_pair(tenant)[0])
    report = verify_slice(world.runtime, nights, mine).to_dict()
    assert (report["differing"], report["troubles"]) == (1, ["airtable of acme: 1 of 4 differ"])
    assert verify_slice(world.runtime, nights, other).to_dict()["differing"] == 1
    tenant.sync(is_full=True)
    assert verify_slice(world.runtime, nights, other).to_dict()["agreeing"] == 1
    assert verify_slice(world.runtime, nights, other).connections == ()
    behind_the_journal(tenant, "update workspace_contacts set company = 'y' where id = :id", id=some_pair(tenant)[0])
    verify_slice(world.runtime, nights, mine)
    assert verify_slice(world.runtime, 0, mine).connections == ()


def test_connections_that_do_not_sync_are_left_alone(world: World) -> None:
    tenant = synced(world)
    behind_the_journal(tenant, "update integration_connections set status = 'paused', sync_enabled = false")
    assert verify_slice(world.runtime, 1, DAY).connections == ()


NOTHING = Certificate(compared=0, equal=0, waiting=0, waiting_by={}, differing=())


@pytest.mark.parametrize(
    ("error", "results"),
    [
        pytest.param(RetryableError("busy"), ["failed"] * PATIENCE + ["postponed"] * 2, id="passes by itself"),
        pytest.param(PermanentError("no"), ["failed"] * (PATIENCE + 2), id="its own"),
        pytest.param(RuntimeError("ann@example.org"), ["failed"] * (PATIENCE + 2), id="a defect"),
    ],
)
def test_one_connections_trouble_stays_its_own(world: World, error: Exception, results: list[str]) -> None:
    for n in range(PATIENCE + 2):
        world.tenant(f"w{n}").add_local(person(n))

    def fail(_runtime: Runtime, _workspace: str, _provider: str) -> Certificate:
        raise error

    report = verify_slice(world.runtime, 1, DAY, fail)

    assert [each.result for each in report.connections] == results
    assert "@" not in str(report)


def test_a_success_between_resets_the_patience(world: World) -> None:
    for n in range(2 * PATIENCE):
        world.tenant(f"w{n}")
    failing: list[IntegrationError | None] = [RetryableError("busy"), RetryableError("busy"), None] * PATIENCE

    def sometimes(_runtime: Runtime, _workspace: str, _provider: str) -> Certificate:
        error = failing.pop(0)
        if error:
            raise error
        return NOTHING

    assert verify_slice(world.runtime, 1, DAY, sometimes).to_dict()["postponed"] == 0


def test_without_a_database_the_night_ends(world: World) -> None:
    world.tenant()

    def fail(_runtime: Runtime, _workspace: str, _provider: str) -> Certificate:
        raise UnavailableError("gone")

    with pytest.raises(UnavailableError):
        verify_slice(world.runtime, 1, datetime.now(UTC).date(), fail)
