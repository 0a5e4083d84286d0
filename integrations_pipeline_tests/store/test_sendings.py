"""Which sendings a run takes up, by what the ledger says of each."""

import json
from typing import Any

import pytest

from integrations_pipeline.store import sendings
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.store.rows import add_tenant, execute


@pytest.mark.parametrize(
    ("state", "evidence", "age", "expected"),
    [
        pytest.param("claimed", {}, "1 hour", True, id="begun"),
        pytest.param("unsent", {}, "1 hour", False, id="proved not to be sent"),
        pytest.param("sent", {}, "1 hour", True, id="sent, its Message-ID not read yet"),
        pytest.param("unknown", {}, "1 hour", True, id="unknown, never looked for"),
        pytest.param("unknown", {"look_at": "2001-01-01Z"}, "1 hour", True, id="unknown, to be looked for"),
        pytest.param("unknown", {"look_at": "2901-01-01Z"}, "1 hour", False, id="unknown, looked for a moment ago"),
        pytest.param("unknown", {"look_at": "2001-01-01Z"}, "8 days", False, id="unknown for more than a week"),
    ],
)
def test_what_is_unfinished_is_taken_up_and_what_is_unknown_when_its_time_has_come(
    database: Database, state: str, evidence: dict[str, Any], age: str, expected: bool
) -> None:
    with database.admin() as connection:
        tenant = add_tenant(connection, "acme")
        execute(
            connection,
            "update pitch_emails set state = :state, evidence = cast(:evidence as jsonb), gmail_message_id = 'm', "
            "created_at = now() - cast(:age as interval)",
            state=state,
            evidence=json.dumps(evidence),
            age=age,
        )

        found = sendings.unfinished(connection, tenant.connection_id)

    assert [each.pitch_id for each in found] == [tenant.pitch_id] * expected
