"""The status of a preview."""

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import World, person


def test_a_preview_is_refused_only_if_a_guard_refuses_something(world: World) -> None:
    tenant = world.tenant()
    ids = tenant.add_local(*(person(number) for number in range(60)))
    assert tenant.preview().status is RunStatus.SUCCESS
    tenant.sync()
    assert tenant.preview().status is RunStatus.SUCCESS
    for contact_id in ids[:40]:
        tenant.edit_local(contact_id, name="")
    assert tenant.preview().status is RunStatus.REFUSED
