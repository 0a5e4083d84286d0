"""Decisions from the launchpad: the same as the commands', with what was refused as a clear failure."""

from typing import Any

import dagster as dg
import pytest

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.decisions import DECISION_JOB, DecideConfig
from integrations_pipeline_tests.cli.waiting_rows import Place, place
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import QUIET, failure_text


@pytest.fixture
def acme(environment: Environment) -> Place:
    return place(environment)


def decide(instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    given = {"workspace": "acme", "operator": "ann", **config}
    return build_definitions().resolve_job_def(DECISION_JOB).execute_in_process(
        instance=instance,
        run_config={**QUIET, "ops": {"decide_what_waits": {"config": given}}},
        raise_on_error=False,
    )  # fmt: skip


def told(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    assert result.success
    (output,) = [event.step_output_data for event in result.all_events if event.is_successful_output]
    assert "@" not in str(output)
    return {name: value.value for name, value in output.metadata.items()}


def test_held_changes_are_decided_by_kind_and_on_record(acme: Place, instance: dg.DagsterInstance) -> None:
    ids = [acme.clear(0), acme.clear(1), acme.conflict(2)]

    shown = told(decide(instance, decision="approved", kinds=["held_clear"], because="a merge of two lists"))

    assert (shown["decided"], shown["left_out"], shown["kinds"]) == (2, 0, {"held_clear": 2})
    assert set(shown["ids"]) == set(ids[:2])  # type: ignore[call-overload]  # a list, by the line above
    assert acme.decisions() == {ids[0]: "approved", ids[1]: "approved", ids[2]: None}
    ((name, action, count, metadata),) = acme.activity()
    assert (name, action, count) == ("airtable", "hold_approved", 2)
    assert (metadata["decided_by"], metadata["because"]) == ("ann", "a merge of two lists")


def test_conflicts_are_decided_by_the_beginning_of_an_id(acme: Place, instance: dg.DagsterInstance) -> None:
    ids = [acme.conflict(0), acme.conflict(1)]
    assert told(decide(instance, decision="remote", ids=[ids[0][:8]]))["decided"] == 1
    assert acme.decisions() == {ids[0]: "remote", ids[1]: None}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        pytest.param({"decision": "yes", "everything": True}, "choose one of approved, rejected", id="decision"),
        pytest.param({"decision": "approved"}, "say which", id="nothing chosen"),
        pytest.param({"decision": "approved", "everything": True, "operator": " "}, "operator is blank", id="nobody"),
        pytest.param({"decision": "local", "kinds": ["held_clear"]}, "does not go with local", id="kinds"),
        pytest.param({"decision": "approved", "ids": ["deadbeef"]}, "no id begins with", id="id"),
        pytest.param({"decision": "approved", "field": "phone"}, "no held change fits", id="nothing fits"),
        pytest.param({"decision": "approved", "everything": True, "workspace": "no"}, "unknown workspace", id="slug"),
        pytest.param({"decision": "approved", "provider": "filofax"}, "unknown provider", id="provider"),
    ],
)
def test_what_is_refused_fails_with_one_clear_line_and_does_nothing(
    acme: Place, instance: dg.DagsterInstance, config: dict[str, Any], says: str
) -> None:
    item = acme.clear(0)
    result = decide(instance, **config)
    assert not result.success
    assert says in failure_text(result)
    assert acme.decisions() == {item: None}


def test_the_launchpad_explains_every_part_of_the_config() -> None:
    fields = DecideConfig.to_fields_dict()
    assert len(fields) == 10
    assert [name for name, each in fields.items() if not each.description] == []
