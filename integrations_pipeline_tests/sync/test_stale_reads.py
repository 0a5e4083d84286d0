"""Reads older than our own writes: nothing is undone, doubled or brought back, and a person is still believed.

The sandbox shows every write at once, so the lag is made here: a copy of the table answers instead of it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from integrations_pipeline.model import ChangeKind, RecentWrite, RunStatus
from integrations_pipeline.providers.airtable import PROVIDER
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.sync.contacts.stale import overlook_stale
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.sync.arrangement import Tenant, World, person, tags
from integrations_pipeline_tests.sync.lag import Lag, let_the_window_pass

WINDOW = PROVIDER.capabilities.propagation_seconds
NO_LIMIT: dict[str, Any] = {"delete_policy": "propagate", "delete_limit_fraction": 1.0, "delete_limit": 100}


# What is made of a read


def wrote(kind: ChangeKind, before: Mapping[str, str], after: Mapping[str, str]) -> RecentWrite:
    return RecentWrite(external_id="rec1", kind=kind, before=before, after=after)


def update(**values: tuple[str, str]) -> RecentWrite:
    """An update of fields from one value to another."""
    before = {name: pair[0] for name, pair in values.items()}
    return wrote(ChangeKind.UPDATE, before, {name: pair[1] for name, pair in values.items()})


CREATE = wrote(ChangeKind.CREATE, {}, {"name": "Ann", "company": "Acme"})
DELETE = wrote(ChangeKind.DELETE, {"name": "Ann", "company": "Acme"}, {})
RENAME = update(name=("Ann", "Anna"))
AGAIN = update(name=("Anna", "Hanna"))
MADE = {"name": "Ann", "company": "Acme"}


@pytest.mark.parametrize(
    ("writes", "read", "taken_for"),
    [
        pytest.param([RENAME], {"name": "Ann"}, {"name": "Anna"}, id="the value before our write is ours"),
        pytest.param([RENAME], {"name": "Anna"}, {"name": "Anna"}, id="our value is ours"),
        pytest.param([RENAME], {"name": "Hannah"}, {"name": "Hannah"}, id="another value is a person's"),
        pytest.param([RENAME], {"name": ""}, {"name": ""}, id="a cleared value is a person's"),
        pytest.param([update(name=("", "Ann"))], {"name": ""}, {"name": "Ann"}, id="empty before our write"),
        pytest.param([update(name=("", "Ann"))], {}, {}, id="not told"),
        pytest.param([update(name=("Ann", ""))], {"name": "Ann"}, {"name": ""}, id="cleared by our write"),
        pytest.param(
            [RENAME],
            {"name": "Ann", "company": "New"},
            {"name": "Anna", "company": "New"},
            id="another field of the same record is believed",
        ),
        pytest.param([RENAME, AGAIN], {"name": "Ann"}, {"name": "Hanna"}, id="the value before the first of two"),
        pytest.param([RENAME, AGAIN], {"name": "Anna"}, {"name": "Hanna"}, id="the value between two"),
        pytest.param([RENAME, AGAIN], {"name": "Hanna"}, {"name": "Hanna"}, id="the value of the last of two"),
        pytest.param([RENAME, AGAIN], {"name": "Hannah"}, {"name": "Hannah"}, id="a value of neither of two"),
        pytest.param(
            [RENAME, update(name=("Anna", "Ann"))], {"name": "Anna"}, {"name": "Ann"}, id="there and back, read between"
        ),
        pytest.param(
            [RENAME, update(name=("Anna", "Ann"))], {"name": "Ann"}, {"name": "Ann"}, id="there and back, read after"
        ),
        pytest.param(
            [RENAME, update(company=("", "Acme"))],
            {"name": "Ann", "company": ""},
            {"name": "Anna", "company": "Acme"},
            id="two fields by two writes",
        ),
        pytest.param(
            [CREATE, update(company=("Acme", "New"))],
            {"name": "Ann", "company": "Acme"},
            {"name": "Ann", "company": "New"},
            id="made and then updated, read between",
        ),
        pytest.param([CREATE], {"name": "Ann", "company": ""}, MADE, id="made, read half"),
        pytest.param([CREATE], {"name": "Ann", "company": "New"}, {"name": "Ann", "company": "New"}, id="made, edited"),
        pytest.param([DELETE], {"name": "Ann", "company": "Acme"}, None, id="deleted and still told"),
        pytest.param([RENAME, DELETE], {"name": "Ann"}, None, id="updated, deleted and still told"),
        pytest.param([], {"name": "Ann"}, {"name": "Ann"}, id="no write of ours"),
    ],
)
def test_what_a_record_is_taken_for(
    writes: list[RecentWrite], read: dict[str, str], taken_for: dict[str, str] | None
) -> None:
    records = {
        "rec1": RemoteRecord(external_id="rec1", fields=read),
        "rec2": RemoteRecord(external_id="rec2", fields={}),
    }
    suspects = overlook_stale(records, set(), writes)
    assert records.pop("rec2").fields == {}
    assert {key: record.fields for key, record in records.items()} == ({} if taken_for is None else {"rec1": taken_for})
    assert suspects == ({"rec1"} if taken_for != read else set())


@pytest.mark.parametrize(
    ("writes", "tombstone", "is_feed", "taken_for"),
    [
        pytest.param([CREATE], True, False, MADE, id="made, not there when asked for by id"),
        pytest.param([CREATE], False, False, None, id="made, the read tells nothing of it"),
        pytest.param([CREATE], True, True, None, id="made, and deleted as the feed tells"),
        pytest.param([CREATE], False, True, None, id="made, the feed tells nothing of it"),
        pytest.param(
            [CREATE, update(company=("Acme", "New"))],
            True,
            False,
            {"name": "Ann", "company": "New"},
            id="made and updated, not there when asked for by id",
        ),
        pytest.param([RENAME], True, False, None, id="only updated: its tombstone is believed"),
        pytest.param([DELETE], True, True, None, id="deleted, as its tombstone tells"),
        pytest.param([DELETE], False, False, None, id="deleted, not told"),
        pytest.param([CREATE, DELETE], True, False, None, id="made and deleted, not there when asked for by id"),
    ],
)
def test_what_the_absence_of_a_record_is_taken_for(
    writes: list[RecentWrite], tombstone: bool, is_feed: bool, taken_for: dict[str, str] | None
) -> None:
    records: dict[str, RemoteRecord] = {}
    tombstones = {"rec1"} if tombstone else set()
    certain = tombstones.copy() if is_feed else set()
    suspects = overlook_stale(records, tombstones, writes, certain=certain)
    assert {key: record.fields for key, record in records.items()} == ({} if taken_for is None else {"rec1": taken_for})
    assert suspects == set(records)
    assert tombstones == ({"rec1"} if tombstone and not taken_for else set())


@pytest.mark.parametrize("writes", [[RENAME], [RENAME, DELETE], [CREATE]], ids=["updated", "deleted", "made"])
def test_what_a_feed_tells_is_certain(writes: list[RecentWrite]) -> None:
    told = RemoteRecord(external_id="rec1", fields={"name": "Ann", "company": ""}, is_certain=True)
    records = {"rec1": told}
    assert not overlook_stale(records, set(), writes)
    assert records == {"rec1": told}


def test_writes_to_several_records_are_told_apart() -> None:
    other = RecentWrite(external_id="rec2", kind=ChangeKind.UPDATE, before={"name": "Bob"}, after={"name": "Rob"})
    records = {key: RemoteRecord(external_id=key, fields={"name": "Ann"}) for key in ("rec1", "rec2")}
    assert overlook_stale(records, set(), [RENAME, other]) == {"rec1"}
    assert {key: record.fields["name"] for key, record in records.items()} == {"rec1": "Anna", "rec2": "Ann"}


# Over the wire


#: What is asked for by id may be answered from a copy too, but beside a feed its absence counts as the feed's.
#: How the runs after a write read: whole beside a feed, or without any, which for a small table is whole too.
READS = pytest.mark.parametrize("has_feed", [True, False], ids=["full runs", "no feed"])


def started(world: World, *, has_feed: bool = True, count: int = 3, **settings: Any) -> Tenant:
    """A tenant whose people are on both sides since long ago; reads may lag from now on."""
    world.propagation_seconds = WINDOW
    if not has_feed:
        world.forbid_webhooks()
    tenant = world.tenant(**{**NO_LIMIT, **settings})
    tenant.add_local(*(person(number, company="Base", tags=["base"]) for number in range(count)))
    tenant.sync()
    let_the_window_pass(world)
    tenant.sync()
    tenant.assert_in_sync()
    return tenant


def ids_of(tenant: Tenant) -> list[str]:
    """Contact ids by name."""
    local = tenant.local()
    return sorted(local, key=lambda contact_id: local[contact_id]["name"])


def assert_nothing_done(tenant: Tenant, report: SyncReport) -> None:
    """The run believed nothing of what it read: no change on either side, none waiting, no request that writes."""
    assert report.status is RunStatus.SUCCESS
    assert not report.plan.changes
    assert not report.plan.held
    assert not report.plan.skipped
    assert not tenant.record_writes()


@READS
def test_a_value_just_written_is_not_undone(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed=has_feed)
    lag = Lag(tenant)
    contact_id = ids_of(tenant)[0]
    with lag.behind():
        tenant.edit_local(contact_id, company="Local", tags=["new"])
        tenant.sync()
        assert_nothing_done(tenant, tenant.sync(is_full=has_feed))
        assert lag.stale_reads
    assert tenant.local()[contact_id]["company"] == "Local"
    assert tags(tenant.local()[contact_id]["tags"]) == {"new"}
    tenant.assert_in_sync()
    assert_nothing_done(tenant, tenant.sync(is_full=has_feed))


@READS
def test_a_record_just_made_is_neither_made_again_nor_believed_deleted(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed=has_feed)
    lag = Lag(tenant)
    with lag.behind():
        made = tenant.add_local(person(10), {"name": "Nameless"})
        tenant.sync()
        assert_nothing_done(tenant, tenant.sync(is_full=has_feed))
        assert lag.stale_reads
    assert set(made) <= tenant.local().keys()
    assert len(tenant.remote()) == 5
    tenant.assert_in_sync()
    assert_nothing_done(tenant, tenant.sync(is_full=has_feed))


@READS
def test_a_record_just_deleted_does_not_come_back(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed=has_feed)
    lag = Lag(tenant)
    with lag.behind():
        tenant.delete_local(ids_of(tenant)[0])
        tenant.sync()
        assert len(tenant.remote()) == 2
        assert_nothing_done(tenant, tenant.sync(is_full=has_feed))
        assert lag.stale_reads
    assert len(tenant.local()) == 2
    tenant.assert_in_sync()
    assert_nothing_done(tenant, tenant.sync(is_full=has_feed))


@pytest.mark.parametrize(
    ("has_feed", "runs"),
    [
        pytest.param(True, (True, True, True), id="full runs beside a feed"),
        pytest.param(False, (False, True, False, True), id="no feed"),
        pytest.param(True, (False, True, False, True), id="both kinds of runs beside a feed"),
    ],
)
def test_runs_during_a_lag_longer_than_their_interval_write_nothing(
    world: World, has_feed: bool, runs: tuple[bool, ...]
) -> None:
    tenant = started(world, has_feed=has_feed, count=5)
    lag = Lag(tenant)
    edited, retagged, deleted, *_ = ids_of(tenant)
    with lag.behind():
        tenant.edit_local(edited, company="Local", phone="+1")
        tenant.edit_local(retagged, tags=["base", "local"])
        tenant.delete_local(deleted)
        tenant.add_local(person(10), {"name": "Nameless"})
        tenant.sync()
        # One request per kind of change is all that this lag ever costs.
        assert len(tenant.record_writes()) == 3
        for is_full in runs:
            assert_nothing_done(tenant, tenant.sync(is_full=is_full))
        assert lag.stale_reads >= 3
    assert len(tenant.local()) == len(tenant.remote()) == 6
    tenant.assert_in_sync()
    for is_full in (False, True):
        assert_nothing_done(tenant, tenant.sync(is_full=is_full))


def test_two_writes_of_one_field_survive_a_read_from_between_them(world: World) -> None:
    tenant = started(world, has_feed=False)
    lag = Lag(tenant)
    contact_id = ids_of(tenant)[0]
    tenant.edit_local(contact_id, company="First")
    tenant.sync()
    with lag.behind():
        tenant.edit_local(contact_id, company="Second")
        tenant.sync()
        assert_nothing_done(tenant, tenant.sync())
        assert lag.stale_reads
    assert tenant.local()[contact_id]["company"] == "Second"
    tenant.assert_in_sync()


def test_a_second_edit_during_the_lag_waits_until_the_record_reads_as_it_should(world: World) -> None:
    tenant = started(world)
    lag = Lag(tenant)
    contact_id = ids_of(tenant)[0]
    with lag.behind():
        tenant.edit_local(contact_id, company="First")
        tenant.sync()
        tenant.edit_local(contact_id, company="Second")
        for _ in range(3):
            tenant.sync()
            assert tenant.local()[contact_id]["company"] == "Second"
    tenant.sync()
    assert tenant.remote()[tenant.record_of(contact_id)]["company"] == "Second"
    tenant.assert_in_sync()


def test_a_large_table_read_by_modification_time_is_not_undone_either(world: World) -> None:
    tenant = started(world, has_feed=False, count=205)
    lag = Lag(tenant)
    contact_id = ids_of(tenant)[0]
    with lag.behind():
        tenant.edit_local(contact_id, company="Local")
        made = tenant.add_local(person(1000))
        tenant.sync()
        report = tenant.sync()
        assert report.results[0].metadata["read"] == "incremental"
        assert_nothing_done(tenant, report)
        assert lag.stale_reads
    assert tenant.local()[contact_id]["company"] == "Local"
    assert tenant.local()[made[0]]["name"] == "Person 1000"
    tenant.assert_in_sync()


# A person who really did it


@READS
def test_a_person_who_undid_our_write_is_believed_once_the_window_is_over(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed=has_feed)
    contact_id = ids_of(tenant)[0]
    tenant.edit_local(contact_id, company="Local")
    tenant.sync()
    tenant.edit_remote(tenant.record_of(contact_id), company="Base")
    # The first read is the only one that tells it: from then on the record is on the list to read again.
    for is_full in (has_feed, False, False):
        assert_nothing_done(tenant, tenant.sync(is_full=is_full))
    assert tenant.local()[contact_id]["company"] == "Local"
    let_the_window_pass(world)
    tenant.sync()
    assert tenant.local()[contact_id]["company"] == "Base"
    assert not tenant.record_writes()
    tenant.assert_in_sync()


@READS
def test_a_person_who_deleted_what_we_made_is_believed_once_the_window_is_over(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed=has_feed)
    (made,) = tenant.add_local(person(10))
    tenant.sync()
    tenant.delete_remote(tenant.record_of(made))
    for is_full in (has_feed, True):
        assert_nothing_done(tenant, tenant.sync(is_full=is_full))
    assert made in tenant.local()
    let_the_window_pass(world)
    tenant.sync()
    assert made not in tenant.local()
    assert not tenant.record_writes()
    tenant.assert_in_sync()


def test_a_person_who_undid_our_write_in_a_large_table_is_believed_once_the_window_is_over(world: World) -> None:
    tenant = started(world, has_feed=False, count=205)
    contact_id = ids_of(tenant)[0]
    tenant.edit_local(contact_id, company="Local")
    tenant.sync()
    tenant.edit_remote(tenant.record_of(contact_id), company="Base")
    assert_nothing_done(tenant, tenant.sync())
    # By then the modification is too long ago for the read by time: only the list to read again has it.
    world.server.stage.clock.advance(600)
    assert_nothing_done(tenant, tenant.sync())
    world.server.stage.clock.advance(600)
    let_the_window_pass(world)
    tenant.sync()
    assert tenant.local()[contact_id]["company"] == "Base"
    tenant.assert_in_sync()


@pytest.mark.parametrize("deed", ["undo", "delete"])
def test_what_the_feed_tells_is_believed_at_once(world: World, deed: str) -> None:
    tenant = started(world)
    contact_id = ids_of(tenant)[0]
    tenant.edit_local(contact_id, company="Local")
    (made,) = tenant.add_local(person(10))
    tenant.sync()
    if deed == "undo":
        tenant.edit_remote(tenant.record_of(contact_id), company="Base")
    else:
        tenant.delete_remote(tenant.record_of(made))
    tenant.sync()
    assert (tenant.local()[contact_id]["company"] == "Base") == (deed == "undo")
    assert (made not in tenant.local()) == (deed == "delete")
    tenant.assert_in_sync()


def test_a_new_value_within_the_window_is_believed_at_once(world: World) -> None:
    tenant = started(world, has_feed=False)
    contact_id = ids_of(tenant)[0]
    tenant.edit_local(contact_id, company="Local")
    tenant.sync()
    tenant.edit_remote(tenant.record_of(contact_id), company="Remote")
    tenant.sync()
    assert tenant.local()[contact_id]["company"] == "Remote"
    tenant.assert_in_sync()


# Second looks that lag: the re-read before a write, and records read again by their ids


def test_an_edit_taken_back_during_the_lag_reaches_the_provider(world: World) -> None:
    tenant = started(world)
    lag = Lag(tenant)
    contact_id = ids_of(tenant)[0]
    with lag.behind():
        tenant.edit_local(contact_id, company="Typo")
        tenant.sync()
        tenant.edit_local(contact_id, company="Base")
        tenant.sync()
        assert lag.stale_reads
    let_the_window_pass(world)
    tenant.sync()
    tenant.sync(is_full=True)
    tenant.assert_in_sync()
    assert tenant.local()[contact_id]["company"] == "Base"


def test_a_contact_deleted_right_after_its_record_was_made_stays_deleted(world: World) -> None:
    tenant = started(world)
    lag = Lag(tenant)
    with lag.behind():
        (made,) = tenant.add_local(person(10))
        tenant.sync()
        tenant.delete_local(made)
        tenant.sync()
        assert lag.stale_reads
    let_the_window_pass(world)
    tenant.sync(is_full=True)
    assert len(tenant.remote()) == len(tenant.local()) == 3
    tenant.assert_in_sync()


def test_a_contact_edited_right_after_its_record_was_made_is_not_doubled(world: World) -> None:
    tenant = started(world)
    lag = Lag(tenant)
    with lag.behind():
        (made,) = tenant.add_local(person(10))
        tenant.sync()
        tenant.edit_local(made, company="Local")
        for _ in range(3):
            tenant.sync()
        assert lag.stale_reads
    tenant.sync()
    assert made in tenant.local()
    assert len(tenant.remote()) == len(tenant.local()) == 4
    tenant.assert_in_sync()


@contextmanager
def feed_behind(tenant: Tenant) -> Iterator[Callable[[int], None]]:
    """The change feed lags: of what came after the beginning it tells only so many payloads as allowed."""
    (hook,) = tenant.world.airtable.webhooks._by_base[tenant.base_id].values()
    first, allowed = hook.next_cursor, 0
    present = hook.kept, hook.next_cursor

    def hide(request: httpx.Request) -> None:
        nonlocal present
        present = hook.kept, hook.next_cursor
        if request.url.path.endswith("/payloads"):
            hook.next_cursor = min(hook.next_cursor, first + allowed)
            hook.kept = [kept for kept in hook.kept if kept.cursor < hook.next_cursor]

    def show(request: httpx.Request) -> None:
        if request.url.path.endswith("/payloads"):
            hook.kept, hook.next_cursor = present

    def allow(more: int) -> None:
        nonlocal allowed
        allowed += more

    network = tenant.world.network
    network.before, network.after = hide, show
    try:
        yield allow
    finally:
        network.before = network.after = lambda _: None


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param(1, id="one write"),
        pytest.param(2, id="two writes"),
    ],
)
def test_a_feed_that_tells_our_own_writes_late_undoes_none_of_them(world: World, edits: int) -> None:
    tenant = started(world)
    world.max_concurrency = 1
    contact_id = ids_of(tenant)[0]
    with feed_behind(tenant) as allow:
        for number in range(edits):
            tenant.edit_local(contact_id, company=f"Local {number}")
            tenant.sync()
            assert len(tenant.record_writes()) == 1
        for _ in range(edits + 1):
            assert_nothing_done(tenant, tenant.sync())
            allow(1)
    assert tenant.local()[contact_id]["company"] == f"Local {edits - 1}"
    tenant.assert_in_sync()
