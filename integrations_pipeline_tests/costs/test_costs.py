"""Work that is not needed is not done: each cost is counted, so that it cannot come back unnoticed."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pyarrow as pa
import pytest
from sqlalchemy import text

from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.plan import plan_sync
from integrations_pipeline.engine.reader import World as Planned
from integrations_pipeline.model import Change, ChangeKind, ChangeState, Side
from integrations_pipeline.store import changes, contacts, links, workspaces
from integrations_pipeline.store.database import Database
from integrations_pipeline.sync.contacts.settled import settled
from integrations_pipeline.sync.fingerprints import fingerprints_of
from integrations_pipeline.sync.reading import sift
from integrations_pipeline_tests.builders import (
    RULES,
    Link,
    base_frame,
    local_snapshot,
    remote_snapshot,
    whole,
    world_of,
)
from integrations_pipeline_tests.costs.counting import Statements, bytes_held, plan_nodes, python_calls, row_versions
from integrations_pipeline_tests.store.rows import add_tenant
from integrations_pipeline_tests.sync.arrangement import Tenant, World, open_world, people
from integrations_pipeline_tests.sync.test_one_path import link_all, listing, pages
from integrations_sandbox import SandboxOptions, SandboxServer

MANY = 20_000
#: A nested loop over two tables of `MANY` rows would look at this many pairs.
ALL_PAIRS = MANY * MANY
#: Bytes that a plan needs at most for somebody new: of 100,000 that is 85 MB.
MOST_HELD = 850
#: For somebody who is compared and found unchanged, and for one whom a full read only sees: of 100,000 6 and 30 MB.
MOST_COMPARED, MOST_SEEN = 60, 300


# The plan: no Python for a row that nobody changed


def unchanged(count: int, *, has_key: bool) -> Planned:
    """So many linked contacts on which everybody agrees; each record carries the key that a create left on it."""
    rows = {f"c{i:06d}": whole({"email": f"p{i}@example.org", "name": f"Person {i}"}) for i in range(count)}
    records = {f"x{key}": fields for key, fields in rows.items()}
    base = {key: Link(external_id=f"x{key}", agreed=fields, version=1) for key, fields in rows.items()}
    remote = remote_snapshot(records)
    if has_key:
        remote.frame["contact_key"] = [key.removeprefix("x") for key in remote.frame.index]
    return world_of(
        local=local_snapshot(rows), remote=remote, base=base_frame(base), rules=RULES, policy=Policy(linked_count=count)
    )


@pytest.mark.parametrize("has_key", [True, False], ids=["contact keys", "no keys"])
def test_a_plan_calls_no_python_for_unchanged_rows(has_key: bool) -> None:
    few, many = unchanged(2_000, has_key=has_key), unchanged(12_000, has_key=has_key)
    assert plan_sync(many).is_empty
    plan_sync(few)
    more = python_calls(lambda: plan_sync(many)) - python_calls(lambda: plan_sync(few))
    assert more <= 50, f"{more} calls for 10,000 unchanged rows"


def newcomers(count: int) -> Planned:
    """So many records that nobody knows yet."""
    row = {"company": "Acme", "job_title": "Editor", "tags": '["a", "b"]'}
    records = {f"x{i:06d}": whole({"email": f"p{i}@example.org", "name": f"Person {i}", **row}) for i in range(count)}
    return world_of(
        local=local_snapshot({}), remote=remote_snapshot(records), base=base_frame({}), rules=RULES, policy=Policy()
    )


def test_a_plan_holds_little_for_a_newcomer_and_less_for_whom_nobody_changed() -> None:
    few, many = newcomers(6_000), newcomers(10_000)
    fingerprints = {key: "f" * 32 for key in many.remote.frame.index}

    def planned(world: Planned) -> object:
        plan = plan_sync(world)
        return plan, settled(world, plan, fingerprints)

    planned(few)
    each = (bytes_held(lambda: planned(many)) - bytes_held(lambda: planned(few))) / 4_000
    assert each <= MOST_HELD, f"{each:.0f} bytes for a newcomer"
    few, many = unchanged(6_000, has_key=True), unchanged(10_000, has_key=True)
    each = (bytes_held(lambda: plan_sync(many)) - bytes_held(lambda: plan_sync(few))) / 4_000
    assert each <= MOST_COMPARED, f"{each:.0f} bytes for whom nobody changed"


def test_memory_comes_from_the_system_which_gives_it_back() -> None:
    assert pa.default_memory_pool().backend_name == "system"


def test_consent_that_is_told_in_another_word_is_no_change() -> None:
    world = unchanged(1_000, has_key=False)
    plan_sync(world)
    world.remote.frame["email_opt_out"] = "unasked"
    calls = python_calls(lambda: plan_sync(world))
    world.remote.frame["email_opt_out"] = ""
    assert abs(calls - python_calls(lambda: plan_sync(world))) <= 50


def test_a_plan_for_one_edit_looks_up_only_what_it_is_about() -> None:
    world = unchanged(4, has_key=False)
    world.remote.frame.loc[world.remote.frame.index[0], "company"] = "New"
    assert len(plan_sync(world).changes) == 1
    calls = python_calls(lambda: plan_sync(world))
    assert calls <= 8_500, calls


# The question what changed: one plan, whatever Postgres knows of the tables


@pytest.fixture
def loaded(database: Database) -> tuple[Database, UUID, UUID]:
    """`MANY` linked contacts as a first load leaves them: nothing was ever counted."""
    with database.admin() as connection:
        tenant = add_tenant(connection, "mine")
        bound = {"workspace": tenant.workspace_id, "connection": tenant.connection_id, "count": MANY}
        connection.execute(
            text(
                "insert into workspace_contacts (id, workspace_id, email) "
                "select gen_random_uuid(), :workspace, 'p' || n || '@example.org' from generate_series(1, :count) n"
            ),
            bound,
        )
        connection.execute(
            text(
                "insert into integration_links (connection_id, workspace_id, contact_id, external_id, contact_version) "
                "select :connection, :workspace, id, 'x' || id, version from workspace_contacts "
                "where email like 'p%' on conflict do nothing"
            ),
            bound,
        )
    return database, tenant.workspace_id, tenant.connection_id


@pytest.mark.parametrize("has_statistics", [False, True], ids=["no statistics", "statistics"])
@pytest.mark.parametrize("question", ["changed", "gone"])
def test_what_changed_is_asked_in_one_pass_over_each_table(
    loaded: tuple[Database, UUID, UUID], question: str, has_statistics: bool
) -> None:
    database, workspace_id, connection_id = loaded
    if has_statistics:
        with database.admin() as connection:
            connection.execute(text("analyze workspace_contacts, integration_links"))
    ask = contacts.changed_contact_ids if question == "changed" else links.gone_contact_ids
    with database.workspace(workspace_id) as connection, Statements() as statements:
        ask(connection, workspace_id, connection_id)
        ((statement, parameters),) = statements.seen
        nodes = plan_nodes(connection, statement, dict(parameters))
    assert not [node["Node Type"] for node in nodes if node["Node Type"] == "Nested Loop"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in nodes) < 10 * 2 * MANY < ALL_PAIRS


def test_what_was_written_a_moment_ago_is_not_read_where_nothing_was_read(loaded: tuple[Database, UUID, UUID]) -> None:
    database, workspace_id, connection_id = loaded
    with database.workspace(workspace_id) as connection, Statements() as statements:
        assert changes.recent_remote_writes(connection, connection_id, 60.0, []) == []
    assert not statements.seen


def test_a_link_that_says_so_already_is_not_written(loaded: tuple[Database, UUID, UUID]) -> None:
    database, workspace_id, connection_id = loaded
    contact_id = str(uuid4())
    write = links.LinkWrite(contact_id=contact_id, external_id="recX", agreed={"name": "Ann"}, contact_version=3)
    with database.workspace(workspace_id) as connection:
        links.upsert_links(connection, connection_id, workspace_id, [write])
    with database.admin() as connection:
        before = row_versions(connection, "integration_links")
    with database.workspace(workspace_id) as connection:
        links.upsert_links(connection, connection_id, workspace_id, [write])
    with database.admin() as connection:
        assert row_versions(connection, "integration_links") == before


# Whole runs


@pytest.fixture
def world(sandbox: SandboxServer, database: Database) -> Iterator[World]:
    with open_world(sandbox, database) as world:
        yield world


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


TABLES = ("workspace_contacts", "integration_links", "integration_changes", "suppressions")


def written(tenant: Tenant) -> dict[str, list[tuple[object, ...]]]:
    with tenant.world.database.admin() as connection:
        return {table: row_versions(connection, table) for table in TABLES}


@pytest.mark.parametrize("is_full", [True, False], ids=["full", "incremental"])
def test_a_quiet_run_writes_no_row_of_contacts_links_or_journal(world: World, is_full: bool) -> None:
    tenant = world.tenant()
    tenant.add_local(*people(40))
    tenant.add_remote(*people(40, first=100))
    tenant.sync()
    # What was made there is looked at once more by the next full read.
    tenant.sync(is_full=True)
    before = written(tenant)
    tenant.sync(is_full=is_full)
    assert written(tenant) == before


def test_a_full_read_looks_at_no_contact_and_no_base_of_an_unchanged_record(world: World) -> None:
    seen = []
    for slug, count in (("few", 10), ("many", 300)):
        tenant = world.tenant(slug)
        tenant.add_remote(*people(count))
        tenant.sync()
        with Statements() as statements:
            report = tenant.sync(is_full=True)
        assert [result.records_unchanged for result in report.results] == [count, count]
        asked = [statement for statement, _ in statements.seen]
        assert not [each for each in asked if "from workspace_contacts c" in each and "c.updated_at" in each]
        seen.append(len(asked))
    assert seen[0] == seen[1]


def test_a_full_read_calls_little_python_for_an_unchanged_record_and_keeps_little_of_it(world: World) -> None:
    tenant = world.tenant()
    calls, held = [], []
    with tenant.run() as run:
        for count in (500, 2500):
            records = listing(count)
            link_all(tenant, records, fingerprints_of(run, {record.external_id: record for record in records}))
            calls.append(python_calls(lambda records=records: sift(run, pages(records))))  # type: ignore[misc]
            held.append(bytes_held(lambda records=records: sift(run, pages(records))))  # type: ignore[misc]
            tenant.rows("delete from integration_links returning 1")
    assert (calls[1] - calls[0]) / 2000 <= 16
    assert (held[1] - held[0]) / 2000 <= MOST_SEEN


def test_statements_of_a_quiet_run_do_not_grow_with_the_contacts(world: World) -> None:
    counts = []
    for slug, count in (("few", 10), ("many", 300)):
        tenant = world.tenant(slug)
        tenant.add_local(*people(count))
        tenant.sync()
        with Statements() as statements:
            tenant.sync()
        counts.append(len(statements.seen))
        asked = [statement for statement, _ in statements.seen]
        assert not [each for each in asked if "24 hours" in each], "the limits of a day are nobody's question then"
    # After a run that wrote there may be a cursor to move on, or none, whatever the number.
    assert counts[1] <= counts[0] + 1


def test_an_update_of_many_contacts_compares_no_more_than_a_batch_with_itself(database: Database) -> None:
    """Without statistics Postgres may compare each row given with each contact named."""
    count = 2 * contacts.AT_ONCE + 1
    with database.admin() as connection:
        workspace_id = workspaces.add_workspace(connection, "acme").id
    new = [contacts.ContactWrite(contact_id=str(uuid4()), fields={"email": f"p{n}@example.org"}) for n in range(count)]
    writes = [contacts.ContactWrite(contact_id=each.contact_id, fields={"company": "Acme"}) for each in new]
    with database.workspace(workspace_id) as connection:
        contacts.insert_contacts(connection, workspace_id, new)
        with Statements() as statements:
            assert len(contacts.update_contacts(connection, writes)) == count
    updates = [bound for statement, bound in statements.seen if "update workspace_contacts c set" in statement]
    assert [len(bound["ids"]) for bound in updates] == [contacts.AT_ONCE, contacts.AT_ONCE, 1]


def test_the_states_of_a_few_changes_are_written_without_reading_the_others(database: Database) -> None:
    """Whatever Postgres knows of the journal: it is filled and updated by one run, before anything was counted."""
    with database.admin() as connection:
        tenant = add_tenant(connection, "mine")
    scope = changes.JournalScope(connection_id=tenant.connection_id, workspace_id=tenant.workspace_id)
    planned = [
        Change(side=Side.REMOTE, kind=ChangeKind.CREATE, contact_id=str(uuid4()), external_id=None, after={"name": "A"})
        for _ in range(10_000)
    ]
    ends = [changes.StateChange(change_id=each.id, state=ChangeState.INTENDED) for each in planned[:10]]
    with database.workspace(tenant.workspace_id) as connection:
        changes.record_changes(connection, scope, planned, ChangeState.PLANNED)
        with Statements() as statements:
            changes.record_states(connection, ends)
        ((statement, bound),) = statements.seen
        nodes = plan_nodes(connection, statement, bound)
    read = [node for node in nodes if node["Node Type"] in ("Seq Scan", "Index Scan", "Bitmap Heap Scan")]
    assert read
    assert max(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in read) <= 100
