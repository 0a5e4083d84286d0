"""A second look at several members at once: who changed since the read began is told, the others are as they were."""

from collections.abc import Iterator

import pytest

from integrations_pipeline_tests.providers.mailchimp.test_conformance import MailchimpBench
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import SandboxOptions, SandboxServer


@pytest.fixture
def bench() -> Iterator[MailchimpBench]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        network = Loopback()
        yield MailchimpBench(server, network)
        network.shut_down()


def test_of_several_those_who_changed_or_left_since_the_read_began_are_told(bench: MailchimpBench) -> None:
    ids = bench.people_make([{"email": f"person{number}@example.com", "name": "Old"} for number in range(4)])
    bench.server.stage.clock.advance(3600)
    provider = bench.provider()
    list(provider.read_all())
    bench.server.stage.clock.advance(60)
    bench.people_edit(ids[0], {"name": "New"})
    bench.people_edit(ids[3], {"name": "Not asked for"})
    bench.people_delete(ids[1])

    page = provider.recheck(ids[:3])

    assert {record.external_id: record.fields["name"] for record in page.records} == {ids[0]: "New"}
    assert page.tombstones == {ids[1]}
    assert page.unchanged == {ids[2]}


def test_one_member_alone_is_read_and_not_looked_for_among_what_changed(bench: MailchimpBench) -> None:
    (only,) = bench.people_make([{"email": "ann@example.com", "name": "Ann"}])
    bench.server.stage.clock.advance(3600)
    provider = bench.provider()
    list(provider.read_all())

    page = provider.recheck([only])

    assert [record.external_id for record in page.records] == [only]
    assert not page.unchanged
