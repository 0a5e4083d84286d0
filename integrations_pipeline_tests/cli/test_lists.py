"""Tables that can be read at any width, ids that are taken back as they are shown, lists that say where they end."""

import io
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.layout import build_table, cell_text, column_widths, seen_from
from integrations_pipeline.store.ids import IdOf, find_id
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
WORDS = ["somebody.with.a.long.name@example.org", "Nordlys Media", "press, radio, television", "partial", "12"]


def drawn(columns: list[str], rows: list[list[object]], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(build_table("People", columns, rows, width=width, now=NOW, spell=str))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("count", range(1, 9))
def test_no_word_is_broken_and_no_line_is_too_long(width: int, count: int) -> None:
    cells: list[object] = [WORDS[i % len(WORDS)] for i in range(count)]
    text = drawn([f"column{i}" for i in range(count)], [cells, cells], width)
    assert max(map(len, text.splitlines())) <= width
    missing = [word for cell in cells for word in str(cell).split() if word not in text and len(word) <= width - 12]
    assert missing == []


def test_what_no_row_has_is_left_out_and_a_row_that_lacks_it_shows_a_dash() -> None:
    text = drawn(["a", "b", "c"], [["x", None, ""], ["", None, "z"]], 80)
    assert "b" not in text.splitlines()[2]
    assert text.count("–") == 2


def test_columns_share_what_is_left_with_those_that_need_least_first() -> None:
    assert column_widths([["ab"], ["a long text of words"]], 80) == [2, 20]
    assert column_widths([["ab"], ["a long text of words"]], 19) == [2, 10]
    assert column_widths([["a" * 20], ["b" * 20]], 40) is None


@pytest.mark.parametrize(
    ("away", "shown"),
    [
        (timedelta(seconds=-40), "40 s ago"),
        (timedelta(minutes=-5), "5 min ago"),
        (timedelta(hours=3), "in 3 h"),
        (timedelta(days=-6), "6 d ago"),
        (timedelta(days=-8), "2026-11-22"),
        (timedelta(days=40), "2027-01-09"),
    ],
)
def test_times_are_told_as_seen_from_now(away: timedelta, shown: str) -> None:
    assert seen_from(NOW + away, NOW) == shown


def test_ids_are_cut_and_nothing_else() -> None:
    known = UUID("12345678-1234-1234-1234-123456789abc")
    assert [cell_text(each, NOW) for each in (known, str(known), f"of {known}", None, True, ["a", "b"])] == [
        "12345678",
        "12345678",
        f"of {known}",
        "",
        "yes",
        "a, b",
    ]


@pytest.fixture
def pitches(environment: Environment) -> list[str]:
    """Three pitches of one workspace, of which two ids begin alike."""
    workspace_id = environment.add_workspace("acme")
    ids = ["aaaabbbb-0000-4000-8000-000000000001", "aaaabbbb-0000-4000-8000-000000000002", str(uuid4())]
    ids[2] = "c" + ids[2][1:]
    with environment.wiring.database.admin() as connection:
        for each in ids:
            connection.exec_driver_sql(
                "insert into pitches (id, workspace_id, to_email, subject, body, status) "
                f"values ('{each}', '{workspace_id}', 'a@example.org', 's', 'b', 'draft')"
            )
    return ids


@pytest.mark.usefixtures("pitches")
def test_an_id_is_taken_by_its_beginning_and_never_guessed(environment: Environment, pitches: list[str]) -> None:
    with environment.wiring.database.admin() as connection:
        assert str(find_id(connection, IdOf.PITCH, pitches[2][:8].upper())) == pitches[2]
        assert str(find_id(connection, IdOf.PITCH, pitches[2].replace("-", "")[:14])) == pitches[2]
        unknown = "00000000-0000-0000-0000-000000000000"
        assert str(find_id(connection, IdOf.PITCH, unknown)) == unknown
        for wrong, why in (("aaaa", "several ids"), ("dead", "no id begins"), ("aaa", "is no id"), ("%", "is no id")):
            with pytest.raises(ConfigurationError, match=why):
                find_id(connection, IdOf.PITCH, wrong)


def test_another_workspaces_id_is_not_found_by_its_beginning(environment: Environment, pitches: list[str]) -> None:
    environment.add_workspace("other")
    ran = run("pitches", "cancel", pitches[2][:8], "-w", "other")
    assert (ran.code, "no id begins" in ran.err) == (2, True)
    assert run("pitches", "cancel", pitches[2][:8], "-w", "acme", "--json").json["id"] == pitches[2]


@pytest.mark.usefixtures("pitches")
def test_a_list_that_is_cut_says_so() -> None:
    whole, some = run("pitches", "list", "-w", "acme"), run("pitches", "list", "-w", "acme", "--limit", "2")
    assert (whole.err, some.err) == ("", "only the first 2 are shown: --limit shows more\n")
    assert len(run("pitches", "list", "-w", "acme", "--limit", "2", "--json").json) == 2


def test_what_was_skipped_and_what_waits_is_said_by_plan_and_sync(environment: Environment) -> None:
    workspace_id = environment.add_workspace("acme", people=6)
    base_id, table_id = environment.connect(workspace_id)
    run("sync", "-w", "acme", "-p", "airtable")
    airtable = environment.sandbox.airtable
    airtable.create_records(base_id, table_id, [{"Name": "Twin"}] + [{"Email": "twin@example.org"}] * 2)
    run("contacts", "delete", "person0@acme.org", "-w", "acme")
    first = run("sync", "-w", "acme", "-p", "airtable")
    again = run("plan", "-w", "acme", "-p", "airtable")
    document = run("plan", "-w", "acme", "-p", "airtable", "--json").json
    assert "1 change held" in first.out
    assert "nothing to do" not in again.out
    assert "skipped 2: duplicate e-mail" in again.out
    assert {each["reason"].split(":")[0] for each in document["skipped"]} == {"duplicate e-mail"}
    assert "1 change held" in again.out
    assert document["open"]["held"] == 1


def test_a_failed_sync_still_says_what_waits(environment: Environment) -> None:
    workspace_id = environment.add_workspace("acme", people=6)
    environment.connect(workspace_id)
    run("sync", "-w", "acme", "-p", "airtable")
    run("contacts", "delete", "person0@acme.org", "-w", "acme")
    run("sync", "-w", "acme", "-p", "airtable")
    environment.monkeypatch.setenv("INTEGRATIONS_AIRTABLE_API_URL", environment.sandbox.url + "/nowhere")
    ran = run("sync", "-w", "acme", "-p", "airtable")
    assert ran.code == 1
    assert "1 change held" in ran.out
