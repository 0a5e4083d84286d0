"""Members that a run made before it died, whatever became of their contacts meanwhile: each person once."""

import httpx
import pytest

from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


def killed_in_a_create(world: MailchimpWorld, count: int) -> tuple[Subscribers, list[str]]:
    tenant = world.tenant(create_limit_fraction=1000)
    tenant.add_local(*(person(number) for number in range(50, 55)))
    tenant.sync()
    ids = tenant.add_local(*(person(number) for number in range(count)))

    def after(request: httpx.Request) -> None:
        if request.method in ("POST", "PUT"):
            world.network.after = lambda _: None
            raise Killed

    world.network.after = after
    with pytest.raises(Killed):
        tenant.sync()
    assert len(tenant.remote()) == 5 + count
    return tenant, ids


@pytest.mark.parametrize("count", [1, 3, 30], ids=["one", "few", "many"])
def test_other_e_mails_meanwhile_make_nobody_twice(world: MailchimpWorld, count: int) -> None:
    tenant, ids = killed_in_a_create(world, count)
    for number, contact_id in enumerate(ids[:3]):
        tenant.edit_local(contact_id, email=f"new{number}@example.org")
    tenant.sync()
    assert len(tenant.local()) == 5 + count
    assert len(tenant.remote()) == 5 + count
    assert tenant.journal("intended") == []


def test_who_is_deleted_meanwhile_does_not_come_back(world: MailchimpWorld) -> None:
    tenant, (contact_id,) = killed_in_a_create(world, 1)
    tenant.delete_local(contact_id)
    tenant.sync()
    assert len(tenant.local()) == 5
    assert [row["kind"] for row in tenant.journal("held")] == ["delete"]
