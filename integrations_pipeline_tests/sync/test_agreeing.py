"""What the base takes over of a field that one run writes to both sides, acknowledgement by acknowledgement."""

from dataclasses import replace
from uuid import UUID

import pytest

from integrations_pipeline.model import Change, ChangeKind, Plan, Side
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.sync.contacts.acknowledge import Ledger

SCOPE = JournalScope(connection_id=UUID(int=1), workspace_id=UUID(int=2))
MERGED = {"tags": "base;local;remote"}
HERE = Change(
    side=Side.LOCAL,
    kind=ChangeKind.UPDATE,
    contact_id="c",
    external_id="r",
    before={"tags": "base;local"},
    after=MERGED,
    agreed=MERGED,
)
THERE = replace(HERE, side=Side.REMOTE, before={"tags": "base;remote"})


@pytest.mark.parametrize(("first", "other"), [(HERE, THERE), (THERE, HERE)], ids=["here", "there"])
def test_the_first_acknowledgement_of_a_merged_set_agrees_what_the_other_side_had(first: Change, other: Change) -> None:
    ledger = Ledger(SCOPE, Plan(changes=(HERE, THERE)))
    assert ledger._agreed(first) == other.before

    ledger._applied.add((first.contact_id, first.side))
    assert ledger._agreed(other) == MERGED


def test_a_field_that_is_written_to_one_side_is_agreed_at_once() -> None:
    assert Ledger(SCOPE, Plan(changes=(HERE,)))._agreed(HERE) == MERGED
    elsewhere = replace(THERE, before={"name": "Ann"}, after={"name": "Anne"}, agreed={"name": "Anne"})
    assert Ledger(SCOPE, Plan(changes=(HERE, elsewhere)))._agreed(HERE) == MERGED
