"""The agenda is read as it was written, and each statement touches what it names."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection

from integrations_pipeline.model import AgendaItem, AgendaKind, ChangeKind, Decision, Side
from integrations_pipeline.store import agenda
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.store.rows import Tenant, add_tenant, execute, query

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
CONTACT, CHANGE = str(UUID(int=5)), UUID(int=6)
WHOLE = AgendaItem(
    kind=AgendaKind.HELD_CLEAR,
    side=Side.REMOTE,
    contact_id=CONTACT,
    external_id="x1",
    field="company",
    change=ChangeKind.UPDATE,
    change_id=CHANGE,
    before={"company": "Acme", "tags": "a\x1fb"},
    after={"company": ""},
    base={"company": "Base"},
    reason="too many",
    created_at=NOON,
    decision=Decision.REJECTED,
)
CONFLICT = AgendaItem(
    kind=AgendaKind.CONFLICT,
    contact_id=CONTACT,
    field="name",
    values={"base": "B", "local": "L", "remote": "R"},
    created_at=NOON,
)
BARE = AgendaItem(kind=AgendaKind.RETRY, created_at=NOON)


def tenant_of(connection: Connection, slug: str) -> Tenant:
    """A tenant for whom nothing waits."""
    tenant = add_tenant(connection, slug)
    execute(connection, "delete from integration_agenda where connection_id = :id", id=tenant.connection_id)
    return tenant


def scope(tenant: Tenant, run_id: UUID | None = None) -> JournalScope:
    return JournalScope(connection_id=tenant.connection_id, workspace_id=tenant.workspace_id, run_id=run_id)


def items(connection: Connection, tenant: Tenant) -> tuple[AgendaItem, ...]:
    return agenda.read_agenda(connection, tenant.connection_id).items


@pytest.mark.parametrize("item", [WHOLE, CONFLICT, BARE], ids=["whole", "conflict", "bare"])
def test_an_item_is_read_as_it_was_written(database: Database, item: AgendaItem) -> None:
    with database.admin() as connection:
        tenant, other = tenant_of(connection, "acme"), tenant_of(connection, "other")
        agenda.add_items(connection, scope(tenant), [item])
        (read,) = items(connection, tenant)
        assert read == item
        assert read.id == item.id
        assert items(connection, other) == ()


def test_who_decided_is_written_with_a_decision_and_only_with_one(database: Database) -> None:
    run_id = uuid4()
    with database.admin() as connection:
        tenant = tenant_of(connection, "acme")
        agenda.add_items(connection, scope(tenant, run_id), [WHOLE, BARE], "ann")
        rows = query(
            connection,
            "select kind, decided_by, decided_at is not null, run_id, workspace_id from integration_agenda "
            "order by kind",
        )
        assert [tuple(row) for row in rows] == [
            ("held_clear", "ann", True, run_id, tenant.workspace_id),
            ("retry", None, False, run_id, tenant.workspace_id),
        ]


def test_the_oldest_is_read_first_and_what_has_no_time_waits_since_now(database: Database) -> None:
    with database.admin() as connection:
        tenant = tenant_of(connection, "acme")
        agenda.add_items(connection, scope(tenant), [AgendaItem(kind=AgendaKind.RETRY, external_id="new"), BARE])
        old, new = items(connection, tenant)
        assert (old, new.external_id) == (BARE, "new")
        assert new.created_at is not None
        assert new.created_at > NOON


def test_only_what_is_named_is_removed_and_only_of_this_connection(database: Database) -> None:
    with database.admin() as connection:
        tenant, other = tenant_of(connection, "acme"), tenant_of(connection, "other")
        agenda.add_items(connection, scope(tenant), [WHOLE, BARE])
        agenda.remove_items(connection, other.connection_id, [WHOLE.id])
        agenda.remove_items(connection, tenant.connection_id, [])
        assert len(items(connection, tenant)) == 2
        agenda.remove_items(connection, tenant.connection_id, [WHOLE.id])
        assert items(connection, tenant) == (BARE,)


def test_failures_of_earlier_runs_leave_on_the_sides_that_were_written(database: Database) -> None:
    earlier, now = uuid4(), uuid4()

    def failed(name: str, **more: Any) -> AgendaItem:
        told: dict[str, Any] = {"kind": AgendaKind.FAILED, "side": Side.REMOTE, "external_id": name, **more}
        return AgendaItem(**told)

    with database.admin() as connection:
        tenant = tenant_of(connection, "acme")
        old = [
            failed("failed"),
            failed("refused", kind=AgendaKind.REFUSED),
            failed("of the other side", side=Side.LOCAL),
            failed("held", kind=AgendaKind.HELD_EMAIL),
        ]
        agenda.add_items(connection, scope(tenant, earlier), old)
        agenda.add_items(connection, scope(tenant), [failed("of no run")])
        agenda.add_items(connection, scope(tenant, now), [failed("of this run")])
        agenda.remove_failed(connection, scope(tenant, now), [Side.REMOTE])
        assert {item.external_id for item in items(connection, tenant)} == {"of the other side", "held", "of this run"}


def test_everything_is_asked_for_as_one_retry(database: Database) -> None:
    with database.admin() as connection:
        tenant = tenant_of(connection, "acme")
        agenda.read_everything(connection, tenant.connection_id, tenant.workspace_id)
        found = agenda.read_agenda(connection, tenant.connection_id)
        assert [(item.kind, item.side, item.reason) for item in found.items] == [
            (AgendaKind.RETRY, Side.REMOTE, "everything")
        ]
        assert found.is_full_wanted
