"""Each endpoint of HubSpot answers some hundred wrong shapes: whatever comes is one line, or of the right kinds."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations_pipeline.model import ChangeKind, ContactValues, Outcome
from integrations_pipeline.providers.base import Page
from integrations_pipeline.testing.conformance import contact
from integrations_pipeline_tests.providers.hubspot.bench import HubSpotBench
from integrations_pipeline_tests.providers.wrong_shapes import NUMBERS, Distorting, changes, fuzz, network
from integrations_sandbox import FaultRule, SandboxServer

__all__ = ["network"]

Deed = Callable[[HubSpotBench], Any]


def _read(bench: HubSpotBench) -> list[Page]:
    return list(bench.provider().read_all())


def _changes_read(bench: HubSpotBench) -> list[Page]:
    return list(bench.provider().read_changes({"since": "2020-01-01T00:00:00+00:00"}))


def _records(bench: HubSpotBench) -> list[Page]:
    people = bench.hubspot.contacts(bench.portal_id)
    return [bench.provider().read_records([*(str(each["id"]) for each in people[:3]), bench.unknown_id])]


def _single(bench: HubSpotBench) -> list[Page]:
    """A batch that leaves somebody out leads to a question about that one."""
    bench.hubspot.clear_faults()
    bench.hubspot.add_fault(FaultRule(action="empty_page", path_regex="batch/read"))
    return _records(bench)


def _written(kind: ChangeKind, **fields: str) -> Deed:
    def deed(bench: HubSpotBench) -> list[Outcome]:
        provider = bench.provider()
        provider.prepare_write()
        number = next(NUMBERS) + 100
        ids: list[str | None] = [None, None]
        if kind is not ChangeKind.CREATE:
            ids = list(bench.people_make([contact(number), contact(number + 100_000)]))
            provider.recheck([key for key in ids if key])
        return provider.write(changes(kind, ids, **fields))

    return deed


ENDPOINTS: dict[str, tuple[str, Deed]] = {
    "list": (r"GET .*/objects/[\d-]+/contacts\?.*archived=false", _read),
    "archive": (r"GET .*/objects/[\d-]+/contacts\?.*archived=true", _changes_read),
    "search": (r"POST .*/contacts/search", _changes_read),
    "batch read": (r"POST .*/batch/read", _records),
    "one": (r"GET .*/contacts/\d+\?", _single),
    "properties": (r"GET .*/properties/[\d-]+/contacts", lambda bench: bench.provider().look()),
    "account": (r"GET .*/account-info", lambda bench: bench.provider().check(ContactValues())),
    "create": (r"POST .*/batch/create", _written(ChangeKind.CREATE)),
    "update": (r"POST .*/batch/update", _written(ChangeKind.UPDATE, company="Firm")),
    "delete": (r"POST .*/batch/archive", _written(ChangeKind.DELETE)),
    "opt-out": (r"POST .*/unsubscribe-all", _written(ChangeKind.UPDATE, email_opt_out="true")),
}


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_whatever_an_endpoint_of_hubspot_answers_is_one_line(
    server: SandboxServer, network: Distorting, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    pattern, deed = ENDPOINTS[endpoint]
    server.reset()
    bench = HubSpotBench(server, network)
    first, *_ = bench.people_make([contact(number) for number in range(4)])
    bench.people_delete(first)
    fuzz(network, pattern, lambda: deed(bench))
    assert "@example" not in caplog.text
