"""What the journal tells of a write that moved a contact to another record."""

from types import SimpleNamespace
from typing import Any

from integrations_pipeline.model import ChangeKind
from integrations_pipeline.store.changes import _writes_of


def told(**more: Any) -> list[tuple[str, ChangeKind]]:
    row: Any = SimpleNamespace(external_id="new", before={}, after={"email": "ann@example.org"}, kind="update", **more)
    return [(write.external_id, write.kind) for write in _writes_of(row)]


def test_an_update_that_moved_the_contact_deleted_one_record_and_made_another() -> None:
    assert told(moved_from="old") == [("old", ChangeKind.DELETE), ("new", ChangeKind.CREATE)]
    assert told(moved_from=None) == [("new", ChangeKind.UPDATE)]
