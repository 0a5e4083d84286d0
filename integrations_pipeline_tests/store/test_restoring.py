"""Contacts that come back, several at a time: one that may not does not keep the others away."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

import pytest

from integrations_pipeline.store import contacts, workspaces
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Database


@pytest.mark.parametrize("fields", [{"email": "ann@acme.test"}, {"name": "Ann"}], ids=["it is written", "it is kept"])
def test_a_contact_whose_address_another_one_has_stays_deleted_and_those_after_it_come_back(
    database: Database, fields: Mapping[str, str]
) -> None:
    with database.admin() as connection:
        workspace_id = workspaces.add_workspace(connection, "acme").id
    ann, bob = (ContactWrite(contact_id=str(uuid4()), fields={"email": f"{name}@acme.test"}) for name in ("ann", "bob"))
    newer = ContactWrite(contact_id=str(uuid4()), fields={"email": "ann@acme.test"})
    with database.workspace(workspace_id) as connection:
        contacts.insert_contacts(connection, workspace_id, [ann, bob])
        contacts.delete_contacts(connection, [ann, bob])
        contacts.insert_contacts(connection, workspace_id, [newer])
        back = contacts.restore_contacts(connection, workspace_id, [replace(ann, fields=fields), bob])
        alive = contacts.known_emails(connection, workspace_id, ["ann@acme.test", "bob@acme.test"])

    assert set(back) == {bob.contact_id}
    assert alive == {"ann@acme.test", "bob@acme.test"}
    assert newer.contact_id not in back
