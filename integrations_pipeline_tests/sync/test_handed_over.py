"""E-mails that change hands at the provider: rings and chains arrive whole, a collision blocks the e-mail alone."""

from collections.abc import Sequence

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.handover import lines
from integrations_pipeline_tests.sync.arrangement import Tenant, World, person


def people_of(world: World, count: int) -> tuple[Tenant, list[str], list[str]]:
    tenant = world.tenant()
    ids = tenant.add_local(*(person(number) for number in range(count)), person(90), person(91))
    tenant.sync()
    return tenant, ids[:count], [tenant.record_of(contact_id) for contact_id in ids[:count]]


def emails(tenant: Tenant, ids: list[str]) -> list[str]:
    return [tenant.local()[contact_id]["email"] for contact_id in ids]


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_a_ring_arrives_whole_with_everything_else(world: World, count: int, is_full: bool) -> None:
    tenant, ids, records = people_of(world, count)
    before = emails(tenant, ids)
    for number, record_id in enumerate(records):
        tenant.edit_remote(record_id, email=before[(number + 1) % count], company=f"Company {number}")
    assert tenant.sync(is_full=is_full).status is RunStatus.SUCCESS
    assert emails(tenant, ids) == before[1:] + before[:1]
    assert [tenant.local()[key]["company"] for key in ids] == [f"Company {number}" for number in range(count)]
    tenant.assert_in_sync()
    tenant.assert_quiet()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (0, 3, 2, 1), (3, 0, 2, 1)], ids=str)
def test_a_chain_arrives_whole(world: World, order: Sequence[int]) -> None:
    """`order`: in which its contacts are written, by their place in it. Whoever comes too early tries once more."""
    tenant, unordered, _ = people_of(world, 4)
    ids = [key for _, key in sorted(zip(order, sorted(unordered), strict=True))]
    before = emails(tenant, ids)
    for contact_id, email in zip(ids, [*before[1:], "free@example.org"], strict=True):
        tenant.edit_remote(tenant.record_of(contact_id), email=email)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert emails(tenant, ids) == [*before[1:], "free@example.org"]
    tenant.assert_in_sync()


def test_two_chains_at_once_arrive_whole(world: World) -> None:
    tenant, unordered, _ = people_of(world, 6)
    first, last, *middle = sorted(unordered)
    ids = [first, middle[0], last, middle[1], *middle[2:]]
    before = emails(tenant, ids)
    after = [before[1], "one@example.org", before[3], "other@example.org", *before[4:]]
    for contact_id, email in zip(ids[:4], after, strict=False):
        tenant.edit_remote(tenant.record_of(contact_id), email=email)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert emails(tenant, ids) == after
    tenant.assert_in_sync()


def test_a_merge_whose_survivor_takes_the_losers_e_mail_goes_on_but_for_the_e_mail(world: World) -> None:
    """The loser's delete is held: until somebody decides, the workspace has both."""
    tenant, ids, records = people_of(world, 2)
    before = emails(tenant, ids)
    tenant.delete_remote(records[1])
    tenant.edit_remote(records[0], email=before[1], company="Merged", phone="+47 1")
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert any("another contact of the workspace has this e-mail" in each for each in report.results[1].errors)
    row = tenant.local()[ids[0]]
    assert (row["email"], row["company"], row["phone"]) == (before[0], "Merged", "+47 1")
    tenant.edit_remote(records[0], job_title="Still here")
    tenant.edit_local(ids[0], name="New Name")
    tenant.sync()
    assert tenant.local()[ids[0]]["job_title"] == "Still here"
    assert tenant.remote()[records[0]]["name"] == "New Name"
    assert tenant.remote()[records[0]]["email"] == before[1]
    tenant.delete_local(ids[1])
    tenant.sync()
    tenant.sync()
    assert tenant.local()[ids[0]]["email"] == before[1]
    tenant.sync(is_full=True)
    tenant.assert_in_sync()


def test_a_ring_with_an_edit_here_meanwhile_loses_neither(world: World) -> None:
    tenant, ids, records = people_of(world, 2)
    before = emails(tenant, ids)
    tenant.edit_remote(records[0], email=before[1])
    tenant.edit_remote(records[1], email=before[0])
    tenant.edit_local(ids[0], company="Local")
    tenant.sync()
    tenant.sync()
    assert emails(tenant, ids) == [before[1], before[0]]
    assert tenant.remote()[records[0]]["company"] == "Local"
    tenant.assert_in_sync()


def test_whoever_is_opted_out_stays_so_in_an_exchange_and_so_does_the_address(world: World) -> None:
    tenant, ids, records = people_of(world, 2)
    tenant.edit_local(ids[0], email_opt_out="true")
    tenant.sync()
    before = emails(tenant, ids)
    tenant.edit_remote(records[0], email=before[1])
    tenant.edit_remote(records[1], email=before[0])
    tenant.sync()
    assert emails(tenant, ids) == [before[1], before[0]]
    out = tenant.rows("select email from workspace_contacts where email_opt_out order by email")
    assert [row["email"] for row in out] == sorted(before)


def test_who_was_deleted_here_comes_back_with_the_e_mail_it_has_there_by_now(world: World) -> None:
    """The edit there beats the delete, and another contact has taken the e-mail that it had."""
    tenant, ids, records = people_of(world, 2)
    before = emails(tenant, ids)
    tenant.delete_local(ids[0])
    tenant.edit_remote(records[0], email="new@example.org")
    tenant.edit_remote(records[1], email=before[0])
    assert tenant.sync().status is RunStatus.SUCCESS
    assert emails(tenant, ids) == ["new@example.org", before[0]]
    tenant.assert_in_sync()


def write(key: str, email: str) -> ContactWrite:
    return ContactWrite(contact_id=key, fields={"email": email})


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({"a": "b", "b": "a"}, [["a", "b"]], id="two"),
        pytest.param({"a": "b", "b": "c", "c": "a"}, [["a", "b", "c"]], id="three"),
        pytest.param({"x": "a", "a": "b", "b": "a"}, [["a", "b"]], id="one waits for the ring"),
        pytest.param({"c": "z", "b": "c", "a": "b"}, [["a", "b", "c"]], id="a chain"),
        pytest.param({"a": "c", "b": "c", "c": "z"}, [["a", "c"]], id="two want one"),
        pytest.param({"a": "a"}, [], id="its own"),
        pytest.param({"a": "b", "b": "a", "c": "d", "d": "c"}, [["a", "b"], ["c", "d"]], id="two rings"),
    ],
)
def test_who_gives_to_whom(wanted: dict[str, str], expected: list[list[str]]) -> None:
    held = {f"{key}@example.org": key for key in "abcd"}
    found = lines({key: write(key, f"{target.upper()}@example.org") for key, target in wanted.items()}, held)
    assert [[each.contact_id for each in ring] for ring in found] == expected
