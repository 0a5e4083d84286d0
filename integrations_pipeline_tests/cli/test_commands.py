"""The command line end to end: real database, real HTTP to the sandbox, exit codes and both streams."""

import json
from pathlib import Path

import pytest

from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import DEFAULT_TOKEN


def _write(path: Path, content: object) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def test_a_newcomer_goes_from_an_empty_database_to_a_synced_workspace(environment: Environment, tmp_path: Path) -> None:
    base = environment.sandbox.airtable.create_base("CRM")
    table = environment.sandbox.airtable.create_contacts_table(base.id)
    environment.sandbox.airtable.create_records(base.id, table.id, [{"Name": "Zoë", "Email": "zoe@example.org"}])
    csv = "email,name,tags,custom_fields.x\nann@example.org,Ann,press|VIP,1\n"

    assert run("workspaces", "add", "acme", "--name", "Acme").code == 0
    assert run("contacts", "import", _write(tmp_path / "a.csv", csv), "--workspace", "acme").code == 0
    credentials = _write(tmp_path / "c.json", {"api_key": DEFAULT_TOKEN})
    settings = _write(tmp_path / "s.json", {"base_id": base.id, "table_id": table.id, "settle_seconds": 0})
    added = run("connections", "add", "airtable", "-w", "acme", "--credentials", credentials, "--settings", settings)
    assert added.code == 0
    assert run("connections", "check", "--workspace", "acme").code == 0

    synced = run("sync", "--workspace", "acme", "--provider", "airtable", "--json")

    assert synced.code == 0
    document = synced.json
    assert set(document) >= {
        "workspace", "provider", "run_id", "plan_id", "results", "conflicts", "held", "api_calls",
    }  # fmt: skip
    by_direction = {result["direction"]: result for result in document["results"]}
    assert by_direction["to_external"]["records_created"] == 1
    assert by_direction["from_external"]["records_created"] == 1
    listed = run("contacts", "list", "--workspace", "acme", "--json").json
    assert [row["email"] for row in listed] == ["ann@example.org", "zoe@example.org"]
    assert listed[0]["tags"] == ["press", "VIP"]
    records = environment.sandbox.airtable.records(base.id, table.id)
    assert {record["fields"]["Email"] for record in records} == {"ann@example.org", "zoe@example.org"}
    assert "zoe@example.org" in run("contacts", "export", "--workspace", "acme").out
    assert len(run("logs", "--workspace", "acme", "--json").json) == 2
    assert run("status", "--json").json[0]["status"] == "active"
    for command in (("logs", "-w", "acme"), ("status",), ("connections", "list", "-w", "acme"), ("workspaces", "list")):
        assert run(*command).code == 0


def test_a_preview_is_applied_exactly_and_then_used_up(environment: Environment) -> None:
    environment.connect(environment.add_workspace("acme", people=3))

    preview = run("plan", "--workspace", "acme", "--provider", "airtable", "--json").json
    assert len(preview["changes"]) == 3
    assert environment.rows("select count(*) from integration_links") == [(0,)]

    arguments = ("sync", "--workspace", "acme", "--provider", "airtable", "--plan", preview["plan_id"], "--json")
    applied = run(*arguments)
    assert applied.json["results"][0]["records_created"] + applied.json["results"][1]["records_created"] == 3
    assert run(*arguments).code == 2
    assert run("plan", "--workspace", "acme", "--provider", "airtable").code == 0


def test_malformed_rows_are_named_by_line_and_the_others_are_imported(environment: Environment, tmp_path: Path) -> None:
    environment.add_workspace("acme")
    text = 'email,name\na@example.org,A\nno-address,B\nc@example.org\n,\n"d@example.org","D"\n'

    ran = run("contacts", "import", _write(tmp_path / "x.csv", text), "--workspace", "acme", "--json")

    assert ran.code == 1
    assert ran.json["created"] == 2
    assert [row["line"] for row in ran.json["rejected"]] == [3, 4, 5]
    assert "no-address" not in ran.err


def test_json_lines_are_imported_and_imported_again_without_duplicates(
    environment: Environment, tmp_path: Path
) -> None:
    environment.add_workspace("acme")
    lines = [
        {"email": "a@example.org", "tags": ["x", "y"], "custom_fields": {"k": 1}, "email_opt_out": True},
        {"name": "No address", "phone": None},
    ]
    path = _write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, lines)) + "\nnot json\n[]\n" + '{"colour": "red"}')

    first = run("contacts", "import", path, "--workspace", "acme", "--json").json
    again = run("contacts", "import", path, "--workspace", "acme", "--json").json

    assert (first["created"], first["updated"], len(first["rejected"])) == (2, 0, 3)
    assert (again["created"], again["updated"]) == (0, 1)
    opted = environment.rows(
        "select email_opt_out, email_opt_out_at is not null from workspace_contacts where email is not null"
    )
    assert opted == [(True, True)]


def test_a_contact_is_edited_and_deleted_by_its_address(environment: Environment) -> None:
    environment.add_workspace("acme", people=2)

    assert (
        run("contacts", "update", "PERSON0@acme.org", "-w", "acme", "--set", "tags=a|b", "--set", "phone=1").code == 0
    )
    assert run("contacts", "delete", "person1@acme.org", "--workspace", "acme", "--json").json["deleted"] is True

    rows = run("contacts", "list", "--workspace", "acme", "--json").json
    assert [(row["email"], row["tags"], row["phone"]) for row in rows] == [("person0@acme.org", ["a", "b"], "1")]
    assert run("contacts", "update", "person0@acme.org", "-w", "acme", "--set", "colour=red").code == 2
    assert run("contacts", "update", "nobody@acme.org", "-w", "acme", "--set", "phone=2").code == 2


def test_a_held_delete_is_listed_approved_and_carried_out(environment: Environment) -> None:
    workspace_id = environment.add_workspace("acme", people=6)
    base_id, table_id = environment.connect(workspace_id)
    sync = ("sync", "--workspace", "acme", "--provider", "airtable", "--json")
    run(*sync)
    run("contacts", "delete", "person0@acme.org", "--workspace", "acme")
    run("contacts", "delete", "person1@acme.org", "--workspace", "acme")
    assert run(*sync).json["held"] == 2
    assert len(environment.sandbox.airtable.records(base_id, table_id)) == 6

    held = {row["before"]["email"]: row["id"] for row in run("holds", "list", "-w", "acme", "--json").json}
    assert run("holds", "approve", held["person0@acme.org"], "--workspace", "acme").code == 0
    assert run("holds", "reject", held["person1@acme.org"], "--workspace", "acme").code == 0
    done = run(*sync).json

    emails = {record["fields"]["Email"] for record in environment.sandbox.airtable.records(base_id, table_id)}
    assert "person0@acme.org" not in emails
    assert "person1@acme.org" in emails
    assert done["held"] == 0
    assert "person1@acme.org" in run("contacts", "export", "--workspace", "acme").out
    assert run("holds", "list", "--workspace", "acme").out == "Held changes of acme: none\n"


def test_a_conflict_is_shown_with_both_values(environment: Environment) -> None:
    base_id, table_id = environment.connect(environment.add_workspace("acme", people=1))
    sync = ("sync", "--workspace", "acme", "--provider", "airtable")
    run(*sync)
    record = environment.sandbox.airtable.records(base_id, table_id)[0]
    environment.sandbox.airtable.update_record(base_id, table_id, record["id"], Name="Remote")
    run("contacts", "update", "person0@acme.org", "-w", "acme", "--set", "name=Local")

    assert run(*sync).code == 0

    assert "none open" in run("conflicts", "list", "--workspace", "acme").out
    (shown,) = run("conflicts", "list", "--workspace", "acme", "--all", "--json").json
    assert {name: shown[name] for name in ("field", "base", "local", "remote", "winner", "policy")} == {
        "field": "name", "base": "Person 0", "local": "Local", "remote": "Remote", "winner": "local",
        "policy": "local_wins",
    }  # fmt: skip
    assert "Remote" in run("conflicts", "list", "--workspace", "acme", "--all").out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["sync", "-w", "nowhere", "-p", "airtable"], 2, "unknown workspace 'nowhere'", id="workspace"),
        pytest.param(["sync", "-w", "acme", "-p", "filofax"], 2, "unknown provider 'filofax'", id="provider"),
        pytest.param(["sync", "-w", "acme", "-p", "airtable"], 2, "connections add airtable", id="no connection"),
        pytest.param(["sync", "-w", "acme", "-p", "airtable", "--direction", "up"], 2, "--direction", id="direction"),
        pytest.param(["sync", "-w", "acme", "-p", "airtable", "--plan", "x"], 2, "is no id", id="plan id"),
        pytest.param(["workspaces", "add", "Not A Slug"], 2, "lower-case", id="slug"),
        pytest.param(["workspaces", "add", "acme"], 2, "exists already", id="slug taken"),
        pytest.param(["holds", "approve", "x", "-w", "acme"], 2, "no id", id="hold id"),
        pytest.param(["contacts", "import", "/nonexistent.csv", "-w", "acme"], 2, "No such file", id="file"),
        pytest.param(["frobnicate"], 2, "No such command", id="command"),
    ],
)
def test_a_mistake_gets_one_line_and_the_exit_code_for_usage(
    environment: Environment, arguments: list[str], code: int, says: str
) -> None:
    environment.add_workspace("acme")

    ran = run(*arguments)

    assert ran.code == code
    assert says in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("credentials", "settings", "says"),
    [
        pytest.param("{}", "{}", '"api_key"', id="no key"),
        pytest.param("nonsense", "{}", "no JSON", id="no json"),
        pytest.param('{"api_key": "secret-token"}', "{}", "base_id", id="no base"),
        pytest.param(
            '{"api_key": "secret-token"}', '{"base_id": "a", "table_id": "b", "colour": 1}', "colour", id="unknown"
        ),
        pytest.param(
            '{"api_key": "secret-token"}',
            '{"base_id": "a", "table_id": "b", "delete_limit": -1}',
            "delete_limit",
            id="range",
        ),
        pytest.param(
            '{"api_key": "secret-token"}',
            '{"base_id": "a", "table_id": "b", "field_policies": {"phone": "always"}}',
            "field_policies.phone",
            id="policy",
        ),
        pytest.param(
            '{"api_key": "secret-token"}',
            '{"base_id": "a", "table_id": "b", "field_policies": {"custom_fields.x": "local_wins"}}',
            "field_policies: 'custom_fields.x' is not synced",
            id="policy of a field that is not mapped",
        ),
    ],
)
def test_wrong_credentials_or_settings_are_refused_without_repeating_them(
    environment: Environment, tmp_path: Path, credentials: str, settings: str, says: str
) -> None:
    environment.add_workspace("acme")
    files = (_write(tmp_path / "c.json", credentials), _write(tmp_path / "s.json", settings))

    ran = run("connections", "add", "airtable", "-w", "acme", "--credentials", files[0], "--settings", files[1])

    assert ran.code == 2
    assert says in ran.err
    assert "secret-token" not in ran.err + ran.out
    assert environment.rows("select count(*) from integration_connections") == [(0,)]


def test_credentials_come_from_stdin_and_are_stored_encrypted(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.add_workspace("acme")
    settings = _write(tmp_path / "s.json", {"base_id": "appAAAAAAAAAAAAAA", "table_id": "T"})
    arguments = ("connections", "add", "airtable", "-w", "acme", "--credentials", "-", "--settings", settings)

    ran = run(*arguments, stdin='{"api_key": "pat-very-secret"}', monkeypatch=monkeypatch)

    assert ran.code == 0
    stored = str(environment.rows("select credentials from integration_connections"))
    assert "pat-very-secret" not in stored
    assert "kid" in stored


def test_a_disabled_connection_is_not_synced_until_it_is_enabled(environment: Environment) -> None:
    environment.connect(environment.add_workspace("acme", people=1))
    sync = ("sync", "--workspace", "acme", "--provider", "airtable")

    assert run("connections", "disable", "airtable", "-w", "acme").code == 0
    refused = run(*sync)
    assert refused.code == 2
    assert "connections enable airtable" in refused.err
    assert environment.sandbox.airtable.requests() == []
    assert run("connections", "enable", "airtable", "-w", "acme").code == 0
    assert run(*sync).code == 0


def test_a_wrong_token_fails_the_run_and_the_check_with_one_line(environment: Environment) -> None:
    environment.connect(environment.add_workspace("acme", people=1))
    environment.sandbox.airtable.revoke_token(DEFAULT_TOKEN)

    checked = run("connections", "check", "-w", "acme")
    synced = run("sync", "--workspace", "acme", "--provider", "airtable", "--json")

    assert checked.code == 1
    assert "refuses the token" in checked.err
    assert synced.code == 1
    assert synced.json["results"][0]["success"] is False
    assert len(environment.sandbox.airtable.requests()) <= 3


def test_a_guard_that_refuses_deletes_gives_exit_code_three(environment: Environment) -> None:
    base_id, table_id = environment.connect(environment.add_workspace("acme", people=5), delete_policy="propagate")
    sync = ("sync", "--workspace", "acme", "--provider", "airtable", "--json")
    run(*sync)
    records = environment.sandbox.airtable.records(base_id, table_id)
    environment.sandbox.airtable.delete_records(base_id, table_id, [record["id"] for record in records])

    ran = run(*sync)

    assert ran.code == 3
    assert ran.json["held"] == 5
    assert len(run("contacts", "list", "-w", "acme", "--json").json) == 5


def test_an_unreachable_database_is_one_line_that_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEGRATIONS_DATABASE_URL", "postgresql://someone:hidden-word@127.0.0.1:9/nothing")
    monkeypatch.setenv("INTEGRATIONS_ENCRYPTION_KEYS", run("db", "new-key").out.strip())

    ran = run("status")

    assert ran.code == 1
    assert "INTEGRATIONS_DATABASE_URL" in ran.err
    assert "hidden-word" not in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_a_database_url_without_keys_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEGRATIONS_DATABASE_URL", "postgresql://u@127.0.0.1:9/x")
    monkeypatch.delenv("INTEGRATIONS_ENCRYPTION_KEYS", raising=False)

    ran = run("status", "--json")

    assert ran.code == 2
    assert "INTEGRATIONS_ENCRYPTION_KEYS" in ran.json["error"]


def test_upgrade_says_what_it_applied_and_url_hides_the_password(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEGRATIONS_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("INTEGRATIONS_ENCRYPTION_KEYS", run("db", "new-key").out.strip())

    assert "db upgrade" in run("status").err
    assert run("db", "upgrade", "--json").json["applied"]
    assert run("db", "upgrade", "--json").json["applied"] == []
    assert run("db", "url").out.startswith("postgresql")
    assert run("db", "stop").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["sync", "--workspace", "acme", "--json"], id="missing option"),
        pytest.param(["frobnicate", "--json"], id="unknown command"),
        pytest.param(["logs", "--workspace", "acme", "--limit", "many", "--json"], id="no number"),
    ],
)
def test_usage_errors_are_one_json_document_too(arguments: list[str]) -> None:
    ran = run(*arguments)

    assert ran.code == 2
    assert ran.json["exit_code"] == 2
    assert ran.json["error"]


def test_a_token_with_a_line_end_is_refused_before_it_is_stored(environment: Environment, tmp_path: Path) -> None:
    environment.add_workspace("acme")
    credentials = _write(tmp_path / "c.json", {"api_key": "pat-secret\n"})
    settings = _write(tmp_path / "s.json", {"base_id": "appAAAAAAAAAAAAAA", "table_id": "T"})

    ran = run("connections", "add", "airtable", "-w", "acme", "--credentials", credentials, "--settings", settings)

    assert ran.code == 2
    assert "pat-secret" not in ran.err


def test_a_broken_quote_ends_the_import_where_it_stands(environment: Environment, tmp_path: Path) -> None:
    environment.add_workspace("acme")
    text = 'email,name\na@example.org,A\nb@example.org,"B" broken\nevil@example.org,E\n'

    ran = run("contacts", "import", _write(tmp_path / "x.csv", text), "--workspace", "acme", "--json")

    assert ran.code == 1
    assert [row["email"] for row in run("contacts", "list", "-w", "acme", "--json").json] == ["a@example.org"]
