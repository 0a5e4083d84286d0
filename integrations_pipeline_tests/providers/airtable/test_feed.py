"""The change feed by itself: what a run of payloads comes to, and each sign that some of them are missing."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from integrations_pipeline.errors import CursorExpiredError
from integrations_pipeline.providers.airtable import feed
from integrations_pipeline.providers.airtable.client import AirtableClient
from integrations_pipeline.providers.base import Cursor
from integrations_pipeline.testing import provider_context
from integrations_pipeline_tests.providers.airtable.test_conformance import AirtableBench
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import SandboxOptions, SandboxServer

TABLE, ANN = "tblOurs0000000000", "recAnn00000000000"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAYS = 24 * 3600


def made(**cells: Any) -> dict[str, Any]:
    return {"createdRecordsById": {ANN: {"cellValuesByFieldId": cells}}}


def changed(**cells: Any) -> dict[str, Any]:
    return {"changedRecordsById": {ANN: {"current": {"cellValuesByFieldId": cells}}}}


DESTROYED: dict[str, Any] = {"destroyedRecordIds": [ANN]}


def folded(*changes: Mapping[str, Any], table_id: str = TABLE) -> feed.FoldedFeed:
    found = feed.FoldedFeed()
    for number, change in enumerate(changes):
        at = (NOW + timedelta(minutes=number)).isoformat().replace("+00:00", "Z")
        found.add([{"timestamp": at, "changedTablesById": {table_id: change}}], TABLE)
    return found


@pytest.mark.parametrize(
    ("changes", "cells", "is_new", "is_gone"),
    [
        pytest.param([made(a=1)], {"a": 1}, True, False, id="made"),
        pytest.param([changed(a=1)], {"a": 1}, False, False, id="changed"),
        pytest.param([changed(a=1, b=1), changed(a=2)], {"a": 2, "b": 1}, False, False, id="the last value counts"),
        pytest.param([made(a=1), changed(b=2)], {"a": 1, "b": 2}, True, False, id="made and changed"),
        pytest.param([DESTROYED], None, False, True, id="destroyed"),
        pytest.param([changed(a=1), DESTROYED], None, False, True, id="changed and destroyed"),
        pytest.param([made(a=1), DESTROYED], None, False, True, id="made and destroyed"),
        pytest.param([{**made(a=1), **DESTROYED}], None, False, True, id="made and destroyed at once"),
        pytest.param([DESTROYED, made(a=1)], {"a": 1}, True, False, id="destroyed and made again, as by undo"),
        pytest.param([changed(a=1, b=1), DESTROYED, made(a=2)], {"a": 2}, True, False, id="made again without a cell"),
        pytest.param([DESTROYED, made(a=1), DESTROYED], None, False, True, id="destroyed twice"),
        pytest.param(
            [made(a=1), DESTROYED, changed(b=2)], {"b": 2}, False, True, id="what is told of a destroyed one is no row"
        ),
    ],
)
def test_what_a_run_of_payloads_comes_to(
    changes: list[dict[str, Any]], cells: dict[str, Any] | None, is_new: bool, is_gone: bool
) -> None:
    found = folded(*changes)
    assert found.changed == ({} if cells is None else {ANN: cells})
    assert found.created == ({ANN} if is_new else set())
    assert found.destroyed == ({ANN} if is_gone else set())


def test_another_table_of_the_base_tells_nothing() -> None:
    assert folded(made(a=1), DESTROYED, table_id="tblAnother0000000") == feed.FoldedFeed()


def test_the_last_time_that_a_record_was_touched_counts() -> None:
    assert folded(made(a=1), changed(a=2)).edited_at == {ANN: NOW + timedelta(minutes=1)}


@pytest.mark.parametrize("told", [None, "", "yesterday", 5, "2026-11-22T12:00:00"])
def test_a_time_that_cannot_be_compared_is_none(told: Any) -> None:
    found = feed.FoldedFeed()
    found.add([{"timestamp": told, "changedTablesById": {TABLE: made(a=1)}}], TABLE)
    assert (found.changed, found.edited_at) == ({ANN: {"a": 1}}, {})


# Pages


def client(*answers: Mapping[str, Any]) -> AirtableClient:
    """A client whose requests get these answers, one after another."""
    left = iter(answers)
    context = provider_context(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json=next(left))),
        sleep=lambda _: None,
    )
    return AirtableClient(context, api_url="https://a.test", base_id="app", table_id=TABLE, columns=())


def page(cursor: int, *payloads: Mapping[str, Any], is_more: bool = False) -> dict[str, Any]:
    return {"payloads": list(payloads), "cursor": cursor, "mightHaveMore": is_more, "payloadFormat": "v0"}


PAYLOAD: dict[str, Any] = {"timestamp": "2026-11-22T12:00:00.000Z", "changedTablesById": {}}
AT: Cursor = {"webhook_id": "ach", "payload_cursor": 5}


def test_pages_are_read_until_there_is_no_more() -> None:
    asked = client(page(7, PAYLOAD, PAYLOAD, is_more=True), page(8, PAYLOAD))
    assert list(feed.read_payloads(asked, AT)) == [([PAYLOAD, PAYLOAD], 7), ([PAYLOAD], 8)]


def test_a_quiet_feed_is_one_empty_page() -> None:
    assert list(feed.read_payloads(client(page(5)), AT)) == [([], 5)]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([page(7, PAYLOAD)], id="the numbers leave one out"),
        pytest.param([page(9)], id="all were dropped"),
        pytest.param([page(5, PAYLOAD)], id="more came than there are numbers"),
        pytest.param([page(3)], id="the numbers go back"),
        pytest.param([page(6, PAYLOAD, is_more=True), page(8, PAYLOAD)], id="a gap between two pages"),
        pytest.param([page(6, {"error": True, "code": "INVALID_HOOK"})], id="the feed says so"),
    ],
)
def test_a_feed_with_a_gap_is_given_up(answers: list[dict[str, Any]]) -> None:
    with pytest.raises(CursorExpiredError, match="gap"):
        list(feed.read_payloads(client(*answers), AT))


# The life of a webhook


def test_a_webhook_is_told_of_cells_and_records_of_one_table_whoever_changes_them() -> None:
    # https://airtable.com/developers/web/api/model/webhooks-specification
    filters = {"dataTypes": ["tableData"], "recordChangeScope": TABLE}
    assert feed.specification(TABLE) == {"options": {"filters": filters}}


@pytest.mark.parametrize(
    ("since", "is_outlived"),
    [
        pytest.param(timedelta(days=6, hours=12), False, id="just within"),
        pytest.param(timedelta(days=6, hours=12, seconds=1), True, id="just beyond"),
        pytest.param(timedelta(days=-1), False, id="a clock that went back"),
    ],
)
def test_a_webhook_that_was_not_read_for_its_life_is_not_believed(since: timedelta, is_outlived: bool) -> None:
    assert feed.is_outlived(feed.fed(AT, NOW), NOW + since) is is_outlived


def test_without_a_time_nobody_can_say_that_it_expired() -> None:
    assert not feed.is_outlived(AT, NOW)
    assert not feed.is_outlived(feed.fed(AT, NOW), None)
    assert feed.fed(AT, None) == AT


@pytest.fixture
def bench() -> Iterator[AirtableBench]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        network = Loopback()
        yield AirtableBench(server, network)
        network.shut_down()


def test_an_edit_after_the_webhook_expired_is_not_missed_although_no_payload_is(bench: AirtableBench) -> None:
    """The expired webhook told nobody of it, so the numbers have no gap."""
    (record_id,) = bench.people_make([{"email": "ann@example.org"}])
    *_, last = bench.provider().read_all()
    bench.server.stage.clock.advance(8 * DAYS)
    bench.people_edit(record_id, {"company": "Acme"})
    with pytest.raises(CursorExpiredError, match="expired"):
        list(bench.provider().read_changes(last.cursor))


def test_each_reading_prolongs_the_life_of_the_webhook(bench: AirtableBench) -> None:
    (record_id,) = bench.people_make([{"email": "ann@example.org"}])
    provider = bench.provider()
    *_, last = provider.read_all()
    for number in range(4):
        bench.server.stage.clock.advance(4 * DAYS)
        bench.people_edit(record_id, {"company": f"Acme {number}"})
        (last,) = provider.read_changes(last.cursor)
        assert [record.fields for record in last.records] == [{"company": f"Acme {number}"}]


def test_nothing_that_the_feed_tells_is_a_copy_from_before_a_write_of_ours(bench: AirtableBench) -> None:
    gone, edited = bench.people_make([{"email": "ann@example.org"}, {"email": "bob@example.org"}])
    provider = bench.provider()
    *_, last = provider.read_all()
    bench.people_delete(gone)
    bench.people_edit(edited, {"company": "Acme"})
    (page,) = provider.read_changes(last.cursor)
    assert (set(page.tombstones), [record.external_id for record in page.records]) == ({gone}, [edited])
    assert page.is_certain
    assert all(record.is_certain for record in page.records)


def test_of_records_that_no_feed_dates_airtable_is_asked_whether_they_are_young(bench: AirtableBench) -> None:
    bench.people_make([{"email": "ann@example.org"}])
    provider = bench.provider()
    old = [record for page in provider.read_all() for record in page.records]
    bench.server.stage.clock.advance(3600)
    (young,) = bench.people_make([{"email": "bob@example.org"}])
    records = [record for page in provider.read_all() for record in page.records]
    assert provider.recently_edited(records, 600) == {young}
    assert provider.recently_edited(old, 600) == set()


@pytest.mark.parametrize(
    ("changes", "is_ours"),
    [
        pytest.param({}, True, id="as we make them"),
        pytest.param({"isHookEnabled": True, "notificationUrl": None}, True, id="told as enabled"),
        pytest.param({"isHookEnabled": False}, False, id="expired"),
        pytest.param({"notificationUrl": "https://example.org/hook"}, False, id="somebody's that is notified"),
        pytest.param({"specification": feed.specification("tblAnother0000000")}, False, id="of another table"),
    ],
)
def test_which_webhooks_are_ours(changes: dict[str, Any], is_ours: bool) -> None:
    hook = {"id": "ach", "specification": feed.specification(TABLE), **changes}
    assert feed.is_ours(hook, TABLE) is is_ours


def hooks_of(bench: AirtableBench) -> int:
    made = [
        call for call in bench.server.airtable.requests() if call.method == "POST" and call.path.endswith("webhooks")
    ]
    return len(made)


@pytest.mark.parametrize(("days", "made"), [(1, 1), (8, 2)], ids=["alive", "expired"])
def test_a_webhook_of_ours_is_used_again_while_it_lives(bench: AirtableBench, days: int, made: int) -> None:
    """An expired one is listed still, and tells nothing."""
    bench.people_make([{"email": "ann@example.org"}])
    provider = bench.provider()
    list(provider.read_all())
    bench.server.stage.clock.advance(days * DAYS)
    *_, last = provider.read_all()
    assert hooks_of(bench) == made
    bench.people_make([{"email": "bob@example.org"}])
    (page,) = provider.read_changes(last.cursor)
    assert [record.fields["email"] for record in page.records] == ["bob@example.org"]
