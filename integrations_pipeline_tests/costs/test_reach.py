"""Whoever has an e-mail is found by an index, under row-level security too, where one over a function is of no use.

Right after a first load, before Postgres counted anything, links are looked for among all of the connection's.
"""

from collections.abc import Callable, Collection
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from integrations_pipeline.model import ChangeState
from integrations_pipeline.store import changes, contacts, links
from integrations_pipeline.store.changes import StateChange
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.costs.counting import Statements, plan_nodes
from integrations_pipeline_tests.store.rows import add_tenant

MANY = 20_000
ADDRESSES = [f"p{number}@example.org" for number in range(1, 6)]
_CONTACTS = """
    insert into workspace_contacts (id, workspace_id, email)
    select gen_random_uuid(), :workspace, 'P' || n || '@example.org' from generate_series(1, :count) n
"""
_LINKS = """
    insert into integration_links (connection_id, workspace_id, contact_id, external_id, base)
    select :connection, :workspace, id, replace(email, 'P', 'p'), jsonb_build_object('email', email)
    from workspace_contacts where email like 'P%'
"""

#: (connection, workspace, link's connection, keys): one that asks for people by e-mail.
Question = Callable[[Connection, UUID, UUID, Collection[str]], object]


def of_contacts(connection: Connection, workspace_id: UUID, _: UUID, keys: Collection[str]) -> object:
    return contacts.contact_ids_by_email(connection, workspace_id, keys)


def of_all_contacts(connection: Connection, workspace_id: UUID, _: UUID, keys: Collection[str]) -> object:
    return contacts.known_emails(connection, workspace_id, keys)


def of_links(connection: Connection, _: UUID, connection_id: UUID, keys: Collection[str]) -> object:
    return len(links.read_base(connection, connection_id, ["name"], only={"emails": keys}))


def of_records(connection: Connection, _: UUID, connection_id: UUID, keys: Collection[str]) -> object:
    """Asked in each batch that makes records."""
    return links.contacts_by_record(connection, connection_id, list(keys))


@pytest.mark.parametrize(
    ("question", "has_statistics"),
    [
        *((of, known) for of in (of_contacts, of_all_contacts, of_records) for known in (False, True)),
        (of_links, True),
    ],
)
def test_an_e_mail_is_asked_for_by_an_index(database: Database, question: Question, has_statistics: bool) -> None:
    with database.admin() as connection:
        tenant = add_tenant(connection, "mine")
        bound = {"workspace": tenant.workspace_id, "connection": tenant.connection_id, "count": MANY}
        connection.execute(text(_CONTACTS), bound)
        connection.execute(text(_LINKS), bound)
        if has_statistics:
            connection.execute(text("analyze workspace_contacts, integration_links"))
    with database.workspace(tenant.workspace_id) as connection:
        with Statements() as statements:
            assert question(connection, tenant.workspace_id, tenant.connection_id, ADDRESSES)
        nodes = [node for statement, given in statements.seen for node in plan_nodes(connection, statement, given)]
    # Which rows a bitmap names costs little: what is looked at is them.
    read = [node for node in nodes if "Scan" in node["Node Type"] and node["Node Type"] != "Bitmap Index Scan"]
    assert read
    assert max(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in read) <= 100


_JOURNAL = """
    insert into integration_changes (run_id, connection_id, workspace_id, contact_id, side, kind, state)
    select gen_random_uuid(), :connection, :workspace, gen_random_uuid(), 'remote', 'create', 'planned'
    from generate_series(1, :count)
"""


@pytest.mark.parametrize("has_statistics", [False, True])
def test_ten_rows_of_the_journal_are_found_by_their_ids_and_not_among_all_of_the_workspace(
    database: Database, has_statistics: bool
) -> None:
    """Asked twice for each request that writes: a bitmap of the whole workspace is a walk over all of it, too."""
    with database.admin() as connection:
        tenant = add_tenant(connection, "mine")
        bound = {"workspace": tenant.workspace_id, "connection": tenant.connection_id, "count": MANY}
        connection.execute(text(_JOURNAL), bound)
        if has_statistics:
            connection.execute(text("analyze integration_changes"))
        ids = connection.execute(text("select id from integration_changes limit 10")).scalars().all()
    with database.workspace(tenant.workspace_id) as connection:
        with Statements() as statements:
            changes.record_states(connection, [StateChange(change_id=each, state=ChangeState.INTENDED) for each in ids])
        nodes = [node for statement, given in statements.seen for node in plan_nodes(connection, statement, given)]
    read = [node for node in nodes if "Scan" in node["Node Type"]]
    assert read
    assert max(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in read) <= 100
