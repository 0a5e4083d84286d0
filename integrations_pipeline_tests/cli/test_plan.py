"""`integrations plan` as a person reads it: who, which field from what to what, why, and what is left out."""

import pytest

from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.cli.waiting_rows import Place, place
from integrations_pipeline_tests.environment import Environment

ACME = ("--workspace", "acme")
PLAN, SYNC = (("plan", *ACME, "-p", "airtable"), ("sync", *ACME, "-p", "airtable"))


@pytest.fixture
def acme(environment: Environment) -> Place:
    """Somebody edited here, somebody new there, a conflict, a delete, and two of one address."""
    acme = place(environment, people=6, conflict_policy="manual")
    assert run(*SYNC).code == 0
    airtable = environment.sandbox.airtable
    records = {each["fields"]["Email"]: each["id"] for each in airtable.records(acme.base_id, acme.table_id)}
    airtable.update_record(acme.base_id, acme.table_id, records["person1@acme.org"], Name="There")
    airtable.create_records(acme.base_id, acme.table_id, [{"Email": "new@acme.org", "Name": "New"}])
    airtable.create_records(acme.base_id, acme.table_id, [{"Email": "twin@acme.org"}] * 2)
    run("contacts", "update", "person0@acme.org", *ACME, "--set", "name=Ann Lee")
    run("contacts", "update", "person1@acme.org", *ACME, "--set", "name=Here")
    run("contacts", "delete", "person2@acme.org", *ACME)
    return acme


@pytest.mark.usefixtures("acme")
def test_the_headline_is_honest_and_every_change_says_who_what_and_why() -> None:
    text = run(*PLAN).out

    assert "· acme · airtable: 2 to write, 1 held, 1 undecided, 2 skipped" in text.splitlines()[0]
    lines = {who: next(line for line in text.splitlines() if who in line) for who in (
        "person0@acme.org", "new@acme.org", "person1@acme.org", "person2@acme.org",
    )}  # fmt: skip
    assert "name: Person 0 → Ann Lee" in lines["person0@acme.org"]
    assert "airtable" in lines["person0@acme.org"]
    assert all(word in lines["new@acme.org"] for word in ("here", "create", "name: New"))
    assert "name: here Here, there There" in lines["person1@acme.org"]
    assert "delete" in lines["person2@acme.org"]
    assert text.index("To be written") < text.index("Not written before somebody decides")
    assert text.index("Not written before somebody decides") < text.index("person2@acme.org")
    assert "skipped 2: duplicate e-mail" in text


@pytest.mark.usefixtures("acme")
def test_the_document_names_people_and_has_what_is_held_and_undecided() -> None:
    document = run(*PLAN, "--json").json
    assert {each["email"] for each in document["changes"]} == {"person0@acme.org", "new@acme.org"}
    assert [each["email"] for each in document["held_changes"]] == ["person2@acme.org"]
    assert [each["email"] for each in document["open_conflicts"]] == ["person1@acme.org"]
    assert {each["email"] for each in document["skipped"]} == {"twin@acme.org"}


@pytest.mark.usefixtures("acme")
def test_no_line_is_longer_than_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations_pipeline.cli.output.stdout._width", 80)
    lines = run(*PLAN).out.splitlines()
    said = ("apply exactly this", "skipped ")
    assert [line for line in lines if len(line) > 80 and not line.startswith(said)] == []


@pytest.mark.usefixtures("acme")
def test_once_all_is_written_a_plan_has_nothing_to_write_and_says_what_waits() -> None:
    run(*SYNC)
    text = run(*PLAN).out
    assert "nothing to write" in text
    assert "1 conflict open" in text
    assert "1 change held" in text
    assert "integrations inbox --workspace acme" in text
