"""`integrations conflicts`: deciding which value stands, for once or for always, and taking a decision back."""

import re
from typing import Any

import pytest

from integrations_pipeline_tests.cli.odd_input import VALUES as VALUES_OF_NOBODY
from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.cli.waiting_rows import Place, place
from integrations_pipeline_tests.environment import Environment

ACME = ("--workspace", "acme")
SYNC = ("sync", *ACME, "--provider", "airtable")


@pytest.fixture
def acme(environment: Environment) -> Place:
    return place(environment, people=3, conflict_policy="manual")


def disagreeing(acme: Place) -> str:
    """A contact whose name both sides changed, found by a run; the open conflict's id, "" if a policy decided it."""
    airtable = acme.environment.sandbox.airtable
    assert run(*SYNC).code == 0
    record = next(
        each for each in airtable.records(acme.base_id, acme.table_id) if each["fields"]["Email"] == "person0@acme.org"
    )
    airtable.update_record(acme.base_id, acme.table_id, record["id"], Name="There")
    run("contacts", "update", "person0@acme.org", *ACME, "--set", "name=Here")
    assert run(*SYNC).code == 0
    return next((row["id"] for row in run("conflicts", "list", *ACME, "--json").json), "")


def told(acme: Place) -> dict[str, Any]:
    """What a decision left in the agenda."""
    (row,) = acme.environment.rows(
        "select decision, decided_by, fields, decided_at is not null as at from integration_agenda "
        "where kind = 'conflict' and decision is not null"
    )
    return dict(zip(("decision", "by", "fields", "at"), row, strict=True))


VALUES = {"base": "Person 0", "local": "Here", "remote": "There"}


@pytest.mark.parametrize("side", ["local", "remote"])
def test_a_side_is_kept_by_the_beginning_of_an_id_and_on_record(acme: Place, side: str) -> None:
    item = disagreeing(acme)

    ran = run("conflicts", "resolve", item[:8], "--keep", side, *ACME, "--as", "ann", "--because", "she said so")

    assert (ran.code, ran.out) == (0, "1 conflict decided: the next sync writes it\n")
    found = told(acme)
    assert (found["decision"], found["by"], found["at"]) == (side, "ann", True)
    assert {name: found["fields"][name] for name in VALUES} == VALUES
    ((name, action, count, metadata),) = acme.activity()
    assert (name, action, count) == ("airtable", "conflict_decided", 1)
    assert {each: metadata[each] for each in ("decision", "count", "kinds", "because", "decided_by")} == {
        "decision": side, "count": 1, "kinds": {"conflict": 1}, "because": "she said so", "decided_by": "ann",
    }  # fmt: skip
    assert run("conflicts", "list", *ACME, "--json").json == []
    (shown,) = run("conflicts", "list", *ACME, "--all", "--json").json
    assert (shown["state"], shown["winner"], shown["decided_by"]) == ("decided", side, "ann")


@pytest.mark.parametrize(
    ("how", "value"),
    [(("--keep", "local"), "Here"), (("--keep", "remote"), "There"), (("--set", "name=Both of us"), "Both of us")],
)
def test_what_was_decided_is_on_both_sides_after_the_next_sync(acme: Place, how: tuple[str, str], value: str) -> None:
    item = disagreeing(acme)
    assert run("conflicts", "resolve", item, *how, *ACME).code == 0
    assert run(*SYNC).code == 0
    here = {row["email"]: row["name"] for row in run("contacts", "list", *ACME, "--json").json}
    records = acme.environment.sandbox.airtable.records(acme.base_id, acme.table_id)
    there = {each["fields"]["Email"]: each["fields"]["Name"] for each in records}
    assert (here["person0@acme.org"], there["person0@acme.org"]) == (value, value)
    assert run("conflicts", "list", *ACME, "--json").json == []


def test_a_value_of_ones_own_is_kept_as_the_field_has_it(acme: Place) -> None:
    item = disagreeing(acme)
    assert run("conflicts", "resolve", item, "--set", "name=Ann | Lee", *ACME).code == 0
    assert (told(acme)["decision"], told(acme)["fields"]) == (
        "value", told(acme)["fields"] | {**VALUES, "value": "Ann | Lee"},
    )  # fmt: skip


def test_members_of_a_set_are_joined_as_the_model_has_them(acme: Place) -> None:
    item = acme.conflict(0, "tags")
    assert run("conflicts", "resolve", item, "--set", "tags=a|b", *ACME).code == 0
    assert told(acme)["fields"]["value"] == "a\x1fb"


def test_open_ones_are_shown_with_all_values_and_times(acme: Place) -> None:
    item = disagreeing(acme)
    (row,) = run("conflicts", "list", "--json").json
    assert (row["id"], row["state"], row["email"], row["field"]) == (item, "open", "person0@acme.org", "name")
    assert {name: row[name] for name in VALUES} == VALUES
    text = run("conflicts", "list").out
    assert all(value in text for value in VALUES.values())
    assert re.search(r"Here \(\d+ s ago\)", text)
    assert row["local_at"]
    assert "undecided" in text
    assert "conflicts resolve ID... --keep local|remote" in text


def settings(acme: Place) -> Any:
    ((found,),) = acme.environment.rows("select settings -> 'field_policies' from integration_connections")
    return found


def test_always_makes_it_the_policy_of_the_field_beside_those_there_are(acme: Place) -> None:
    ids = [acme.conflict(0), acme.conflict(1, "phone")]
    first = run("conflicts", "resolve", ids[0], "--keep", "remote", "--always", *ACME, "--json")
    second = run("conflicts", "resolve", ids[1], "--keep", "local", "--always", *ACME)

    assert first.json["always"] == ["name"]
    assert "always for phone" in second.out
    assert settings(acme) == {"name": "remote_wins", "phone": "local_wins"}
    assert acme.activity()[0][3]["always"] is True
    assert run(*SYNC).code == 0


def test_a_policy_for_a_field_that_is_not_synced_is_refused_and_nothing_is_done(acme: Place) -> None:
    item = acme.conflict(0, "custom_fields.x")
    ran = run("conflicts", "resolve", item, "--keep", "local", "--always", *ACME)
    assert (ran.code, len(ran.err.strip().splitlines())) == (2, 1)
    assert "field_policies: 'custom_fields.x' is not synced" in ran.err
    assert (settings(acme), acme.decisions(), acme.activity()) == (None, {item: None}, [])


def refused(ran: Ran) -> str:
    assert (ran.code, ran.out, len(ran.err.strip().splitlines())) == (2, "", 1)
    assert "@" not in ran.err
    return ran.err


def test_a_wrong_decision_is_one_line_and_does_nothing(acme: Place) -> None:
    ids = [acme.conflict(0), acme.conflict(1, "email"), acme.clear(2)]
    resolve = ("conflicts", "resolve")
    assert "say --keep" in refused(run(*resolve, ids[0], *ACME))
    assert "say --keep" in refused(run(*resolve, ids[0], *ACME, "--keep", "local", "--set", "name=x"))
    assert "--always goes with" in refused(run(*resolve, ids[0], *ACME, "--set", "name=x", "--always"))
    assert "say which" in refused(run(*resolve, *ACME, "--keep", "local"))
    assert "say which" in refused(run(*resolve, *ACME, "--set", "name=x"))
    assert "a chosen conflict is about name" in refused(run(*resolve, ids[0], *ACME, "--set", "phone=1"))
    assert "expected FIELD=VALUE" in refused(run(*resolve, ids[0], *ACME, "--set", "colour=1"))
    assert "another contact has" in refused(run(*resolve, ids[1], *ACME, "--set", "email=person2@acme.org"))
    assert "valid" in refused(run(*resolve, ids[1], *ACME, "--set", "email=nothing"))
    assert "no open conflict has the id" in refused(run(*resolve, ids[2], *ACME, "--keep", "local"))
    assert set(acme.decisions().values()) == {None}
    assert acme.activity() == []


@pytest.mark.slow
def test_no_odd_value_name_or_reason_ends_otherwise_than_with_one_line(acme: Place) -> None:
    for value in VALUES_OF_NOBODY:
        item = acme.conflict(0)
        for options in (
            [f"--set=name={value}"],
            ["--keep=local", f"--as={value}"],
            ["--keep=local", f"--because={value}"],
        ):
            ran = run("conflicts", "resolve", item, *ACME, *options)
            assert ran.code in (0, 2)
            assert not any(word in ran.err for word in ("Traceback", "please report"))
            acme.environment.rows("delete from integration_agenda returning id")
            item = acme.conflict(0)
        acme.environment.rows("delete from integration_agenda returning id")


def test_many_are_decided_by_field_or_person(acme: Place) -> None:
    ids = [acme.conflict(0), acme.conflict(0, "phone"), acme.conflict(1)]
    assert run("conflicts", "resolve", "--field", "name", "--keep", "remote", *ACME, "--json").json["decided"] == 2
    assert run("conflicts", "resolve", "--email", "person0@acme.org", "--set", "phone=1", *ACME).code == 0
    assert acme.decisions() == {ids[0]: "remote", ids[1]: "value", ids[2]: "remote"}


@pytest.mark.parametrize(
    ("policy", "kept", "lost"), [("local_wins", "Here", "There"), ("remote_wins", "There", "Here")]
)
def test_the_value_that_lost_can_be_restored_and_goes_to_the_other_side(
    environment: Environment, policy: str, kept: str, lost: str
) -> None:
    acme = place(environment, people=3, conflict_policy=policy)
    disagreeing(acme)
    (shown,) = run("conflicts", "list", *ACME, "--all", "--json").json
    assert (shown["state"], shown[shown["winner"]]) == ("applied", kept)

    ran = run("conflicts", "restore", shown["id"][:8], *ACME, "--as", "ann", "--because", "wrong one", "--json")

    assert ran.json == {"id": shown["id"], "contact_id": acme.contact_id(0), "fields": ["name"]}
    assert acme.activity()[-1] == (
        "airtable", "conflict_restored", 1, {"fields": ["name"], "decided_by": "ann", "because": "wrong one"},
    )  # fmt: skip
    assert run(*SYNC).code == 0
    records = environment.sandbox.airtable.records(acme.base_id, acme.table_id)
    assert lost in {record["fields"]["Name"] for record in records}
    assert lost in {row["name"] for row in run("contacts", "list", *ACME, "--json").json}
    assert "has this value of name already" in refused(run("conflicts", "restore", shown["id"], *ACME))


def test_what_was_changed_since_is_not_overwritten_by_a_restored_value(environment: Environment) -> None:
    acme = place(environment, people=3, conflict_policy="local_wins")
    disagreeing(acme)
    (shown,) = run("conflicts", "list", *ACME, "--all", "--json").json
    run("contacts", "update", "person0@acme.org", *ACME, "--set", "name=Later")

    assert "name was changed since" in refused(run("conflicts", "restore", shown["id"], *ACME))
    assert "not about phone" in refused(run("conflicts", "restore", shown["id"], *ACME, "--field", "phone"))
    nobody = "00000000-0000-0000-0000-000000000001"
    assert "no decided conflict has this id" in refused(run("conflicts", "restore", nobody, *ACME))
    assert "Later" in run("contacts", "list", *ACME).out
    run("contacts", "delete", "person0@acme.org", *ACME)
    assert "is deleted" in refused(run("conflicts", "restore", shown["id"], *ACME))
    assert acme.activity() == []
