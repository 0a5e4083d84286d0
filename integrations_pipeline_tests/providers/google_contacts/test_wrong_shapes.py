"""Each endpoint of the People API answers some hundred wrong shapes: whatever comes is one line."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations_pipeline.model import ChangeKind, ContactValues
from integrations_pipeline.providers.google_contacts import shapes
from integrations_pipeline_tests.providers.google_contacts.test_conformance import GoogleBench
from integrations_pipeline_tests.providers.wrong_shapes import NUMBERS, Distorting, changes, fuzz, person
from integrations_sandbox import SandboxOptions, SandboxServer


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture
def bench(server: SandboxServer) -> Iterator[GoogleBench]:
    server.reset()
    network = Distorting()
    yield GoogleBench(server, network)
    network.shut_down()


def _written(bench: GoogleBench, kind: ChangeKind) -> Any:
    provider = bench.provider()
    fields = {"tags": f"label {next(NUMBERS)}"} if kind is ChangeKind.UPDATE else {}
    ids = bench.people_make([person(next(NUMBERS) + 9_000)]) if kind is not ChangeKind.CREATE else [None]
    return provider.write(changes(kind, ids, **fields))


ENDPOINTS: dict[str, tuple[str, Any]] = {
    "connections": (r"GET .*/connections", lambda bench: list(bench.provider().read_all())),
    "count": (r"GET .*pageSize=1&", lambda bench: bench.provider().check(ContactValues())),
    "batchGet": (
        r"GET .*:batchGet",
        lambda bench: bench.provider().read_records([*bench.people_make([person(1)]), "people/c404"]),
    ),
    "labels": (r"GET .*/contactGroups", lambda bench: list(bench.provider().read_all())),
    "new label": (r"POST .*/contactGroups$", lambda bench: _written(bench, ChangeKind.UPDATE)),
    "create": (r"POST .*:batchCreateContacts", lambda bench: _written(bench, ChangeKind.CREATE)),
    "update": (r"POST .*:batchUpdateContacts", lambda bench: _written(bench, ChangeKind.UPDATE)),
    "delete": (r"POST .*:batchDeleteContacts", lambda bench: _written(bench, ChangeKind.DELETE)),
}


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_whatever_an_endpoint_of_the_people_api_answers_is_one_line(
    bench: GoogleBench, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    pattern, deed = ENDPOINTS[endpoint]
    network = bench.network
    assert isinstance(network, Distorting)
    bench.people_make([person(number) for number in range(3)])
    fuzz(network, pattern, lambda: deed(bench))
    assert "@example" not in caplog.text


@pytest.mark.parametrize(
    ("page", "fits"),
    [
        pytest.param({"nextSyncToken": "t"}, True, id="nobody, and a sync token"),
        pytest.param({"connections": [{"resourceName": "people/c1"}], "nextPageToken": "p"}, True, id="a page"),
        pytest.param({}, False, id="nothing at all"),
        pytest.param({"connections": [{"resourceName": "people/c1"}]}, False, id="a page that leads nowhere"),
        pytest.param({"connections": [{}], "nextSyncToken": "t"}, False, id="a contact without a name"),
        pytest.param({"connections": [{"resourceName": "people/../x"}], "nextSyncToken": "t"}, False, id="a path"),
    ],
)
def test_a_page_of_contacts_says_where_it_ends(page: Any, fits: bool) -> None:
    assert shapes.CONNECTIONS.fits(page) is fits
