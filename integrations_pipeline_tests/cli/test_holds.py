"""`integrations holds`: many decided at once, all or nothing, on record, and never twice."""

import threading
import time
from typing import Any
from uuid import uuid4

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import Decision
from integrations_pipeline.store import decisions
from integrations_pipeline.store.decisions import Verdict
from integrations_pipeline.store.waiting import HOLDS, Choice
from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.cli.waiting_rows import Place, place
from integrations_pipeline_tests.environment import Environment

ACME = ("--workspace", "acme")


@pytest.fixture
def acme(environment: Environment) -> Place:
    return place(environment)


def synced(acme: Place) -> None:
    assert run("sync", *ACME, "--provider", "airtable").code == 0


def test_many_are_decided_at_once_by_their_beginnings_and_on_record(acme: Place) -> None:
    ids = [acme.clear(number) for number in range(3)]

    ran = run("holds", "approve", *(each[:8] for each in ids[:2]), *ACME, "--as", "ann", "--because", "ask bo@x.org")

    assert (ran.code, ran.out) == (0, "2 held changes approved: the next sync makes them\n")
    assert acme.decisions() == {ids[0]: "approved", ids[1]: "approved", ids[2]: None}
    assert acme.activity() == [
        (
            "airtable",
            "hold_approved",
            2,
            {
                "decision": "approved",
                "count": 2,
                "kinds": {"held_clear": 2},
                "decided_by": "ann",
                "because": "ask …@x.org",
            },
        )
    ]
    (shown,) = run("holds", "list", *ACME, "--json").json
    assert (shown["id"], shown["decision"]) == (ids[2], None)
    assert len(run("holds", "list", *ACME, "--all", "--json").json) == 3
    assert "approved by ann" in run("holds", "list", *ACME, "--all").out


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        pytest.param(["--all"], {0, 1, 2, 3}, id="all"),
        pytest.param(["--kind", "held_delete"], {3}, id="kind"),
        pytest.param(["--kind", "held_clear", "--field", "phone"], {1}, id="kind and field"),
        pytest.param(["--email", "PERSON0@acme.org"], {0, 1}, id="e-mail"),
        pytest.param(["--run", "{run}"], {2}, id="run"),
        pytest.param(["--provider", "airtable", "--field", "name"], {0, 2}, id="provider and field"),
    ],
)
def test_filters_say_which(acme: Place, options: list[str], chosen: set[int]) -> None:
    synced(acme)
    ((run_id,),) = set(acme.environment.rows("select run_id::text from integration_sync_logs"))
    ids = [acme.clear(0), acme.clear(0, "phone"), acme.clear(1, run_id=run_id)]
    ids.append(acme.ask("held_delete", side="remote", contact_id=acme.contact_id(2), change="delete"))
    given = [str(run_id)[:8] if each == "{run}" else each for each in options]

    ran = run("holds", "reject", *given, *ACME, "--json")

    assert {ids.index(each) for each in ran.json["ids"]} == chosen
    assert {ids.index(key) for key, decision in acme.decisions().items() if decision} == chosen
    assert acme.activity()[0][3].get("run") == (run_id if options[0] == "--run" else None)


def test_a_rejected_delete_whose_address_is_taken_is_left_out_and_the_others_are_done(acme: Place) -> None:
    synced(acme)
    for number in range(3):
        run("contacts", "delete", f"person{number}@acme.org", *ACME)
    synced(acme)
    taken = next(row["id"] for row in run("holds", "list", *ACME, "--json").json if row["email"] == "person1@acme.org")
    with acme.environment.wiring.database.admin() as connection:
        connection.exec_driver_sql(
            f"insert into workspace_contacts (workspace_id, email) values ('{acme.workspace_id}', 'Person1@acme.org')"
        )

    ran = run("holds", "reject", "--all", *ACME, "--json")

    assert ran.code == 1
    assert ran.json["decided"] == 2
    assert [each["id"] for each in ran.json["left_out"]] == [taken]
    assert f"{taken[:8]} is left out: another contact has this e-mail now" in ran.err
    assert acme.decisions()[taken] is None
    living = {row["email"] for row in run("contacts", "list", *ACME, "--json").json}
    assert living == {*(f"person{number}@acme.org" for number in (0, 2, 3, 4, 5)), "Person1@acme.org"}
    alone = run("holds", "reject", taken[:8], *ACME)
    assert (alone.code, "another contact has this e-mail" in alone.err) == (2, True)


def test_a_contact_deleted_at_the_provider_is_made_there_again_when_the_delete_is_rejected(acme: Place) -> None:
    synced(acme)
    airtable = acme.environment.sandbox.airtable
    gone = [record["id"] for record in airtable.records(acme.base_id, acme.table_id)[:2]]
    airtable.delete_records(acme.base_id, acme.table_id, gone)
    synced(acme)

    assert run("holds", "reject", "--kind", "held_delete", *ACME, "--json").json["decided"] == 2

    assert len(acme.environment.rows("select from integration_agenda where reason = 'everything'")) == 1
    synced(acme)
    assert len(airtable.records(acme.base_id, acme.table_id)) == 6
    assert run("holds", "list", *ACME, "--json").json == []


def refused(ran: Ran) -> str:
    assert (ran.code, ran.out, len(ran.err.strip().splitlines())) == (2, "", 1)
    return ran.err


def test_a_wrong_choice_is_one_line_and_does_nothing(acme: Place, environment: Environment) -> None:
    ids = [acme.clear(0), acme.clear(1), acme.conflict(2)]
    theirs = place(environment, "other", people=1).clear(0)
    run("holds", "approve", ids[1], *ACME, "--as", "ann")

    assert "say which" in refused(run("holds", "approve", *ACME))
    assert "leave --all" in refused(run("holds", "approve", ids[0], "--all", *ACME))
    assert "decided already, approved by ann" in refused(run("holds", "reject", ids[0], ids[1][:8], *ACME))
    assert "no held change has the id" in refused(run("holds", "reject", ids[0], str(uuid4()), *ACME))
    assert "no held change has the id" in refused(run("holds", "approve", theirs, *ACME))
    assert "no id begins with" in refused(run("holds", "approve", theirs[:8], *ACME))
    assert "no held change has the id" in refused(run("holds", "approve", ids[2], *ACME))
    assert "no held change fits" in refused(run("holds", "approve", "--kind", "held_create", *ACME))
    assert "--as is blank" in refused(run("holds", "approve", ids[0], *ACME, "--as", " "))
    assert "--because is blank" in refused(run("holds", "approve", ids[0], *ACME, "--because", ""))
    assert "unknown provider" in refused(run("holds", "approve", "--provider", "filofax", *ACME))
    assert acme.decisions() == {ids[0]: None, ids[1]: "approved", ids[2]: None, theirs: None}
    assert len(acme.activity()) == 1


def test_an_ambiguous_beginning_is_one_line(acme: Place) -> None:
    for end in ("1", "2"):
        acme.clear(int(end), id=f"aaaabbbb-0000-4000-8000-00000000000{end}")
    assert "several ids" in refused(run("holds", "approve", "aaaabbbb", *ACME))
    assert set(acme.decisions().values()) == {None}


@pytest.mark.parametrize("by_id", [True, False], ids=["by id", "by a filter"])
def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(acme: Place, by_id: bool) -> None:
    item = acme.clear(0)
    database = acme.environment.wiring.database
    choice = Choice(kinds=HOLDS, ids=[item]) if by_id else Choice(kinds=HOLDS, is_all=True)
    told: list[Any] = []

    def second() -> None:
        with database.workspace(acme.workspace_id) as connection:
            try:
                verdict = Verdict(decision=Decision.REJECTED, by="bo")
                told.append(decisions.decide_holds(connection, acme.workspace_id, choice, verdict))
            except ConfigurationError as error:
                told.append(str(error))

    thread = threading.Thread(target=second)
    with database.workspace(acme.workspace_id) as connection:
        decisions.decide_holds(connection, acme.workspace_id, choice, Verdict(decision=Decision.APPROVED, by="ann"))
        thread.start()
        wait_for_a_lock(acme)
    thread.join()

    assert acme.decisions() == {item: "approved"}
    assert told == [
        f"{item[:8]} is decided already, approved by ann: nothing was done"
        if by_id
        else "no held change fits (any more): `integrations holds list` shows them"
    ]


def wait_for_a_lock(acme: Place) -> None:
    """Until the other one stands in front of the row."""
    for _ in range(1_000):
        if acme.environment.rows("select from pg_locks where not granted"):
            return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


def test_the_former_name_says_once_what_it_is_called_now_and_leaves_other_holds_alone(acme: Place) -> None:
    delete = acme.ask("held_delete", side="remote", contact_id=acme.contact_id(0), change="delete")
    clear = acme.clear(1)

    listed = run("deletes", "list", *ACME, "--json")
    wrong = run("deletes", "approve", clear, *ACME)
    done = run("deletes", "approve", delete[:8], *ACME)

    assert [row["id"] for row in listed.json] == [delete]
    assert listed.err == "`deletes` is called `holds` now: `integrations holds --help`\n"
    assert (wrong.code, done.code) == (2, 0)
    assert acme.decisions() == {delete: "approved", clear: None}
    assert "deletes" not in run("--help").out


def test_a_list_that_is_cut_says_so(acme: Place) -> None:
    for number in range(3):
        acme.clear(number)
    cut = run("holds", "list", "--limit", "2", "--json")
    assert (len(cut.json), cut.err) == (2, "only the first 2 are shown: --limit shows more\n")


def test_a_thousand_are_decided_with_few_statements_and_in_one_transaction(acme: Place) -> None:
    with acme.environment.wiring.database.admin() as connection:
        connection.exec_driver_sql(
            "insert into integration_agenda (connection_id, workspace_id, kind, side, external_id, field) "
            f"select '{acme.connection_id}', '{acme.workspace_id}', 'held_clear', 'local', 'rec' || n, 'name' "
            "from generate_series(1, 1000) n"
        )
    assert run("holds", "approve", "--all", *ACME, "--json").json["decided"] == 1_000
    written = acme.environment.rows("select distinct xmin::text, decided_at from integration_agenda")
    assert len(written) == 1
