"""What is counted of open questions, with and without any."""

from integrations_pipeline.store import decisions
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.store.rows import add_tenant, insert


def test_a_connection_without_open_questions_has_none_of_any_kind_that_is_counted(database: Database) -> None:
    with database.admin() as connection:
        tenant = add_tenant(connection, "acme")
        assert decisions.count_open(connection, tenant.workspace_id) == {}
        of = {"connection_id": tenant.connection_id, "workspace_id": tenant.workspace_id}
        insert(connection, "integration_agenda", kind="failed", external_id="rec2", **of)
        insert(connection, "integration_agenda", kind="ambiguous", external_id="rec3", **of)
        (counted,) = decisions.count_open(connection, tenant.workspace_id).values()

    assert counted == {"held": 0, "conflicts": 0, "failed": 1}
    assert counted.keys() == decisions.NOTHING_OPEN.keys()
    assert set(decisions.NOTHING_OPEN.values()) == {0}
