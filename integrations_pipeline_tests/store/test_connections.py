"""What a connection's row shows when it is printed, as a log or a traceback would."""

import dataclasses

from integrations_pipeline.store.connections import ConnectionRow, NewConnection


def test_a_printed_connection_shows_no_credentials() -> None:
    values = {each.name: None for each in dataclasses.fields(ConnectionRow)}
    row = ConnectionRow(**{**values, "credentials": {"api_key": "s3cret"}})  # type: ignore[arg-type]
    new = NewConnection(integration_type="airtable", credentials={"api_key": "s3cret"}, settings={})

    assert "s3cret" not in repr(row) + repr(new)
    assert "airtable" in repr(new)
