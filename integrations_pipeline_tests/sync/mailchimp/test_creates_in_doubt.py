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
    ids = tenant.add_local(*(person(number, tags=["lead"]) for number in range(count)))

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


@pytest.mark.parametrize(
    "edit", [{}, {"email": "new@example.org"}, {"company": "New"}], ids=["quiet", "e-mail", "field"]
)
def test_tags_that_were_not_set_before_it_died_are_set_and_not_taken_away_here(
    world: MailchimpWorld, edit: dict[str, str]
) -> None:
    """The member was made, and its tags were to come in a request of their own, as where a service takes none with new
    members. That they are not there is nobody's deed."""
    world.propagation_seconds = 60.0
    tenant, (contact_id,) = killed_in_a_create(world, 1)
    (record_id,) = (key for key, row in tenant.remote().items() if row["email"] == tenant.local()[contact_id]["email"])
    tags = tenant.local()[contact_id]["tags"]
    assert tags
    tenant.edit_remote(record_id, tags=[])
    if edit:
        tenant.edit_local(contact_id, **edit)
    for _ in range(3):
        tenant.sync()
        world.clock.advance(world.propagation_seconds)
    assert tenant.local()[contact_id]["tags"] == tags
    tenant.assert_in_sync()
