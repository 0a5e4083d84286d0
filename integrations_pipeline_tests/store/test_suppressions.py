"""Suppressions outlive the contact: what they do to inserts, updates and reads, and what lifts them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import Engine

from integrations_pipeline.model import CONSENT_IN_AT
from integrations_pipeline.store import contacts, suppressions, workspaces
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.suppressions import KEEPING_OUT, Reason, masked
from integrations_pipeline_tests.store.rows import execute, query

NAMES = ("email", "name", "email_opt_out")
#: Contacts of the tests of plans: enough that one pass per contact would stand out.
MANY = 20_000


@pytest.fixture
def workspace_id(database: Database) -> UUID:
    with database.admin() as connection:
        return workspaces.add_workspace(connection, "acme").id


@pytest.fixture
def connection(database: Database, workspace_id: UUID) -> Iterator[Connection]:
    """One transaction: `now()` stands still in it."""
    with database.workspace(workspace_id) as connection:
        yield connection


def insert(connection: Connection, workspace_id: UUID, **fields: str) -> tuple[str, int]:
    """A contact's id, and the version that it is returned with."""
    key = str(uuid4())
    ((_, version),) = contacts.insert_contacts(
        connection, workspace_id, [ContactWrite(contact_id=key, fields=fields)]
    ).items()
    return key, version


def suppress(connection: Connection, workspace_id: UUID, email: str, *reasons: Reason, age: timedelta) -> None:
    for reason in reasons:
        execute(
            connection,
            "insert into suppressions (workspace_id, identity_key, reason, created_at) values (:w, :key, :reason, :at)",
            w=workspace_id,
            key=email,
            reason=reason.value,
            at=datetime.now(UTC) - age,
        )


def reads(connection: Connection, workspace_id: UUID, contact_id: str) -> tuple[bool, Any]:
    """What the sync reads: whether the contact is opted out, and since when."""
    frame = contacts.read_contacts(connection, workspace_id, NAMES, ids=[contact_id])
    (row,) = frame.to_dict("records")
    return row["email_opt_out"] == "true", row["opted_out_at"]


def flag(connection: Connection, contact_id: str) -> bool:
    return bool(query(connection, "select email_opt_out from workspace_contacts where id = :id", id=contact_id)[0][0])


def standing(connection: Connection) -> set[tuple[str, str]]:
    return {tuple(row) for row in query(connection, "select identity_key, reason from suppressions")}


def opted_in(age: timedelta) -> str:
    return f"{CONSENT_IN_AT}{(datetime.now(UTC) - age).isoformat()}"


def test_an_opt_out_is_not_forgotten_with_the_row(connection: Connection, workspace_id: UUID) -> None:
    key, _ = insert(connection, workspace_id, email="Ann@Example.org", email_opt_out="true")
    contacts.delete_contacts(connection, [ContactWrite(contact_id=key, fields={})])
    again, _ = insert(connection, workspace_id, email="ann@example.org ", name="Ann")
    assert flag(connection, again)


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize(
    "said", [{}, {"email_opt_out": ""}, {"email_opt_out": "false"}], ids=["nothing", "empty", "no"]
)
def test_a_new_contact_is_opted_out_by_what_keeps_a_person_out(
    connection: Connection, workspace_id: UUID, reason: Reason, said: dict[str, str]
) -> None:
    suppress(connection, workspace_id, "ann@example.org", reason, age=timedelta(days=3))
    key, _ = insert(connection, workspace_id, email="Ann@example.org", **said)
    is_out, since = reads(connection, workspace_id, key)
    assert flag(connection, key) is is_out is (reason in KEEPING_OUT)
    assert (since is not None and datetime.now(UTC) - since > timedelta(days=2)) is is_out


def test_a_contact_that_is_kept_out_counts_as_edited_so_that_the_provider_is_told(
    connection: Connection, workspace_id: UUID
) -> None:
    suppress(connection, workspace_id, "ann@example.org", Reason.MANUAL, age=timedelta(days=3))
    key, version = insert(connection, workspace_id, email="ann@example.org", email_opt_out="")
    _, usual = insert(connection, workspace_id, email="bo@example.org", email_opt_out="true")
    held = contacts.read_versions(connection, [key])[key]
    assert (version, usual) == (held - 1, held)


def test_a_persons_own_later_opt_in_lifts_an_opt_out(connection: Connection, workspace_id: UUID) -> None:
    suppress(connection, workspace_id, "ann@example.org", Reason.OPTED_OUT, age=timedelta(days=3))
    key, _ = insert(connection, workspace_id, email="ann@example.org", email_opt_out=opted_in(timedelta(days=2)))
    assert not flag(connection, key)
    assert not reads(connection, workspace_id, key)[0]
    assert standing(connection) == set()


@pytest.mark.parametrize(
    ("reason", "age"),
    [
        pytest.param(Reason.OPTED_OUT, timedelta(days=4), id="older opt-in"),
        pytest.param(Reason.COMPLAINED, timedelta(days=2), id="complaint"),
        pytest.param(Reason.MANUAL, timedelta(days=2), id="operator"),
    ],
)
def test_an_opt_in_lifts_nothing_else(
    connection: Connection, workspace_id: UUID, reason: Reason, age: timedelta
) -> None:
    suppress(connection, workspace_id, "ann@example.org", reason, age=timedelta(days=3))
    key, _ = insert(connection, workspace_id, email="ann@example.org", email_opt_out=opted_in(age))
    assert flag(connection, key)
    assert ("ann@example.org", reason.value) in standing(connection)


def test_lifting_by_opt_in_looks_at_each_persons_time(connection: Connection, workspace_id: UUID) -> None:
    for name in ("ann", "bo", "cy"):
        suppress(connection, workspace_id, f"{name}@example.org", Reason.OPTED_OUT, age=timedelta(days=3))
    suppress(connection, workspace_id, "ann@example.org", Reason.BOUNCED, Reason.MANUAL, age=timedelta(days=3))
    now = datetime.now(UTC)
    times = {"Ann@example.org": now, "bo@example.org": now - timedelta(days=4), "nobody@example.org": now}
    assert suppressions.lift_by_opt_in(connection, workspace_id, times) == 1
    assert standing(connection) == {
        ("ann@example.org", "bounced"),
        ("ann@example.org", "manual"),
        ("bo@example.org", "opted_out"),
        ("cy@example.org", "opted_out"),
    }


def test_an_update_without_a_guard_takes_no_opt_out_back(connection: Connection, workspace_id: UUID) -> None:
    key, _ = insert(connection, workspace_id, email="ann@example.org", email_opt_out="true")
    contacts.update_contacts(connection, [ContactWrite(contact_id=key, fields={"email_opt_out": "", "name": "Ann"})])
    assert flag(connection, key)
    assert query(connection, "select name from workspace_contacts")[0][0] == "Ann"


def test_an_update_that_brings_another_address_along_takes_no_opt_out_back(
    connection: Connection, workspace_id: UUID
) -> None:
    key, _ = insert(connection, workspace_id, email="ann@example.org", email_opt_out="true")
    fields = {"email": "ann@example.com", "email_opt_out": "false"}
    contacts.update_contacts(connection, [ContactWrite(contact_id=key, fields=fields)])
    assert flag(connection, key)


def test_a_contact_that_gets_a_suppressed_address_is_opted_out(connection: Connection, workspace_id: UUID) -> None:
    suppress(connection, workspace_id, "ann@example.com", Reason.COMPLAINED, age=timedelta(days=3))
    key, _ = insert(connection, workspace_id, email="ann@example.org")
    contacts.update_contacts(connection, [ContactWrite(contact_id=key, fields={"email": "Ann@example.com"})])
    assert flag(connection, key)


@pytest.mark.parametrize("said", ["", "in@"], ids=["the merge said so", "with its time"])
def test_the_syncs_own_opt_in_turns_the_flag_off_and_lifts(
    connection: Connection, workspace_id: UUID, said: str
) -> None:
    key, version = insert(connection, workspace_id, email="ann@example.org", email_opt_out="true")
    execute(connection, "update suppressions set created_at = now() - interval '1 hour'")
    value = opted_in(timedelta(minutes=5)) if said else ""
    write = ContactWrite(contact_id=key, fields={"email_opt_out": value}, version=version)
    written = contacts.update_contacts(connection, [write])
    assert written == contacts.read_versions(connection, [key])
    assert not flag(connection, key)
    assert standing(connection) == set()


def test_the_syncs_opt_in_does_not_pass_a_complaint_and_counts_as_edited(
    connection: Connection, workspace_id: UUID
) -> None:
    key, version = insert(connection, workspace_id, email="ann@example.org", email_opt_out="true")
    suppress(connection, workspace_id, "ann@example.org", Reason.COMPLAINED, age=timedelta(hours=1))
    write = ContactWrite(contact_id=key, fields={"email_opt_out": ""}, version=version)
    written = contacts.update_contacts(connection, [write])
    assert flag(connection, key)
    assert written[key] == contacts.read_versions(connection, [key])[key] - 1


def test_a_sync_that_lost_the_race_lifts_nothing(connection: Connection, workspace_id: UUID) -> None:
    key, version = insert(connection, workspace_id, email="ann@example.org", email_opt_out="true")
    write = ContactWrite(contact_id=key, fields={"email_opt_out": ""}, version=version - 1)
    assert contacts.update_contacts(connection, [write]) == {}
    assert standing(connection) == {("ann@example.org", "opted_out")}


def test_restoring_a_deleted_contact_takes_no_opt_out_back(connection: Connection, workspace_id: UUID) -> None:
    key, _ = insert(connection, workspace_id, email="ann@example.org", email_opt_out="true")
    contacts.delete_contacts(connection, [ContactWrite(contact_id=key, fields={})])
    restored = [ContactWrite(contact_id=key, fields={"email_opt_out": "", "name": "Ann"})]
    assert set(contacts.restore_contacts(connection, workspace_id, restored)) == {key}
    assert flag(connection, key)


def test_what_is_no_word_for_consent_is_refused_for_that_contact_alone(
    connection: Connection, workspace_id: UUID
) -> None:
    words = ("TRUE ", "no", "on", "y", "unsubscribed", "maybe", "unasked")
    writes = {
        word: ContactWrite(contact_id=str(uuid4()), fields={"email": f"p{i}@example.org", "email_opt_out": word})
        for i, word in enumerate(words)
    }
    made = contacts.insert_contacts(connection, workspace_id, list(writes.values()))
    kept = {word: flag(connection, write.contact_id) for word, write in writes.items() if write.contact_id in made}
    assert kept == {"TRUE ": True, "no": False, "unasked": False}


def test_the_latest_that_is_known_of_an_opt_out_counts(connection: Connection, workspace_id: UUID) -> None:
    """A flag that was off in between must not hide a later suppression from the comparison with an opt-in."""
    key, _ = insert(connection, workspace_id, email="ann@example.org", email_opt_out="true")
    execute(connection, "update workspace_contacts set email_opt_out_at = now() - interval '9 days'")
    execute(connection, "delete from suppressions")
    suppress(connection, workspace_id, "ann@example.org", Reason.MANUAL, age=timedelta(days=1))
    assert datetime.now(UTC) - reads(connection, workspace_id, key)[1] < timedelta(days=2)


def test_recording_marks_live_contacts_and_is_quiet_the_second_time(connection: Connection, workspace_id: UUID) -> None:
    key, version = insert(connection, workspace_id, email="Ann@example.org")
    given = ["ann@example.org", "ANN@example.org ", "bo@example.org", ""]
    assert suppressions.record(connection, workspace_id, given, Reason.COMPLAINED, "gmail") == 2
    assert flag(connection, key)
    assert contacts.read_versions(connection, [key]) == {key: version + 1}
    before = query(connection, "select xmin::text, * from suppressions order by identity_key, reason")
    assert suppressions.record(connection, workspace_id, given, Reason.COMPLAINED, "gmail") == 0
    assert query(connection, "select xmin::text, * from suppressions order by identity_key, reason") == before
    assert contacts.read_versions(connection, [key]) == {key: version + 1}


def test_a_bounce_says_nothing_about_consent(connection: Connection, workspace_id: UUID) -> None:
    key, _ = insert(connection, workspace_id, email="ann@example.org")
    gone, _ = insert(connection, workspace_id, email="bo@example.org")
    contacts.delete_contacts(connection, [ContactWrite(contact_id=gone, fields={})])
    assert suppressions.bounced_contact_ids(connection, workspace_id) == frozenset()
    suppressions.record(connection, workspace_id, ["ann@example.org", "bo@example.org"], Reason.BOUNCED, "gmail")
    assert not reads(connection, workspace_id, key)[0]
    assert suppressions.bounced_contact_ids(connection, workspace_id) == frozenset({key})


def test_nothing_to_record_or_to_lift_costs_no_statement(connection: Connection, workspace_id: UUID) -> None:
    with Statements() as seen:
        suppressions.record(connection, workspace_id, [], Reason.BOUNCED, "gmail")
        suppressions.lift_by_opt_in(connection, workspace_id, {})
        suppressions.lift_of_contacts(connection, {})
    assert seen.texts == []


def test_contacts_are_written_with_as_many_statements_whether_or_not_people_are_suppressed(
    connection: Connection, workspace_id: UUID
) -> None:
    suppress(connection, workspace_id, "p1@example.org", Reason.OPTED_OUT, age=timedelta(days=1))
    people = [ContactWrite(contact_id=str(uuid4()), fields={"email": f"p{i}@example.org"}) for i in range(300)]
    with Statements() as seen:
        contacts.insert_contacts(connection, workspace_id, people)
        contacts.update_contacts(connection, people)
    # Insert, who of those that get an e-mail is opted out, update.
    assert len([each for each in seen.texts if "SAVEPOINT" not in each]) == 3


def test_a_suppression_is_its_workspaces_own(database: Database, workspace_id: UUID) -> None:
    with database.admin() as connection:
        other = workspaces.add_workspace(connection, "other").id
    with database.workspace(other) as connection:
        suppressions.record(connection, other, ["ann@example.org"], Reason.OPTED_OUT, "test")
    with database.workspace(workspace_id) as connection:
        key, _ = insert(connection, workspace_id, email="ann@example.org")
        assert not flag(connection, key)
        assert suppressions.reasons_of(connection, workspace_id, ["ann@example.org"]) == frozenset()


@pytest.mark.parametrize("has_statistics", [False, True])
def test_reading_takes_one_look_into_the_key_per_contact_whatever_the_statistics_say(
    database: Database, workspace_id: UUID, has_statistics: bool
) -> None:
    with database.admin() as connection:
        for table in ("workspace_contacts", "suppressions"):
            execute(connection, f"alter table {table} set (autovacuum_enabled = off)")
        execute(
            connection,
            "insert into workspace_contacts (id, workspace_id, email) select gen_random_uuid(), :w, "
            "'p' || i || '@example.org' from generate_series(1, :n) i",
            w=workspace_id,
            n=MANY,
        )
        execute(
            connection,
            "insert into suppressions (workspace_id, identity_key, reason) select :w, 'p' || i || '@example.org', "
            "'opted_out' from generate_series(1, :n, 5) i",
            w=workspace_id,
            n=MANY,
        )
        if has_statistics:
            execute(connection, "analyze workspace_contacts, suppressions")
    with database.workspace(workspace_id) as connection, Statements() as seen:
        contacts.read_contacts(connection, workspace_id, NAMES)
        (plan,) = query(connection, f"explain (analyze, format json) {seen.texts[0]}", workspace_id=workspace_id)[0]
    scans = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") == "suppressions"]
    assert [(node["Node Type"], node.get("Index Name")) for node in scans] == [("Index Scan", "suppressions_pkey")]
    assert all(node["Actual Loops"] == MANY and node["Actual Rows"] <= 1 for node in scans)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


class Statements:
    """The statements that go to the server in the block, with their parameters in SQLAlchemy's form."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __enter__(self) -> "Statements":
        event.listen(Engine, "before_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, "before_execute", self._note)

    def _note(self, _connection: Any, statement: Any, *_: Any) -> None:
        self.texts.append(str(statement) if not isinstance(statement, str) else statement)


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("ann.smith@example.org", "a…h@example.org"),
        ("Ann@example.org", "A…n@example.org"),
        ("an@example.org", "…@example.org"),
        ("nobody", "…"),
    ],
)
def test_a_masked_address_is_for_its_owners_eyes(email: str, shown: str) -> None:
    assert masked(email) == shown


def test_removing_what_an_operator_decided_clears_the_contact_that_was_marked_for_it(
    database: Database, workspace_id: UUID
) -> None:
    """Each step in a transaction of its own, as commands have them."""
    with database.workspace(workspace_id) as connection:
        key, _ = insert(connection, workspace_id, email="ann@example.org")
    with database.workspace(workspace_id) as connection:
        suppressions.add(connection, workspace_id, "ann@example.org", Reason.MANUAL)
    with database.workspace(workspace_id) as connection:
        listed = suppressions.list_suppressions(connection, workspace_id, None, 10)
    assert [row["reason"] for row in listed.rows] == ["manual"]
    with database.workspace(workspace_id) as connection:
        done = suppressions.remove(connection, workspace_id, "ann@example.org", [Reason.MANUAL], "a mistake")
        assert done.is_opt_out_cleared
        assert not flag(connection, key)
        assert standing(connection) == set()


def test_removing_one_reason_leaves_the_person_out_for_another(connection: Connection, workspace_id: UUID) -> None:
    key, _ = insert(connection, workspace_id, email="ann@example.org", email_opt_out="true")
    suppress(connection, workspace_id, "ann@example.org", Reason.MANUAL, age=timedelta(days=1))
    done = suppressions.remove(connection, workspace_id, "Ann@example.org", [Reason.MANUAL], "a mistake")
    assert done.removed == {Reason.MANUAL}
    assert done.standing == {Reason.OPTED_OUT}
    assert not done.is_opt_out_cleared
    assert flag(connection, key)


def test_removing_a_bounce_says_nothing_of_the_persons_wish(connection: Connection, workspace_id: UUID) -> None:
    key, _ = insert(connection, workspace_id, email="ann@example.org", email_opt_out="true")
    suppress(connection, workspace_id, "ann@example.org", Reason.BOUNCED, age=timedelta(days=1))
    done = suppressions.remove(connection, workspace_id, "ann@example.org", [Reason.BOUNCED], "the mailbox is back")
    assert (done.removed, done.is_opt_out_cleared) == (frozenset({Reason.BOUNCED}), False)
    assert flag(connection, key)


def test_a_removal_is_on_record_without_the_address(connection: Connection, workspace_id: UUID) -> None:
    suppress(connection, workspace_id, "ann@example.org", Reason.OPTED_OUT, age=timedelta(days=1))
    because = "ann@example.org asked (from <ann.other@example.com>) by phone"
    suppressions.remove(connection, workspace_id, "ann@example.org", list(Reason), because)
    (row,) = query(connection, "select action, metadata from integration_activity")
    assert row.action == "suppression_removed"
    assert row.metadata == {
        "address": "a…n@example.org",
        "reasons": ["opted_out"],
        "because": "a…n@example.org asked (from <a…r@example.com>) by phone",
    }


def test_removing_nothing_is_not_on_record(connection: Connection, workspace_id: UUID) -> None:
    assert not suppressions.remove(connection, workspace_id, "ann@example.org", list(Reason), "why").removed
    assert connection.execute(text("select count(*) from integration_activity")).scalar_one() == 0
