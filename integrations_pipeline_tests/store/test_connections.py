"""What a connection's row, and what is asked about somebody, show when they are printed, as a log would."""

import dataclasses
from datetime import UTC, datetime

from integrations_pipeline.model import Decision
from integrations_pipeline.store.conflicts import PastFilter
from integrations_pipeline.store.connections import ConnectionRow, NewConnection
from integrations_pipeline.store.decisions import Verdict
from integrations_pipeline.store.history import ContactRow
from integrations_pipeline.store.waiting import Choice


def test_a_printed_connection_shows_no_credentials() -> None:
    values = {each.name: None for each in dataclasses.fields(ConnectionRow)}
    row = ConnectionRow(**{**values, "credentials": {"api_key": "s3cret"}})  # type: ignore[arg-type]
    new = NewConnection(integration_type="airtable", credentials={"api_key": "s3cret"}, settings={})

    assert "s3cret" not in repr(row) + repr(new)
    assert "airtable" in repr(new)


def test_what_is_asked_or_said_about_somebody_shows_no_address_and_no_value() -> None:
    now, ann = datetime(2026, 1, 1, tzinfo=UTC), "ann@example.org"
    row = ContactRow(
        contact_id="1",
        fields={"email": ann},
        version=1,
        created_at=now,
        updated_at=now,
        deleted_at=None,
        opted_out_at=None,
    )
    verdict = Verdict(decision=Decision.VALUE, by="me", value=ann)
    asked = (Choice(kinds=["conflict"], email=ann), PastFilter(email=ann), verdict, row)

    assert ann not in repr(asked)
