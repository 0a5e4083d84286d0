"""What is said of a value that Airtable answered otherwise than it was sent."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from integrations_pipeline.model import Change, ChangeKind, MappedField, Side
from integrations_pipeline.providers.airtable.client import AirtableClient
from integrations_pipeline.providers.airtable.writer import AirtableWriter
from integrations_pipeline.providers.answers import Verdict
from integrations_pipeline.testing import provider_context

MAPPING = {"company": MappedField(name="company", column="Firm"), "phone": MappedField(name="phone", column="Tel")}


@pytest.mark.parametrize(
    ("lost", "is_back", "says"),
    [
        ({"company"}, True, 'column "Firm" did not take the value: the old value was put back'),
        ({"company", "phone"}, False, '"Firm", "Tel" did not take the value: the old value stands in the journal'),
    ],
)
def test_a_value_that_was_not_taken_is_told_by_its_column(lost: set[str], is_back: bool, says: str) -> None:
    writer: Any = AirtableWriter.__new__(AirtableWriter)
    object.__setattr__(writer, "mapping", MAPPING)  # it asks for nothing else
    assert says in str(writer._not_taken(Verdict(answered={}, lost=frozenset(lost)), is_back=is_back))


def test_a_record_that_is_made_without_a_key_column_says_which_value_its_answer_lacks() -> None:
    made = {"id": "rec00000000000001", "createdTime": "2026-11-22T12:00:00.000Z", "fields": {"Tel": "1 2"}}
    context = provider_context(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"records": [made]})), sleep=lambda _: None
    )
    client = AirtableClient(context, api_url="https://a.test", base_id="app", table_id="tbl", columns=())
    writer = AirtableWriter(client=client, mapping=MAPPING, columns={}, key=None, is_typecast=True)
    after = {"company": "Acme", "phone": "1-2"}
    change = Change(
        id=UUID(int=1), side=Side.REMOTE, kind=ChangeKind.CREATE, contact_id="c", external_id=None, after=after
    )

    (outcome,) = writer.write([change])

    assert (outcome.external_id, set(outcome.lost)) == ("rec00000000000001", {"company"})
    assert outcome.answered == {"company": "", "phone": "1 2"}
    assert outcome.reason == 'column "Firm" of the new record did not take the value'
