"""Ids of new contacts: rising as they are made, so that their rows lie side by side in every index."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import pytest
from sqlalchemy import Connection

from integrations_pipeline.store import contacts
from integrations_pipeline.store.new_ids import Ids, new_id
from integrations_pipeline_tests.sync.arrangement import World, people

MILLISECOND = 1_000_000


def ticking(*moments: int) -> Ids:
    """Ids by a clock that shows these milliseconds, one for each id."""
    clock: Iterator[int] = iter([moment * MILLISECOND for moment in moments])
    return Ids(lambda: next(clock))


def test_they_are_what_the_rfc_calls_version_7() -> None:
    made = new_id()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert ticking(1_700_000_000_000).new().int >> 80 == 1_700_000_000_000


@pytest.mark.parametrize("moments", [(5, 5, 5, 6), (5, 4, 3, 9), (5,) * 5000], ids=["one moment", "set back", "many"])
def test_they_rise_whatever_the_clock_does(moments: tuple[int, ...]) -> None:
    ids = ticking(*moments)
    made = [ids.new() for _ in moments]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}


def test_threads_and_processes_share_none() -> None:
    ids = Ids()
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: [ids.new() for _ in range(500)], range(8)))
    made: list[UUID] = [each for part in parts for each in part]
    assert len(set(made)) == len(made)
    assert ticking(5).new() != ticking(5).new(), "as two processes in the same moment"


def test_who_comes_from_a_provider_and_who_is_imported_get_them_in_order(world: World) -> None:
    tenant = world.tenant()
    tenant.add_remote(*people(5))
    tenant.sync()
    with world.database.workspace(tenant.workspace_id) as connection:
        _import(connection, tenant.workspace_id)
    rows = tenant.rows("select id::text, created_at from workspace_contacts order by created_at, id")
    assert {UUID(row["id"]).version for row in rows} == {7}
    assert len(rows) == 7
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)


def _import(connection: Connection, workspace_id: UUID) -> None:
    rows = [{"email": f"new{number}@example.org"} for number in range(2)]
    assert contacts.upsert_contacts(connection, workspace_id, rows).created == 2
