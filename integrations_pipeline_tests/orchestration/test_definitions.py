"""What Dagster is told: names, partitions, shards; loading without any environment."""

import os
import subprocess
import sys

import dagster as dg
import pytest

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline_tests.patience import patient

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


def test_every_provider_has_a_pool_of_its_own_that_bounds_its_runs() -> None:
    graph = build_definitions().resolve_asset_graph()

    for name in provider_specs():
        node = graph.get(dg.AssetKey([name, "contacts"]))
        assert node.pools == {f"provider_{name}"}


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

    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patient(120), check=False)

    assert ran.returncode == 0, ran.stderr
