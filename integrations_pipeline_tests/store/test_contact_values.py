"""Which values contacts hold: counted by Postgres, by field and value."""

from uuid import UUID, uuid4

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import ContactValues, join_set
from integrations_pipeline.store import contacts, workspaces
from integrations_pipeline.store.contact_values import read_values
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Database

PEOPLE = (
    {"email": "ann@acme.test", "company": "Firm", "tags": join_set(["press", "VIP"]), "custom_fields.t-shirt": "M"},
    {"email": "bob@acme.test", "company": "Firm", "tags": join_set(["press"])},
    {"email": "cid@acme.test"},
    {"email": "dan@acme.test", "company": "Gone", "tags": join_set(["gone"])},
)


def add(database: Database, slug: str, *people: dict[str, str]) -> UUID:
    with database.admin() as connection:
        workspace_id = workspaces.add_workspace(connection, slug).id
    writes = [ContactWrite(contact_id=str(uuid4()), fields=fields) for fields in people]
    with database.workspace(workspace_id) as connection:
        contacts.insert_contacts(connection, workspace_id, writes)
        contacts.delete_contacts(connection, [ContactWrite(contact_id=writes[-1].contact_id, fields={}, version=1)])
    return workspace_id


def test_values_are_counted_by_field_without_deleted_contacts_and_other_workspaces(database: Database) -> None:
    workspace_id = add(database, "acme", *PEOPLE)
    add(database, "other", {"company": "Others"}, {"company": "Gone"})
    names = ["company", "tags", "custom_fields.t-shirt", "email_opt_out", "phone"]
    with database.workspace(workspace_id) as connection:
        found = read_values(connection, workspace_id, names)
    assert found.contact_count == 3
    assert found.held == {
        "company": {"Firm": 2, "": 1},
        "tags": {"press": 2, "VIP": 1},
        "custom_fields.t-shirt": {"M": 1, "": 2},
        "email_opt_out": {"": 3},
        "phone": {"": 3},
    }
    assert found.of("phone") == {"": 3}
    assert found.of("never asked for") == {}


def test_an_empty_workspace_and_no_fields_have_no_values(database: Database) -> None:
    with database.admin() as connection:
        workspace_id = workspaces.add_workspace(connection, "acme").id
    with database.workspace(workspace_id) as connection:
        assert read_values(connection, workspace_id, ["tags"]) == ContactValues(held={"tags": {}})
        assert read_values(connection, workspace_id, []) == ContactValues()


def test_a_name_that_is_no_field_does_not_reach_a_statement(database: Database) -> None:
    with database.workspace(uuid4()) as connection, pytest.raises(ConfigurationError):
        read_values(connection, uuid4(), ["email from workspace_contacts c --"])
