"""What a run that ends in the middle has acknowledged, and in which order the writes of a run go."""

import json
import threading
from typing import Any

import httpx
import pytest

from integrations_pipeline.errors import CredentialsError
from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sync.arrangement import TABLE, Loopback, Tenant, World, people, person

NO_LIMIT: dict[str, Any] = {"delete_policy": "propagate", "delete_limit_fraction": 1.0, "delete_limit": 100}


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


def die() -> None:
    raise Killed


def started(world: World, count: int, **settings: Any) -> tuple[Tenant, list[str]]:
    """A tenant whose people are on both sides, and the ids of its contacts."""
    tenant = world.tenant(**settings)
    ids = tenant.add_local(*people(count))
    tenant.sync()
    return tenant, ids


def unsettled(tenant: Tenant) -> list[str]:
    """Contacts that count as changed since they were last agreed on."""
    statement = "select contact_id::text c from integration_links l join workspace_contacts w on w.id = l.contact_id"
    return [row["c"] for row in tenant.rows(f"{statement} where l.contact_version is distinct from w.version")]


# Between two writes of one contact


def test_a_contact_with_writes_to_both_sides_counts_as_changed_until_the_last_one_is_acknowledged(
    world: World,
) -> None:
    tenant, (contact_id, _) = started(world, 2)
    tenant.edit_local(contact_id, company="Local")
    tenant.edit_remote(tenant.record_of(contact_id), phone="+1")
    world.hooks.before_write = die
    with pytest.raises(Killed):
        tenant.sync()
    assert tenant.local()[contact_id]["phone"] == "+1", "the first write was made"
    assert unsettled(tenant) == [contact_id]
    tenant.sync()
    assert unsettled(tenant) == []
    assert tenant.remote()[tenant.record_of(contact_id)]["company"] == "Local"
    tenant.assert_in_sync()


# Requests in flight


def test_what_was_in_flight_when_another_request_failed_is_acknowledged(world: World) -> None:
    tenant = world.tenant()
    tenant.add_local(*people(2 * world.spec.capabilities.max_batch))
    other_is_done = threading.Event()

    def fail_after_the_other() -> None:
        world.hooks.after_write = other_is_done.set
        assert other_is_done.wait(patient(60))
        raise CredentialsError("the token was taken back")

    world.hooks.before_write = fail_after_the_other
    report = tenant.sync()
    assert (report.status, report.error) == (RunStatus.FAILED, "the token was taken back")
    made = world.spec.capabilities.max_batch
    assert len(tenant.remote()) == len(tenant.links()) == len(tenant.journal("applied")) == made
    assert set(tenant.links().values()) == set(tenant.remote())
    tenant.sync()
    tenant.assert_in_sync()


# Order


def test_at_the_provider_deletes_go_before_updates_and_updates_before_creates(world: World) -> None:
    tenant, ids = started(world, 3, **NO_LIMIT)
    tenant.add_local(person(10))
    tenant.edit_local(ids[1], company="Local")
    tenant.delete_local(ids[0])
    tenant.sync()
    written = [call for call in tenant.record_writes() if call.path.endswith(TABLE)]
    kinds = ["delete" if call.method == "DELETE" else _kind(call.body) for call in written]
    assert kinds == ["delete", "update", "create"]
    tenant.assert_in_sync()


def _kind(body: Any) -> str:
    return "create" if "performUpsert" in str(body) else "update"


# Answers that give one record to two contacts


class Mistaken(Loopback):
    """The network of a provider that answers each create with one and the same record."""

    def __init__(self, record_id: str) -> None:
        super().__init__()
        self._record_id = record_id

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if b"performUpsert" not in request.content:
            return response
        body = json.loads(response.content)
        body["records"][0]["id"] = self._record_id
        del body["records"][0]["fields"]["Contact ID"]
        return httpx.Response(200, json=body, request=request)


def test_an_answer_that_gives_a_new_contact_the_record_of_another_is_not_believed(world: World) -> None:
    tenant, (first, _) = started(world, 2)
    links = tenant.links()
    (newcomer,) = tenant.add_local(person(7))
    tenant.edit_local(first, company="New")
    right, world.network = world.network, Mistaken(links[first])
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert report.results[0].errors == (
        f"create of {newcomer}: the provider's answer names the record of another contact; the next run looks again",
    )
    assert tenant.links() == links
    assert tenant.remote()[links[first]]["company"] == "New", "the rest went on"
    world.network.shut_down()
    world.network = right
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(tenant.remote()) == 3
    tenant.assert_in_sync()
