"""Seven questions of a morning, each answered by at most two commands and no SQL; `-s` shows them played."""

import json
import sys
from pathlib import Path

import pytest

from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.cli.test_explain import ACME, ANN, Book, book

__all__ = ["book"]

MOST_COMMANDS = 2
SHOWN_LINES = 12


class Story:
    """What somebody types, and what they see."""

    def __init__(self, question: str) -> None:
        self.commands = 0
        sys.stdout.write(f"\n{question}\n")

    def types(self, *arguments: str, code: int = 0) -> Ran:
        self.commands += 1
        ran = run(*arguments)
        sys.stdout.write(f"  $ integrations {' '.join(arguments)}\n")
        for line in ran.out.splitlines()[:SHOWN_LINES]:
            sys.stdout.write(f"    {line}\n")
        assert (ran.code, self.commands <= MOST_COMMANDS) == (code, True), ran.err
        return ran


def held_deletes(book: Book, count: int = 5) -> list[str]:
    """Contacts whose records somebody deleted at the provider."""
    book.airtable.create_records(
        book.base_id, book.table_id, [{"Name": f"P{n}", "Email": f"p{n}@example.org"} for n in range(count)]
    )
    book.sync()
    for n in range(count):
        book.airtable.delete_records(book.base_id, book.table_id, [book.record_of(f"p{n}@example.org")])
    run("sync", *ACME, "-p", "airtable", "--full", "--json")
    return [f"p{n}@example.org" for n in range(count)]


def test_why_does_this_contact_say_that(book: Book) -> None:
    book.edit_there(ANN, Company="New Company")
    book.sync()
    told = Story("Why does Ann's company say that?").types("explain", ANN, *ACME)
    assert "company: New Company here and in Airtable" in told.out


def test_what_will_the_next_sync_change(book: Book) -> None:
    run("contacts", "update", ANN, *ACME, "--set", "company=Acme")
    told = Story("What will the next sync change?").types("plan", *ACME, "-p", "airtable")
    assert "company: (empty) → Acme" in told.out.replace("\n", " ") or "Acme" in told.out


def test_undo_last_nights_run(book: Book) -> None:
    run("contacts", "update", ANN, *ACME, "--set", "company=Wrong")
    book.sync()
    story = Story("Undo last night's run.")
    runs = story.types("logs", *ACME, "--limit", "2", "--json").json
    story.types("undo", str(runs[0]["run_id"]))
    records = book.airtable.records(book.base_id, book.table_id)
    assert "Wrong" not in json.dumps([record["fields"] for record in records])
    assert "Wrong" not in run("contacts", "list", *ACME, "--json").out


def test_a_conflict_is_looked_at_and_decided(book: Book) -> None:
    book.environment.rows(
        'update integration_connections set settings = settings || \'{"conflict_policy": "manual"}\' returning id'
    )
    book.edit_there(ANN, Company="There")
    run("contacts", "update", ANN, *ACME, "--set", "company=Here")
    run("sync", *ACME, "-p", "airtable", "--json")
    story = Story("Two people changed the same field: whose counts?")
    (conflict,) = story.types("conflicts", "list", *ACME, "--json").json
    story.types("conflicts", "resolve", str(conflict["id"]), "--keep", "local", *ACME)
    book.sync()
    record = next(
        each for each in book.airtable.records(book.base_id, book.table_id) if each["fields"].get("Email") == ANN
    )
    assert record["fields"]["Company"] == "Here"


def test_five_of_the_held_deletes_are_meant(book: Book) -> None:
    emails = held_deletes(book)
    story = Story("These two are meant, the others not.")
    story.types("holds", "approve", "--email", emails[0], *ACME, "--because", "left the company")
    story.types("holds", "reject", "--all", *ACME, "--because", "a slip")
    book.sync()
    left = run("contacts", "list", *ACME, "--json").out
    assert emails[0] not in left
    assert all(email in left for email in emails[1:])
    assert run("inbox", *ACME, "--json").json["items"] == []


def test_a_connection_is_in_error_and_who_was_told(book: Book) -> None:
    book.environment.rows(
        "update integration_connections set status = 'error', error_count = 3, error_message = 'no such table' "
        "returning id"
    )
    run("alerts", "send")
    story = Story("Which connection is in error, and who was told?")
    assert "no such table" in story.types("status", "--problems").out
    assert "error" in story.types("alerts", "list").out


def test_a_report_of_last_week(book: Book, tmp_path: Path) -> None:
    page = tmp_path / "week.html"
    Story("What happened last week?").types("report", "--since", "7d", "--output", str(page))
    assert "<svg" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["held_delete"])
def test_the_inbox_says_which_command_decides_each_thing(book: Book, kind: str) -> None:
    held_deletes(book, 2)
    items = run("inbox", "--json").json["items"]
    assert [item["kind"] for item in items] == [kind] * 2
    assert all(item["command"].startswith("integrations holds ") for item in items)
