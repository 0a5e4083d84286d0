"""Which runs ask the feed once more, to step over what they wrote themselves."""

import pytest

from integrations_pipeline_tests.sync.arrangement import World, person


@pytest.mark.parametrize(("is_remote", "asked"), [(True, 1), (False, 2)], ids=["written here", "written there"])
def test_only_a_run_that_wrote_there_asks_the_feed_again(world: World, is_remote: bool, asked: int) -> None:
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1))
    tenant.sync()
    tenant.sync()
    if is_remote:
        tenant.edit_remote(tenant.record_of(contact_id), company="Edited")
    else:
        tenant.edit_local(contact_id, company="Edited")
    tenant.sync()
    assert len([call for call in tenant.calls("GET") if call.path.endswith("/payloads")]) == asked
    tenant.assert_in_sync()
