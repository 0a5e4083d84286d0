"""`integrations inbox`: all that waits, over all workspaces, and the commands in it as they stand."""

import shlex
from typing import Any

import pytest

from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.cli.waiting_rows import Place, place
from integrations_pipeline_tests.environment import Environment

KEYS = {
    "id", "workspace", "provider", "connection", "kind", "contact_id", "email", "field", "local", "remote", "base",
    "reason", "since", "command",
}  # fmt: skip


@pytest.fixture
def acme(environment: Environment) -> Place:
    return place(environment)


def one_of_each(acme: Place) -> dict[str, str]:
    """Something of each kind that waits for a person, by kind."""
    contact_id = acme.contact_id(2)
    email = {"before": {"email": "person3@acme.org"}, "after": {"email": "new@acme.org"}}
    return {
        "held_delete": acme.ask(
            "held_delete", side="remote", contact_id=contact_id, change="delete", external_id="rec1"
        ),
        "held_clear": acme.clear(0),
        "held_email": acme.ask("held_email", side="remote", contact_id=acme.contact_id(3), field="email", fields=email),
        "held_create": acme.ask(
            "held_create", side="local", external_id="rec9", fields={"after": {"email": "n@x.org"}}
        ),
        "held_place": acme.ask("held_place", reason="another table"),
        "conflict": acme.conflict(1),
        "ambiguous": acme.ask("ambiguous", side="local", external_id="rec2", fields={"after": {"email": "two@x.org"}}),
        "skipped": acme.ask("skipped", side="remote", contact_id=acme.contact_id(4), reason="no e-mail"),
        "failed": acme.ask("failed", side="remote", contact_id=acme.contact_id(4), change="update"),
        "refused": acme.ask("refused", side="remote", contact_id=acme.contact_id(5), change="update"),
        "stopped_field": acme.ask("stopped_field", field="phone", reason="the column is gone"),
        "pitch": acme.pitch("unknown"),
    }


def test_everything_that_waits_is_there_in_the_documented_shape_and_nothing_else(acme: Place) -> None:
    ids = one_of_each(acme)
    acme.ask("retry", side="remote", external_id="rec3")
    acme.clear(1, decision="approved", decided_at="2026-01-01Z")
    acme.pitch("sent")

    document = run("inbox", "--json").json

    assert set(document) == {"items", "counts"}
    assert all(set(item) == KEYS for item in document["items"])
    assert {item["kind"]: item["id"] for item in document["items"]} == ids
    assert document["counts"] == dict.fromkeys(sorted(ids), 1)
    found: dict[str, Any] = {item["kind"]: item for item in document["items"]}
    assert [found["held_clear"][side] for side in ("local", "remote", "base")] == ["Old", "", "Old"]
    assert [found["held_email"][side] for side in ("local", "remote")] == ["new@acme.org", "person3@acme.org"]
    assert [found["conflict"][side] for side in ("local", "remote", "base")] == ["Here", "There", "Old"]
    assert [found[kind]["email"] for kind in ("held_create", "ambiguous", "conflict", "pitch", "held_place")] == [
        "n@x.org", "two@x.org", "person1@acme.org", "x@example.org", None,
    ]  # fmt: skip
    assert {found[kind]["provider"] for kind in ("conflict", "pitch")} == {"airtable", "gmail"}


def test_each_command_of_the_inbox_runs_as_it_stands(acme: Place) -> None:
    one_of_each(acme)
    for item in run("inbox", "--json").json["items"]:
        program, *arguments = shlex.split(item["command"])
        ran = run(*arguments)
        assert program == "integrations"
        # Looking at an empty table finds what the connection's check finds.
        assert ran.code in ((0, 1) if "check" in arguments else (0,)), (item["command"], ran.err)
    left = run("inbox", "--json").json["counts"]
    assert left == {"ambiguous": 1, "failed": 1, "skipped": 1, "stopped_field": 1}


def test_all_workspaces_are_told_and_can_be_narrowed_down(acme: Place, environment: Environment) -> None:
    other = place(environment, "other", people=2)
    ids = [acme.clear(0), acme.conflict(1), other.clear(0), other.pitch("failed")]

    def shown(*options: str) -> set[str]:
        return {item["id"] for item in run("inbox", "--json", *options).json["items"]}

    assert shown() == set(ids)
    assert shown("--workspace", "other") == set(ids[2:])
    assert shown("--kind", "held_clear") == {ids[0], ids[2]}
    assert shown("--kind", "pitch", "--kind", "conflict") == {ids[1], ids[3]}
    assert shown("--provider", "airtable") == set(ids[:3])
    assert shown("--provider", "gmail") == {ids[3]}


def test_a_failed_pitch_waits_until_it_is_tried_again_or_given_up(acme: Place) -> None:
    retried, given_up = acme.pitch("failed"), acme.pitch("failed", "y@example.org")
    assert run("inbox", "--json").json["counts"] == {"pitch": 2}
    assert run("pitches", "retry", retried[:8], "-w", "acme").code == 0
    assert run("pitches", "cancel", given_up[:8], "-w", "acme").code == 0
    assert run("inbox", "--json").json["counts"] == {}


def test_a_person_reads_it_in_eighty_columns(acme: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = one_of_each(acme)
    monkeypatch.setattr("integrations_pipeline.cli.output.stdout._width", 80)

    text = run("inbox").out

    assert max(map(len, text.splitlines())) <= 80
    assert "person1@acme.org: name: here Here, in airtable There, before Old" in text
    assert f"integrations conflicts resolve {ids['conflict'][:8]} --keep local --workspace acme" in text
    assert "1 conflict, 1 failed" in text


def test_a_list_that_is_cut_says_so_and_counts_all(acme: Place) -> None:
    for number in range(3):
        acme.clear(number)
    acme.pitch("failed")

    ran = run("inbox", "--limit", "2", "--json")

    assert (len(ran.json["items"]), ran.json["counts"]) == (2, {"held_clear": 3, "pitch": 1})
    assert ran.err == "only the first 2 of 4 are shown: --limit shows more\n"


@pytest.mark.usefixtures("acme")
def test_nothing_waits() -> None:
    assert run("inbox").out == "nothing waits for a person\n"
    assert run("inbox", "--json").json == {"items": [], "counts": {}}


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--workspace", "nowhere"], "unknown workspace"),
        (["--provider", "filofax"], "unknown provider"),
        (["--kind", "retry"], "retry"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], says: str) -> None:
    ran = run("inbox", *arguments)
    assert (ran.code, len(ran.err.strip().splitlines())) == (2, 1)
    assert says in ran.err
