"""What work costs in requests. Every request takes a moment of the clock, as every real one does."""

from math import ceil

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.costs.counting import row_versions
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers

#: The documented limits: members per write and per page.
BATCH, PAGE = 500, 1000
SIZES = [pytest.param(60, id="60"), pytest.param(5000, marks=pytest.mark.slow, id="5000")]
#: Merge fields before the first write, the list of the archived, and the last page, which may be empty.
AROUND = 5


def slow_clock(world: MailchimpWorld, seconds: float = 1.5) -> None:
    """A batch of 500 takes longer than that."""
    world.network.before = lambda _: world.clock.advance(seconds)


def pages(count: int) -> int:
    """A page begins with the last ten members of the one before."""
    return ceil(count / (PAGE - 10))


def allowed(count: int) -> int:
    """Batches, pages to look at them again before and to step over our own writes, and 5 % more."""
    return AROUND + ceil(1.05 * (ceil(count / BATCH) + 2 * pages(count)))


def allowed_for_new(count: int) -> int:
    """Batches, and pages that tell the new ids: read while the batches are, so that nothing is left to step over."""
    return AROUND + ceil(1.05 * (ceil(count / BATCH) + pages(count)))


def loaded(world: MailchimpWorld, count: int, side: str) -> Subscribers:
    """Everybody is new on one side; the first run of the connection."""
    slow_clock(world)
    tenant = world.tenant(**NO_LIMIT)
    if side == "local":
        tenant.add_local(*people(count))
    else:
        tenant.add_remote(*people(count))
        world.clock.advance(3600)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(tenant.links()) == count
    return tenant


@pytest.mark.parametrize("side", ["local", "remote"])
@pytest.mark.parametrize("count", SIZES)
def test_a_first_load_costs_its_batches_and_pages_and_nothing_afterwards(
    world: MailchimpWorld, side: str, count: int
) -> None:
    tenant = loaded(world, count, side)
    assert len(tenant.calls()) <= (allowed_for_new(count) if side == "local" else AROUND + pages(count))
    # Right after it, and later.
    for interval in (0.0, 5.0, 3600.0):
        world.interval = interval
        report = tenant.sync()
        assert not report.plan.changes
        assert len(tenant.calls()) <= 2
    tenant.assert_in_sync()


@pytest.mark.parametrize("count", SIZES)
def test_updates_of_everybody_cost_their_batches_and_pages(world: MailchimpWorld, count: int) -> None:
    tenant = loaded(world, count, "remote")
    tenant.rows("update workspace_contacts set company = 'Acme' returning id")
    tenant.sync()
    assert len(tenant.calls()) <= allowed(count)
    assert {row["company"] for row in tenant.remote().values()} == {"Acme"}
    world.interval = 0.0
    assert len(tenant.assert_quiet().plan.changes) == 0


@pytest.mark.parametrize("count", SIZES)
def test_edits_of_everybody_at_mailchimp_cost_their_pages(world: MailchimpWorld, count: int) -> None:
    tenant = loaded(world, count, "remote")
    for record_id in tenant.remote():
        tenant.edit_remote(record_id, company="Acme")
    world.clock.advance(60)
    tenant.sync()
    assert len(tenant.calls()) <= AROUND + pages(count)
    assert {row["company"] for row in tenant.local().values()} == {"Acme"}
    tenant.assert_quiet()


def test_one_change_costs_a_handful(world: MailchimpWorld) -> None:
    """Read twice, fields, the record again, the write; and the read that steps over it."""
    tenant = loaded(world, 60, "remote")
    contact_id = sorted(tenant.local())[0]
    for fields in ({"company": "Acme"}, {"tags": ["a"]}, {"email": "new@example.org"}):
        tenant.edit_local(contact_id, **fields)
        tenant.sync()
        assert len(tenant.calls()) <= 7
    tenant.assert_quiet()


def tag_calls(tenant: Subscribers) -> list[str]:
    return [call.path.rpartition("/")[2] for call in tenant.calls("POST") if call.path.endswith("/tags")]


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("seconds", [0.0, 1.5])
def test_tags_of_new_members_come_with_them_and_cost_nothing(world: MailchimpWorld, count: int, seconds: float) -> None:
    """However many members change within one second."""
    slow_clock(world, seconds)
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_local(*(person(n, tags=["lead", f"group {n % 7}"]) for n in range(count)))
    assert tenant.sync().status is RunStatus.SUCCESS
    calls = tenant.calls()
    assert not [call for call in calls if call.path.endswith("/tags")]
    # 20 or 21 for 5,000.
    assert len(calls) <= min(allowed_for_new(count), 25)
    world.interval = 0.0
    tenant.assert_quiet()


@pytest.mark.parametrize("count", SIZES)
def test_one_tag_changed_on_everybody_costs_its_batches(world: MailchimpWorld, count: int) -> None:
    """Added with the batch, taken away by tag; what somebody adds there meanwhile stays."""
    slow_clock(world)
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_remote(*(person(n, tags=["old", "kept"]) for n in range(count)))
    world.clock.advance(3600)
    tenant.sync()
    tenant.rows("update workspace_contacts set tags = '{kept,new}' returning id")
    contact_id, record_id = min(tenant.links().items())
    world.hooks.before_write = lambda: tenant.edit_remote(record_id, tags=["old", "kept", "typed there"])
    tenant.sync()
    assert len(tenant.calls()) <= min(allowed(count) + ceil(count / BATCH) + 2, 40)
    tags = {tuple(sorted(row["tags"].split("\x1f"))) for key, row in tenant.remote().items() if key != record_id}
    assert tags == {("kept", "new")}
    for _ in range(2):
        tenant.sync()
    assert sorted(tenant.remote()[record_id]["tags"].split("\x1f")) == ["kept", "new", "typed there"]
    assert sorted(tenant.local()[contact_id]["tags"].split("\x1f")) == ["kept", "new", "typed there"]


def test_tags_of_few_members_cost_a_request_each(world: MailchimpWorld) -> None:
    tenant = loaded(world, 60, "remote")
    tenant.edit_local(min(tenant.local()), tags=["a", "b", "c"])
    tenant.sync()
    assert len(tag_calls(tenant)) == 1
    for contact_id in sorted(tenant.local())[:2]:
        tenant.edit_local(contact_id, tags=[])
    tenant.sync()
    assert len(tag_calls(tenant)) == 1
    tenant.assert_quiet()


def test_a_run_with_nothing_to_do_asks_nothing_of_the_merge_fields(world: MailchimpWorld) -> None:
    tenant = loaded(world, 60, "remote")
    tenant.sync()
    assert {call.path.rpartition("/")[2] for call in tenant.calls()} == {"members"}
    assert all(("count", "1000") in call.query for call in tenant.calls())


@pytest.mark.parametrize("shuffles", [False, True], ids=["ties in order", "ties in any order"])
def test_a_load_within_one_second_costs_a_little_more(world: MailchimpWorld, shuffles: bool) -> None:
    """Faster than the real service is: all new members share one second."""
    world.options(shuffle_ties=shuffles)
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_local(*people(1200))
    tenant.sync()
    assert len(tenant.links()) == 1200
    assert len(tenant.calls()) <= (40 if shuffles else 14)
    tenant.sync()
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_an_unchanged_answer_of_thousands_is_not_asked_for_again_by_a_preview(world: MailchimpWorld) -> None:
    tenant = loaded(world, 60, "remote")
    tenant.add_local(person(1000))
    tenant.preview()
    assert len(tenant.calls()) <= 2 + 1  # and one look at the merge fields


@pytest.mark.parametrize("status", ["subscribed", "transactional"])
def test_a_quiet_full_read_writes_no_row(world: MailchimpWorld, status: str) -> None:
    tenant = world.tenant()
    tenant.add_local(*(person(n, tags=["b", "a"]) for n in range(20)))
    tenant.add_remote(*(person(n, tags=["y", "x"]) for n in range(100, 120)), status=status)
    tenant.sync()
    tenant.sync(is_full=True)

    def written() -> list[object]:
        with world.database.admin() as connection:
            tables = ("workspace_contacts", "integration_links", "integration_changes", "suppressions")
            return [row_versions(connection, table) for table in tables]

    before = written()
    tenant.sync(is_full=True)
    assert written() == before
