"""What becomes of written contacts: which one is ours although its key is gone, and what is said of a lost value."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from integrations_pipeline.model import Change, ChangeKind, Side
from integrations_pipeline_tests.providers.google_contacts.test_conformance import GoogleBench
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import SandboxOptions, SandboxServer

ANN = {"email": "ann@example.org", "name": "Ann", "company": "Acme"}


@pytest.fixture
def bench() -> Iterator[GoogleBench]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        network = Loopback()
        yield GoogleBench(server, network)
        network.shut_down()


def test_a_new_contact_without_its_key_is_found_by_its_address(bench: GoogleBench) -> None:
    made, _ = bench.people_make([ANN, {"email": "bob@example.org"}])
    bench.server.stage.clock.advance(3600)
    after = {**ANN, "email": " Ann@Example.org "}
    create = Change(side=Side.REMOTE, kind=ChangeKind.CREATE, contact_id="ours", external_id=None, after=after)

    found = bench.provider().find_created([create], datetime.now(UTC) - timedelta(days=1))

    assert {contact_id: record.external_id for contact_id, record in found.items()} == {"ours": made}


def test_a_value_that_google_did_not_take_is_told_by_its_field(bench: GoogleBench) -> None:
    (made,) = bench.people_make([ANN])
    provider = bench.provider()
    provider.prepare_write()
    edit = Change(side=Side.REMOTE, kind=ChangeKind.UPDATE, contact_id="ours", external_id=made, before=ANN, after={})
    with bench.drops("company"):
        (outcome,) = provider.write([replace(edit, after={"company": "Nordlys"})])

    assert outcome.reason == "Google Contacts did not take company; the old value was put back"
