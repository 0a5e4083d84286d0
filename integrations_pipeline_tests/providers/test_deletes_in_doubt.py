"""A delete that is answered as if its record were gone: the record itself is asked, since a gateway or a route says the
same of an address."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations_pipeline.model import ChangeState
from integrations_pipeline.testing.bench import Bench
from integrations_pipeline.testing.conformance import contact, delete
from integrations_pipeline_tests.providers.airtable.test_conformance import AirtableBench
from integrations_pipeline_tests.providers.google_contacts.test_conformance import GoogleBench
from integrations_pipeline_tests.providers.hubspot.bench import HubSpotBench
from integrations_pipeline_tests.providers.mailchimp.test_conformance import MailchimpBench
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import FaultRule, SandboxOptions, SandboxServer

PAGE = "<html><body><h1>404 Not Found</h1></body></html>"
#: The provider's own words for a record that it does not have, which it may use of an address, too.
WORDS: dict[str, Any] = {
    "airtable": {"error": {"type": "MODEL_ID_NOT_FOUND", "message": "Record not found"}},
    "mailchimp": {"type": "about:blank", "title": "Resource Not Found", "status": 404, "detail": "No such route."},
    "hubspot": {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "resource not found"},
    "google_contacts": {"error": {"code": 404, "status": "NOT_FOUND", "message": "Requested entity was not found."}},
}
#: How each is opened, where its faults are added, and which requests delete.
KINDS: dict[str, tuple[Callable[[SandboxServer, Loopback], Bench], str, str, str]] = {
    "airtable": (AirtableBench, "airtable", "DELETE", r"/v0/"),
    "mailchimp": (MailchimpBench, "mailchimp", "DELETE", r"/members/"),
    "hubspot": (HubSpotBench, "hubspot", "POST", r"/batch/archive"),
    "google_contacts": (GoogleBench, "people", "POST", r":batchDeleteContacts"),
}


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


def _cases() -> Iterator[Any]:
    for name in KINDS:
        yield pytest.param(name, True, id=f"{name}, in its words")
        # Google Contacts answers no page: one is a gateway's, and the run waits for Google as it does for any outage.
        if name != "google_contacts":
            yield pytest.param(name, False, id=f"{name}, as a page")


@pytest.mark.parametrize(("name", "is_own"), list(_cases()))
def test_a_record_that_is_there_was_not_deleted_whatever_the_answer_says(
    server: SandboxServer, name: str, is_own: bool
) -> None:
    opened, stage, method, path = KINDS[name]
    network = Loopback()
    bench = opened(server, network)
    one, other = bench.people_make([contact(1), contact(2)])
    provider = bench.provider()
    provider.prepare_write()
    told: dict[str, Any] = {"body": WORDS[name]} if is_own else {"html": PAGE}
    faults = getattr(server, stage)
    faults.add_fault(FaultRule(action="status", status=404, method=method, path_regex=path, times=-1, **told))
    denied = provider.write([delete(one), delete(other)])
    faults.clear_faults()

    assert [outcome.state for outcome in denied] == [ChangeState.FAILED] * 2
    assert {record.external_id for record in provider.read_records([one, other]).records} == {one, other}
    done = provider.write([delete(one), delete(other)])
    assert [outcome.state for outcome in done] == [ChangeState.APPLIED] * 2
    provider.close()
    network.shut_down()
