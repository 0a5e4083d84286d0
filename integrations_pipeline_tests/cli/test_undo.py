"""`integrations undo`: what it says, and what it refuses."""

import pytest

from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.cli.test_explain import ACME, ANN, Book, book
from integrations_pipeline_tests.environment import Environment

__all__ = ["book"]


@pytest.fixture
def mistake(book: Book) -> str:
    """A run that carried a wrong company from here."""
    assert run("contacts", "update", ANN, *ACME, "--set", "company=Wrong", "--set", "phone=1").code == 0
    return book.sync()


def there(book: Book) -> dict[str, object]:
    record = book.airtable.records(book.base_id, book.table_id)
    return next(dict(each["fields"]) for each in record if each["fields"].get("Email") == ANN)


def test_a_run_is_undone_here_and_there_and_the_undo_as_well(book: Book, mistake: str) -> None:
    dry = run("undo", mistake, "--dry-run")
    assert (dry.code, dry.out) == (0, f"run {mistake} of acme airtable: would put back 2 values and 0 deleted people\n")
    assert there(book)["Company"] == "Wrong"

    done = run("undo", mistake, *ACME, "--json", "--as", "ann")

    assert done.code == 0
    assert {key: done.json[key] for key in ("workspace", "provider", "undone", "held", "left_out")} == {
        "workspace": "acme", "provider": "airtable", "undone": 2, "held": 0, "left_out": [],
    }  # fmt: skip
    assert "Company" not in there(book)
    again = run("undo", done.json["run_id"][:8])
    assert "takes it back" in again.out
    assert there(book)["Company"] == "Wrong"
    assert book.environment.rows("select metadata ->> 'decided_by' from integration_activity where action = 'undo'")[0][
        0
    ] in ("ann", "root")


def test_what_is_left_is_told_with_its_reason(book: Book, mistake: str) -> None:
    run("contacts", "update", ANN, *ACME, "--set", "company=Right")
    told = run("undo", mistake)
    assert told.code == 0
    assert "put back 1 values" in told.out
    assert "edited here since" in told.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("beef",), "no id begins with 'beef' (any more): `integrations logs` shows them"),
        (("nonsense!",), "'nonsense!' is no id"),
        (("{run}", "-w", "other"), "run {run} is none of workspace other"),
        (("{run}", "--only", "nobody@example.org"), "--only names an e-mail that no contact of the workspace has"),
    ],
)
def test_wrong_input_gets_one_line_and_nothing_is_done(
    book: Book, mistake: str, arguments: tuple[str, ...], says: str
) -> None:
    book.environment.add_workspace("other")
    told = run("undo", *(each.format(run=mistake) for each in arguments))
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"error: {says.format(run=mistake)}")
    assert told.err.count("\n") == 1
    assert there(book)["Company"] == "Wrong"


def test_a_run_that_is_at_work_is_not_undone(book: Book, mistake: str, environment: Environment) -> None:
    environment.rows("update integration_sync_logs set status = 'running', completed_at = null returning id")
    assert "is at work" in run("undo", mistake).err
