"""`integrations verify`: its document, its words and its exit codes."""

import pytest

from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment

ACME = ("verify", "--workspace", "acme", "--provider", "airtable")


@pytest.fixture
def acme(environment: Environment) -> Environment:
    """Three contacts, synced."""
    environment.connect(environment.add_workspace("acme", people=3))
    assert run("sync", "-w", "acme", "-p", "airtable").code == 0
    return environment


def damage(environment: Environment) -> None:
    """A contact was changed past the trigger that every edit pulls, long after the sync wrote to the provider."""
    with environment.wiring.database.admin() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.exec_driver_sql("update integration_changes set updated_at = updated_at - interval '1 hour'")
        connection.exec_driver_sql("update workspace_contacts set name = 'Secret', phone = '5' where name = 'Person 1'")


def test_sides_that_agree_end_with_zero(acme: Environment) -> None:
    ran = run(*ACME)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "acme · airtable: 3 compared, 3 equal, 0 waiting, 0 differing\n"
    assert run(*ACME, "--json").json == {"compared": 3, "equal": 3, "waiting": 0, "waiting_by": {}, "differing": []}


def test_what_waits_is_told_by_its_reason_and_is_no_failure(acme: Environment) -> None:
    assert run("contacts", "update", "person1@acme.org", "-w", "acme", "--set", "name=New").code == 0
    ran = run(*ACME)
    assert ran.code == 0
    assert "waiting: 1 edited here, not synced yet" in ran.out
    assert run(*ACME, "--json").json["waiting_by"] == {"edited_here": 1}


def test_sides_that_differ_end_with_one_and_ids_but_no_values(
    acme: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(acme)
    monkeypatch.setattr("integrations_pipeline.cli.output.stdout._width", 80)

    ran, document = run(*ACME), run(*ACME, "--json")

    assert (ran.code, document.code) == (1, 1)
    assert "3 compared, 2 equal, 0 waiting, 1 differing" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    assert {each["field"] for each in document.json["differing"]} == {"name", "phone"}
    ((contact_id, external_id),) = acme.rows(
        "select contact_id::text, external_id from integration_links l join workspace_contacts c "
        "on c.id = l.contact_id where c.phone = '5'"
    )
    for each in document.json["differing"]:
        assert (each["contact_id"], each["external_id"]) == (contact_id, external_id)
    assert str(contact_id)[:8] in ran.out
    for said in (ran.out, document.out):
        assert "Secret" not in said
        assert "@" not in said
    assert "only the first 1 are shown" in run(*ACME, "--limit", "1").err
    noted = acme.rows("select success, records_affected from integration_activity where action = 'verify'")
    assert noted == [(False, 1)] * 3


@pytest.mark.parametrize(
    ("provider", "says"),
    [
        ("gmail", "keeps no address book"), ("mailchimp", "no mailchimp connection"), ("fax", "unknown provider"),
    ],
)  # fmt: skip
def test_what_cannot_be_verified_is_one_line(acme: Environment, provider: str, says: str) -> None:
    ran = run("verify", "-w", "acme", "-p", provider)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_a_read_that_fails_is_no_certificate(acme: Environment) -> None:
    acme.rows("""update integration_connections set settings = settings || '{"table_id": "Gone"}' returning id""")
    ran = run(*ACME)
    assert ran.code in (1, 2)
    assert "compared" not in ran.out
    assert len(ran.err.strip().splitlines()) == 1
