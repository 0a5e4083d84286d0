"""Without a change feed: which tables are read whole, and how far a read of what was modified looks back."""

from collections.abc import Iterator

import pytest

from integrations_pipeline.providers.airtable.feed import SMALL_TABLE
from integrations_pipeline_tests.providers.airtable.test_conformance import AirtableBench
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import SandboxOptions, SandboxServer

EPOCH = "2000-01-01T00:00:00+00:00"


@pytest.fixture
def bench() -> Iterator[AirtableBench]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        server.airtable.set_options(allows_webhooks=False)
        network = Loopback()
        yield AirtableBench(server, network)
        network.shut_down()


def person(number: int) -> dict[str, str]:
    return {"email": f"person{number}@example.org"}


@pytest.mark.parametrize(("count", "is_whole"), [(SMALL_TABLE, True), (SMALL_TABLE + 1, False)])
def test_a_table_is_read_whole_as_long_as_that_costs_no_more(bench: AirtableBench, count: int, is_whole: bool) -> None:
    bench.people_make([person(number) for number in range(count)])
    bench.server.stage.clock.advance(600)
    provider = bench.provider()
    *_, last = provider.read_all()
    pages = list(provider.read_changes(last.cursor))
    assert sum(len(page.records) for page in pages) == (count if is_whole else 0)
    assert all(page.is_complete is is_whole for page in pages)


@pytest.mark.parametrize(("seconds", "is_told"), [(60, True), (600, False)], ids=["a minute", "ten minutes"])
def test_an_edit_shortly_before_the_last_read_is_told_again(bench: AirtableBench, seconds: int, is_told: bool) -> None:
    """Modification times are compared by the minute: one that is told twice costs nothing, one that is missed does."""
    (record_id, *_) = bench.people_make([person(number) for number in range(SMALL_TABLE + 1)])
    bench.server.stage.clock.advance(3600)
    bench.people_edit(record_id, {"company": "Acme"})
    bench.server.stage.clock.advance(seconds)
    provider = bench.provider()
    *_, last = provider.read_all()
    bench.server.stage.clock.advance(60)
    (page,) = provider.read_changes(last.cursor)
    assert [record.external_id for record in page.records] == ([record_id] if is_told else [])


@pytest.mark.parametrize("is_whole", [True, False], ids=["everything", "what was modified"])
def test_the_next_read_begins_where_the_clock_stood_at_the_first_page(bench: AirtableBench, is_whole: bool) -> None:
    """What is edited while the later pages are read is on none of them, perhaps."""
    bench.people_make([person(number) for number in range(SMALL_TABLE + 1)])
    provider = bench.provider()
    *_, last = provider.read_all()
    bench.network.after = lambda _: bench.server.stage.clock.advance(30)
    pages = list(provider.read_all() if is_whole else provider.read_changes({**last.cursor, "since": EPOCH}))
    assert len(pages) == 3
    assert len({page.cursor["since"] for page in pages}) == 1


def test_a_read_of_what_was_modified_tells_the_contact_that_a_record_was_made_for(bench: AirtableBench) -> None:
    """As after a run that died between the create and its acknowledgement: by that the record is known again."""
    bench.people_make([person(number) for number in range(SMALL_TABLE + 1)])
    *_, last = bench.provider().read_all()
    bench.server.airtable.create_records(bench.base_id, "Contacts", [{"Name": "Ann", "Contact ID": "c-1"}])
    found = [record for page in bench.provider().read_changes(last.cursor) for record in page.records]
    assert "c-1" in [record.contact_key for record in found]
