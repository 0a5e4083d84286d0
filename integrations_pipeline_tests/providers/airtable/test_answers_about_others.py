"""Answers that are about others than were asked for, or about one twice."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from integrations_pipeline.errors import InDoubtError, WrongAnswerError
from integrations_pipeline.providers.airtable.client import AirtableClient
from integrations_pipeline.testing import provider_context
from integrations_pipeline_tests.providers.airtable.test_conformance import AirtableBench
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import SandboxOptions, SandboxServer

ONE, TWO, THREE = ({"id": f"rec{number:014d}", "fields": {}} for number in (1, 2, 3))


def client(*records: dict[str, Any]) -> AirtableClient:
    """A client that is answered with these records."""
    answer = {"records": [{**record, "createdTime": "2026-11-22T12:00:00.000Z"} for record in records]}
    context = provider_context(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json=answer)),
        sleep=lambda _: None,
    )
    return AirtableClient(context, api_url="https://a.test", base_id="app", table_id="tbl", columns=())


@pytest.mark.parametrize("records", [(ONE,), (ONE, TWO, THREE), (ONE, ONE)], ids=["too few", "too many", "one twice"])
def test_a_write_is_answered_with_as_many_records_as_were_sent_each_once(records: tuple[dict[str, Any], ...]) -> None:
    sent: list[dict[str, Any]] = [{"fields": {}}, {"fields": {}}]
    with pytest.raises(WrongAnswerError):
        client(*records).update(sent, typecast=True)
    with pytest.raises(WrongAnswerError):
        client(*records).upsert(sent, "Contact ID", typecast=True)
    with pytest.raises(InDoubtError):
        client(*records).create(sent, typecast=True)
    assert [record["id"] for record in client(ONE, TWO).update(sent, typecast=True)] == [ONE["id"], TWO["id"]]


@pytest.fixture
def bench() -> Iterator[AirtableBench]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        network = Loopback()
        yield AirtableBench(server, network)
        network.shut_down()


def test_of_an_answer_that_did_not_heed_the_question_only_those_count_that_were_asked_for(
    bench: AirtableBench,
) -> None:
    wanted, _ = bench.people_make([{"email": "ann@example.org"}, {"email": "bob@example.org"}])
    provider = bench.provider()
    list(provider.read_all())

    def ignore(request: httpx.Request) -> None:
        kept = [(key, value) for key, value in request.url.params.multi_items() if key != "filterByFormula"]
        request.url = request.url.copy_with(params=kept)

    bench.network.before = ignore
    page = provider.read_records([wanted, bench.unknown_id])
    assert [record.external_id for record in page.records] == [wanted]
    assert page.tombstones == {bench.unknown_id}
