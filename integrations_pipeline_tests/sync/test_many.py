"""More changes than are worth choosing among: contacts and links are read whole, and the same is done."""

import pytest

from integrations_pipeline.sync.contacts import affected
from integrations_pipeline_tests.sync.arrangement import World, people, person


@pytest.mark.parametrize("many", [0, 10_000])
def test_a_run_does_the_same_whether_it_reads_everybody_or_those_affected(
    world: World, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(affected, "MANY", many)
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    records = tenant.add_remote(*people(6))
    tenant.sync()
    tenant.sync()
    contacts = {there: here for here, there in tenant.links().items()}
    tenant.edit_local(contacts[records[0]], company="Here")
    tenant.edit_remote(records[1], company="There")
    tenant.edit_remote(records[2], email="moved@example.org")
    tenant.delete_remote(records[3])
    tenant.delete_local(contacts[records[4]])
    tenant.add_local(person(10))
    tenant.add_remote(person(11))
    report = tenant.sync()
    done = sorted((change.side.value, change.kind.value, *sorted(change.after)) for change in report.plan.changes)
    assert done == [
        ("local", "create", "email", "name"),
        ("local", "delete"),
        ("local", "update", "company"),
        ("local", "update", "email"),
        ("remote", "create", "email", "name"),
        ("remote", "delete"),
        ("remote", "update", "company"),
    ]
    tenant.assert_in_sync()
    tenant.assert_quiet()
