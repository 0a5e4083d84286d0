"""`integrations suppressions`, and what imports and edits do with suppressed people, end to end."""

import json
from pathlib import Path

import pytest

from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.environment import Environment

ACME = ("--workspace", "acme")


@pytest.fixture
def acme(environment: Environment) -> Environment:
    environment.add_workspace("acme", people=2)
    return environment


def imported(folder: Path, text: str, *options: str) -> Ran:
    path = folder / "people.csv"
    path.write_text(text, encoding="utf-8")
    return run("contacts", "import", str(path), *ACME, *options)


def is_out(email: str) -> bool:
    rows = run("contacts", "list", *ACME, "--json").json
    return bool({row["email"]: row["email_opt_out"] for row in rows}[email])


def test_a_person_who_opted_out_is_deleted_and_imported_again_and_stays_out(acme: Environment, tmp_path: Path) -> None:
    run("contacts", "update", "person0@acme.org", *ACME, "--set", "email_opt_out=true")
    run("contacts", "delete", "person0@acme.org", *ACME)

    ran = imported(tmp_path, "email,name\nPerson0@acme.org,P\nnew@acme.org,N\n")

    assert ran.code == 0
    assert "2 created, 0 updated, 1 kept opted out (suppressions), 0 rejected" in ran.out
    assert "suppressions remove EMAIL --workspace acme --because TEXT" in ran.err
    assert is_out("Person0@acme.org")
    assert not is_out("new@acme.org")


@pytest.mark.parametrize("value", ["false", "0", "No", ""])
def test_an_import_takes_no_opt_out_back(acme: Environment, tmp_path: Path, value: str) -> None:
    run("contacts", "update", "person0@acme.org", *ACME, "--set", "email_opt_out=true")

    ran = imported(tmp_path, f"email,email_opt_out\nperson0@acme.org,{value}\nperson1@acme.org,{value}\n", "--json")

    assert ran.code == 0
    assert (ran.json["updated"], ran.json["kept_opted_out"]) == (2, 1)
    assert is_out("person0@acme.org")


def test_within_one_file_a_later_row_takes_no_opt_out_back(acme: Environment, tmp_path: Path) -> None:
    imported(tmp_path, "email,email_opt_out\nnew@acme.org,yes\nNEW@acme.org,no\n")
    assert is_out("NEW@acme.org")


@pytest.mark.parametrize("value", ["false", "0", "no", ""])
def test_an_edit_takes_no_opt_out_back_and_names_the_command_that_does(acme: Environment, value: str) -> None:
    run("contacts", "update", "person0@acme.org", *ACME, "--set", "email_opt_out=true")

    ran = run("contacts", "update", "person0@acme.org", *ACME, "--set", f"email_opt_out={value}", "--set", "name=X")

    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1
    assert "suppressions remove EMAIL --workspace acme --because TEXT" in ran.err
    assert "person0" not in ran.err
    assert is_out("person0@acme.org")
    assert "X" not in run("contacts", "list", *ACME).out
    assert run("contacts", "update", "person1@acme.org", *ACME, "--set", f"email_opt_out={value}").code == 0


def test_a_suppression_is_added_listed_and_removed_with_a_reason_on_record(acme: Environment) -> None:
    assert run("suppressions", "add", "Person0@acme.org", *ACME).code == 0
    assert run("suppressions", "add", "gone@acme.org", *ACME, "--reason", "bounced").code == 0
    assert run("suppressions", "add", "gone@acme.org", *ACME, "--reason", "bounced", "--json").json["added"] is False
    assert is_out("person0@acme.org")

    listed = run("suppressions", "list", *ACME, "--json").json
    assert {(row["email"], row["reason"]) for row in listed} == {
        ("person0@acme.org", "manual"),
        ("gone@acme.org", "bounced"),
    }
    assert [row["email"] for row in run("suppressions", "list", "--reason", "bounced", "--json").json] == [
        "gone@acme.org"
    ]
    assert "gone@acme.org" in run("suppressions", "list").out

    done = run("suppressions", "remove", "person0@acme.org", *ACME, "--because", "a mistake", "--json").json
    assert done["opt_out_cleared"] is True
    assert not is_out("person0@acme.org")
    assert [row["reason"] for row in run("suppressions", "list", "--json").json] == ["bounced"]
    told = acme.rows("select action, metadata from integration_activity where action = 'suppression_removed'")
    assert told == [
        ("suppression_removed", {"address": "p…0@acme.org", "reasons": ["manual"], "because": "a mistake"}),
    ]


@pytest.mark.parametrize("options", [["--because", "I was told"], ["--because", "I was told", "--reason", "opted_out"]])
def test_an_opt_out_that_is_removed_can_be_imported_again(
    acme: Environment, tmp_path: Path, options: list[str]
) -> None:
    run("contacts", "update", "person0@acme.org", *ACME, "--set", "email_opt_out=true")

    removed = run("suppressions", "remove", "person0@acme.org", *ACME, *options)

    assert removed.code == 0
    assert "no longer opted out" in removed.out
    assert not is_out("person0@acme.org")
    run("contacts", "delete", "person0@acme.org", *ACME)
    assert imported(tmp_path, "email\nperson0@acme.org\n", "--json").json["kept_opted_out"] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["remove", "person0@acme.org", *ACME], "--because", id="no reason"),
        pytest.param(["remove", "person0@acme.org", *ACME, "--because", " "], "reason", id="blank reason"),
        pytest.param(["remove", "person0@acme.org", *ACME, "--because", "x"], "suppressions list", id="unknown"),
        pytest.param(["remove", "\udce4\0@acme.org", *ACME, "--because", "x"], "is no text", id="no text"),
        pytest.param(["add", "no-address", *ACME], "no valid e-mail address", id="no address"),
        pytest.param(["add", "", *ACME], "no valid e-mail address", id="empty"),
        pytest.param(["add", "a@acme.org", *ACME, "--reason", "whim"], "whim", id="reason"),
        pytest.param(["add", "a@acme.org", "--workspace", "nowhere"], "unknown workspace", id="workspace"),
        pytest.param(["list", "--workspace", "nowhere"], "unknown workspace", id="list of nowhere"),
        pytest.param(["list", "--limit", "-1"], "--limit", id="limit"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(acme: Environment, arguments: list[str], says: str) -> None:
    ran = run("suppressions", *arguments)

    assert ran.code == 2
    assert says in ran.err
    assert "unexpected" not in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert acme.rows("select count(*) from suppressions") == [(0,)]


def test_a_list_that_is_cut_says_so(acme: Environment) -> None:
    for i in range(3):
        run("suppressions", "add", f"p{i}@acme.org", *ACME)

    cut = run("suppressions", "list", "--limit", "2", "--json")
    whole = run("suppressions", "list", "--limit", "3")

    assert len(cut.json) == 2
    assert "2 of 3" in cut.err
    assert whole.err == ""
    assert "only the first 1" in run("contacts", "list", *ACME, "--limit", "1").err
    assert json.loads(run("contacts", "list", *ACME, "--limit", "2", "--json").out)
