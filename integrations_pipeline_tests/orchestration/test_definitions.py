"""What Dagster is told: names, partitions, shards; loading without any environment."""

import os
import subprocess
import sys

import dagster as dg
import pytest

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.partitions import shards
from integrations_pipeline.orchestration.sensors import due_shards

KEYS = {
    "workspace/contacts",
    "airtable/contacts",
    "airtable/plan",
    "airtable/to_external",
    "airtable/from_external",
}


def test_every_asset_is_there_with_group_kinds_owner_and_description() -> None:
    graph = build_definitions().resolve_asset_graph()

    assert {key.to_user_string() for key in graph.get_all_asset_keys()} >= KEYS
    for key in KEYS:
        node = graph.get(dg.AssetKey(key.split("/")))
        assert node.group_name == key.split("/")[0]
        assert node.kinds
        assert node.owners
        assert node.description


def test_the_lineage_runs_from_both_sides_through_the_plan() -> None:
    graph = build_definitions().resolve_asset_graph()

    plan = graph.get(dg.AssetKey(["airtable", "plan"]))
    assert plan.parent_keys == {dg.AssetKey(["airtable", "contacts"]), dg.AssetKey(["workspace", "contacts"])}
    for name in ("to_external", "from_external"):
        assert graph.get(dg.AssetKey(["airtable", name])).parent_keys == {plan.key}


@pytest.mark.slow
def test_definitions_validate_in_an_empty_environment() -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "integrations_pipeline.definitions"]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}

    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("due", "busy", "expected"),
    [
        pytest.param((), (), [], id="nothing due launches nothing"),
        pytest.param(("w3",), (), [["w3"]], id="one due is a range of one"),
        pytest.param(("w1", "w3"), (), [["w1", "w2", "w3"]], id="a range spans those between"),
        pytest.param(("w1", "w120"), (), [["w1"], ["w120"]], id="each shard has its own range"),
        pytest.param(("w1", "w120"), ("w5",), [["w120"]], id="a shard that runs is left out"),
        pytest.param(("gone",), (), [], id="a workspace without partition waits"),
    ],
)
def test_due_shards(due: tuple[str, ...], busy: tuple[str, ...], expected: list[list[str]]) -> None:
    partitions = [f"w{i}" for i in range(150)]

    assert [list(shard) for shard in due_shards(partitions, due, busy)] == expected


def test_shards_cover_everything_once() -> None:
    keys = [f"w{i}" for i in range(250)]

    assert [key for shard in shards(keys) for key in shard] == keys
