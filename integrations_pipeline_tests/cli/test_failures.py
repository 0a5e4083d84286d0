"""`integrations failures`: what a side did not take, and trying it again."""

from typing import Any
from uuid import uuid4

import pytest

from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.cli.waiting_rows import Place, place
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import FaultRule

ACME = ("--workspace", "acme")
SYNC = ("sync", *ACME, "--provider", "airtable")


@pytest.fixture
def acme(environment: Environment) -> Place:
    return place(environment, people=3)


def is_due(acme: Place) -> bool:
    ((found,),) = acme.environment.rows("select next_sync_at <= now() from integration_connections")
    return bool(found)


def test_what_the_provider_refuses_is_listed_with_its_tries_and_done_once_it_takes_it(acme: Place) -> None:
    assert run(*SYNC).code == 0
    airtable = acme.environment.sandbox.airtable
    body = {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "Field cannot accept the provided value"}}
    airtable.add_fault(FaultRule(action="status", status=422, method="PATCH", body=body, times=-1))
    run("contacts", "update", "person0@acme.org", *ACME, "--set", "name=New")
    assert run(*SYNC).code == 1
    assert run(*SYNC).code == 1

    (row,) = run("failures", "list", *ACME, "--json").json

    assert (row["kind"], row["email"], row["after"]) == ("refused", "person0@acme.org", {"name": "New"})
    assert row["attempts"] >= 2
    assert row["reason"]
    assert row["email"] in run("failures", "list").out
    airtable.clear_faults()
    assert not is_due(acme)
    done = run("failures", "retry", row["id"][:8], *ACME, "--as", "ann", "--because", "column mended", "--json")
    assert done.json == {"retried": 1, "ids": [row["id"]], "due": ["airtable"]}
    assert is_due(acme)
    assert acme.activity() == [
        (
            "airtable", "failure_retried", 1,
            {"count": 1, "kinds": {"refused": 1}, "decided_by": "ann", "because": "column mended"},
        )
    ]  # fmt: skip
    assert run(*SYNC).code == 0
    assert "New" in {each["fields"]["Name"] for each in airtable.records(acme.base_id, acme.table_id)}
    assert run("failures", "list", *ACME).out == "Failed records of acme: none\n"


def rows(acme: Place) -> dict[str, str]:
    found: dict[str, str] = {
        kind: acme.ask(kind, side="remote", contact_id=acme.contact_id(number), change="update", reason="no number")
        for number, kind in enumerate(("failed", "refused"))
    }
    return found


def left(acme: Place) -> set[Any]:
    return {row[0] for row in acme.environment.rows("select id::text from integration_agenda")}


def test_retrying_all_forgets_only_what_was_refused_for_good(acme: Place) -> None:
    ids = rows(acme)
    held = acme.clear(2)
    assert run("failures", "retry", "--all", *ACME).out == "2 records tried again by the next sync; due now: airtable\n"
    assert left(acme) == {ids["failed"], held}


def test_a_connection_that_is_not_synced_is_told(acme: Place) -> None:
    rows(acme)
    run("connections", "disable", "airtable", *ACME)
    ran = run("failures", "retry", "--all", *ACME)
    assert (ran.code, ran.err) == (0, "airtable is not synced: integrations status --workspace acme\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param([], "say which", id="nothing"),
        pytest.param([str(uuid4())], "no failed record has the id", id="unknown"),
        pytest.param(["{held}"], "no failed record has the id", id="a hold"),
        pytest.param(["{held}", "--all"], "leave --all", id="both"),
        pytest.param(["xyz"], "is no id", id="no id"),
        pytest.param(["--all", "--as", ""], "--as is blank", id="nobody"),
    ],
)
def test_a_wrong_choice_is_one_line_and_does_nothing(acme: Place, arguments: list[str], says: str) -> None:
    ids, held = rows(acme), acme.clear(2)
    ran = run("failures", "retry", *(each.format(held=held) for each in arguments), *ACME)
    assert (ran.code, ran.out, len(ran.err.strip().splitlines())) == (2, "", 1)
    assert says in ran.err
    assert left(acme) == {*ids.values(), held}
    assert acme.activity() == []
