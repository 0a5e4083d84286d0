"""`integrations connections columns` and `connections add --discover`, from the outside."""

import json
from pathlib import Path

import pytest

from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.cli.test_places import add
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY, DEFAULT_TOKEN
from integrations_sandbox.airtable.state import ALL_SCOPES

FIELDS: list[dict[str, object]] = [
    {"name": "Full Name", "type": "singleLineText"},
    {"name": "Reach at", "type": "email"},
    {"name": "Organisation", "type": "singleLineText"},
    {"name": "Lead Score", "type": "number", "options": {"precision": 0}},
    {"name": "Photo", "type": "multipleAttachments"},
    {"name": "Contact ID", "type": "singleLineText"},
]
MAPPING = {
    "name": "Full Name",
    "company": "Organisation",
    "email": "Reach at",
    "custom_fields.lead_score": "Lead Score",
}


def columns(provider: str, *more: str) -> Ran:
    return run("connections", "columns", "-w", "acme", "-p", provider, *more)


@pytest.fixture
def place(environment: Environment) -> dict[str, object]:
    """A table that is called in no way like ours, and no connection to it."""
    environment.add_workspace("acme", people=1)
    airtable = environment.sandbox.airtable
    base = airtable.create_base("CRM")
    table = airtable.create_table(base.id, "People", FIELDS)
    return {"base_id": base.id, "table_id": table.id, "settle_seconds": 0}


def test_a_discovered_mapping_is_written_and_syncs_custom_fields_too(
    environment: Environment, tmp_path: Path, place: dict[str, object]
) -> None:
    added = add(tmp_path, "airtable", "acme", DEFAULT_TOKEN, place, "--discover", "--json")
    assert (added.code, added.json["field_mapping"]) == (0, MAPPING)
    airtable = environment.sandbox.airtable
    base_id, table_id = str(place["base_id"]), str(place["table_id"])
    airtable.create_records(base_id, table_id, [{"Full Name": "Zoë", "Reach at": "zoe@example.org", "Lead Score": 7}])
    assert run("sync", "-w", "acme", "-p", "airtable").code == 0
    (row,) = environment.rows("select name, custom_fields from workspace_contacts where email = 'zoe@example.org'")
    assert row == ("Zoë", {"lead_score": "7"})
    assert {each["fields"]["Reach at"] for each in airtable.records(base_id, table_id)} == {
        "zoe@example.org",
        "person0@acme.org",
    }


def test_what_the_settings_map_stays(environment: Environment, tmp_path: Path, place: dict[str, object]) -> None:
    place["field_mapping"] = {"company": "Full Name"}
    added = add(tmp_path, "airtable", "acme", DEFAULT_TOKEN, place, "--discover")
    assert added.code == 0
    (row,) = environment.rows("select settings -> 'field_mapping' from integration_connections")
    rest = {"email": "Reach at", "custom_fields.lead_score": "Lead Score"}
    assert row == ({"company": "Full Name", "custom_fields.organisation": "Organisation", **rest},)
    assert "  company is kept in Full Name" in added.out.splitlines()


def test_people_see_types_how_each_was_found_and_why_one_was_not(
    environment: Environment, tmp_path: Path, place: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert add(tmp_path, "airtable", "acme", DEFAULT_TOKEN, place).code == 0
    monkeypatch.setattr("integrations_pipeline.cli.output.stdout._width", 80)
    shown, told = columns("airtable"), columns("airtable", "--json")
    assert (shown.code, told.code) == (0, 0)
    assert max(map(len, shown.out.splitlines())) <= 80
    for word in ("multipleAttachments", "custom_fields.lead_score", "no column for job_title, phone, tags"):
        assert word in shown.out
    assert told.json["field_mapping"] == MAPPING
    assert told.json["missing"] == ["job_title", "phone", "tags", "email_opt_out"]
    found = {each["column"]: each for each in told.json["columns"]}
    assert [found[name]["found"] for name in ("Full Name", "Reach at", "Lead Score", "Photo", "Contact ID")] == [
        *("name", "type", "custom", "none", "none"),
    ]
    assert "cannot hold" in found["Photo"]["reason"]
    assert "is the key of the sync" in found["Contact ID"]["reason"]
    assert environment.sandbox.airtable.records(str(place["base_id"]), str(place["table_id"])) == []


def test_a_connection_whose_mapping_is_wrong_can_be_asked_all_the_same(
    environment: Environment, tmp_path: Path, place: dict[str, object]
) -> None:
    place["field_mapping"] = {"email": "Gone"}
    assert add(tmp_path, "airtable", "acme", DEFAULT_TOKEN, place).code == 0
    told = columns("airtable", "--json")
    assert told.code == 0
    assert told.json["field_mapping"]["email"] == "Gone"


def test_merge_fields_of_an_audience(environment: Environment, tmp_path: Path) -> None:
    environment.add_workspace("acme")
    mailchimp = environment.sandbox.mailchimp
    audience = mailchimp.create_list("Friends")
    mailchimp.create_merge_field(audience.id, {"tag": "CITY", "name": "City", "type": "text"})
    added = add(tmp_path, "mailchimp", "acme", DEFAULT_MAILCHIMP_KEY, {"list_id": audience.id}, "--discover", "--json")
    assert added.code == 0
    mapping = added.json["field_mapping"]
    assert (mapping["name"], mapping["custom_fields.city"]) == ("FNAME+LNAME", "CITY")
    assert not {"email", "tags", "email_opt_out"} & set(mapping)
    found = {each["column"]: each["found"] for each in columns("mailchimp", "--json").json["columns"]}
    assert (found["email_address"], found["FNAME"], found["CITY"]) == ("fixed", "mapped", "mapped")


def test_a_provider_without_columns_says_so_in_one_line(environment: Environment, tmp_path: Path) -> None:
    environment.add_workspace("acme")
    token = tmp_path / "token.json"
    token.write_text(json.dumps({"access_token": "any"}))
    adding = ("connections", "add", "gmail", "-w", "acme", f"--credentials={token}")
    refused = run(*adding, "--discover")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert environment.rows("select count(*) from integration_connections") == [(0,)]
    assert run(*adding).code == 0
    shown, told = columns("gmail"), columns("gmail", "--json")
    assert (shown.code, told.code, told.json["columns"]) == (0, 0, None)
    assert len(shown.out.splitlines()) == 1
    assert "gmail tells no columns" in shown.out


def test_a_token_that_may_not_read_the_schema_is_told(
    environment: Environment, tmp_path: Path, place: dict[str, object]
) -> None:
    token = environment.sandbox.airtable.create_token(scopes=ALL_SCOPES - {"schema.bases:read"})
    refused = add(tmp_path, "airtable", "acme", token.value, place, "--discover")
    assert refused.code == 2
    assert "the token may not read them" in refused.err


def test_what_cannot_be_asked_is_one_line(environment: Environment, tmp_path: Path, place: dict[str, object]) -> None:
    assert (columns("airtable").code, columns("nobody").code) == (2, 2)
    assert add(tmp_path, "airtable", "acme", "patWrong.token", place).code == 0
    refused = columns("airtable")
    assert (refused.code, len(refused.err.splitlines())) == (1, 1)
