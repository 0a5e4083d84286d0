"""Whose records those are that a run which ended early may have made."""

from integrations_pipeline.model import Change, ChangeKind, Side
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.providers.batches import created


def create(contact_id: str, email: str) -> Change:
    return Change(
        side=Side.REMOTE, kind=ChangeKind.CREATE, contact_id=contact_id, external_id=None, after={"email": email}
    )


def record(external_id: str, email: str, key: str = "") -> RemoteRecord:
    return RemoteRecord(external_id=external_id, fields={"email": email} if email else {}, contact_key=key)


def test_a_record_is_told_by_the_key_on_it_and_without_one_by_its_e_mail_and_several_are_nobodys() -> None:
    changes = [create("c1", "Ann@example.org"), create("c2", "bo@example.org"), create("c3", "cy@example.org")]
    records = [
        record("r1", " ann@EXAMPLE.org "),
        record("r2", "somebody@example.org", key="c2"),
        record("r3", "cy@example.org"),
        record("r4", "cy@example.org"),
        record("r5", ""),
    ]

    found = created([*changes, create("c4", "")], records)

    assert {contact_id: each.external_id for contact_id, each in found.items()} == {"c1": "r1", "c2": "r2"}
