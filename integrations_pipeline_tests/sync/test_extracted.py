"""What a run says of what it read: whom it looked at, and whom it plans for where nothing was told."""

from types import SimpleNamespace
from typing import Any

import pytest

from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.reader import World
from integrations_pipeline.model import Checkpoint, Direction, Plan, Side, Snapshot
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.sync.contacts.extract import Extracted
from integrations_pipeline.sync.contacts.job import _planned, _planned_out
from integrations_pipeline.sync.fingerprints import Fingerprints
from integrations_pipeline_tests.builders import text_frame

WAYS = (Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL)


def extracted(world: World | None) -> Extracted:
    told: dict[str, Any] = {"checkpoint": Checkpoint(), "is_complete": False, "tells_own_writes": False}
    return Extracted(world=world, recent=frozenset(), again=frozenset(), **told)


def test_once_planned_both_sides_are_let_go() -> None:
    """The frames of a first load are tens of megabytes, and loading them takes the longest."""
    local = text_frame({"c1": {"name": "Ann"}}, ["name"], "contact_id")
    remote = text_frame({"r1": {"name": "Ann"}}, ["name"], "external_id")
    base = text_frame({}, ["name"], "contact_id")
    world = World(
        local=Snapshot(side=Side.LOCAL, frame=local),
        remote=Snapshot(side=Side.REMOTE, frame=remote),
        base=base,
        rules=(),
        policy=Policy(),
    )
    assert _planned_out(extracted(world), Plan()).world is None


def test_where_nothing_was_told_nobody_is_considered_in_either_direction() -> None:
    plan = _planned(extracted(None), Direction.BIDIRECTIONAL)
    assert plan.is_empty
    assert plan.considered == dict.fromkeys(WAYS, 0)


@pytest.mark.parametrize("odd", ["\ud800", "\x1e", "", "é"])
def test_a_record_has_a_fingerprint_of_its_own_whatever_characters_it_holds(odd: str) -> None:
    run: Any = SimpleNamespace(configuration={}, names=["name", "company"])
    made = Fingerprints(run)
    texts = [(odd, "x"), ("x", odd), (f"{odd}x", ""), ("x", "x")]
    found = [
        made.of(RemoteRecord(external_id="r", fields={"name": name, "company": company})) for name, company in texts
    ]
    assert all(found)
    assert len(set(found)) == len(set(texts))
    assert made.of(RemoteRecord(external_id="r", fields={"name": odd})) is None
