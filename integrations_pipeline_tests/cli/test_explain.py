"""`integrations explain`: why a contact says what it says, told after real runs against the sandbox."""

import json
import re
from uuid import UUID

import pytest

from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY

ACME = ("-w", "acme")
ANN = "ann@example.org"
SYNC = ("sync", *ACME, "-p", "airtable", "--json")


class Book:
    """A workspace with Ann and three others, synced with a table of Airtable's."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.workspace_id: UUID = environment.add_workspace("acme", people=3)
        self.base_id, self.table_id = environment.connect(self.workspace_id)
        self.airtable = environment.sandbox.airtable

    def record_of(self, email: str) -> str:
        found = self.airtable.records(self.base_id, self.table_id)
        return str(next(record["id"] for record in found if record["fields"].get("Email") == email))

    def edit_there(self, email: str, **fields: object) -> None:
        self.airtable.update_record(self.base_id, self.table_id, self.record_of(email), **fields)

    def sync(self) -> str:
        ran = run(*SYNC)
        assert ran.code in (0, 1), ran.err
        return str(ran.json["run_id"])[:8]

    def connection_id(self) -> str:
        return str(self.environment.rows("select id from integration_connections")[0][0])

    def contact_id(self, email: str) -> str:
        return str(self.environment.rows(f"select id from workspace_contacts where email = '{email}'")[0][0])

    def wait(self, kind: str, **columns: object) -> None:
        """A row of the agenda, as a run leaves it."""
        values = {"workspace_id": self.workspace_id, "connection_id": self.connection_id(), "kind": kind, **columns}
        names = ", ".join(values)
        given = ", ".join("'" + str(value).replace("'", "''") + "'" for value in values.values())
        self.environment.rows(f"insert into integration_agenda ({names}) values ({given}) returning id")


@pytest.fixture
def book(environment: Environment) -> Book:
    found = Book(environment)
    found.airtable.create_records(found.base_id, found.table_id, [{"Name": "Ann", "Email": ANN}])
    found.sync()
    return found


def told(*arguments: str) -> str:
    """What the command says; what a slow machine did minutes ago was just now, too."""
    ran = run("explain", *arguments, *ACME)
    assert ran.code == 0, ran.err
    return re.sub(r"\d+ (s|min) ago", "just now", ran.out)


def line(text: str, beginning: str) -> str:
    return next(each.strip() for each in text.splitlines() if each.strip().startswith(beginning))


def test_each_field_tells_its_value_on_both_sides_and_who_wrote_it_when(book: Book) -> None:
    book.edit_there(ANN, Name="Ann Lee")
    run_id = book.sync()
    run("contacts", "update", ANN, *ACME, "--set", "job_title=Editor", "--set", "company=Nordlys")
    sent_by = book.sync()
    run("contacts", "update", ANN, *ACME, "--set", "company=Sydlys")
    text = told(ANN)

    assert text.startswith(f"Ann Lee, {ANN}: contact {book.contact_id(ANN)[:8]} of acme, made ")
    assert line(text, "name:") == (
        f"name: Ann Lee here and in Airtable; came from Airtable just now by run {run_id}, before: Ann"
    )
    assert line(text, "job_title:") == (
        "job_title: Editor here and in Airtable; written here, at the latest just now; "
        f"sent to Airtable just now by run {sent_by}"
    )
    assert line(text, "company:") == (
        f"company: Sydlys here, Nordlys in Airtable (sent just now by run {sent_by}); "
        "edited here, at the latest just now, before: Nordlys; Airtable: waits for the next sync"
    )
    assert line(text, "email_opt_out:") == "email_opt_out: not opted out here only"
    assert line(text, "empty:") == "empty: phone, tags"
    assert f"record {book.record_of(ANN)}, linked just now; made here from it by run" in text


def test_the_document_has_everything_as_values_with_whole_ids(book: Book) -> None:
    run("contacts", "update", ANN, *ACME, "--set", "tags=a|b")
    run_id = run(*SYNC).json["run_id"]
    document = run("explain", ANN, *ACME, "--json").json

    (found,) = document["contacts"]
    assert (document["workspace"], found["contact_id"], found["status"]) == ("acme", book.contact_id(ANN), "live")
    tags = found["fields"]["tags"]
    assert (tags["local"], tags["sides"][0]["value"], tags["sides"][0]["sent_by"]) == (["a", "b"], ["a", "b"], run_id)
    assert [(each["from"], each["value"]) for each in tags["written"]] == [("here", ["a", "b"])]
    assert [each["from"] for each in found["fields"]["name"]["written"]] == ["airtable"]
    assert found["fields"]["email_opt_out"]["local"] is False
    assert found["connections"][0]["external_id"] == book.record_of(ANN)
    assert [each["kind"] for each in found["changes"]] == ["update", "create"]
    assert found["changes"][0]["after"] == {"tags": ["a", "b"]}


def test_a_list_of_changes_that_is_cut_says_so(book: Book) -> None:
    for number in range(3):
        run("contacts", "update", ANN, *ACME, "--set", f"phone={number}")
        book.sync()
    ran = run("explain", ANN, *ACME, "--limit", "2", "--json")
    assert len(ran.json["contacts"][0]["changes"]) == 2
    assert ran.err == "only the first 2 are shown: --limit shows more\n"


def test_somebody_is_found_by_id_by_its_beginning_and_by_a_former_address(book: Book) -> None:
    contact_id = book.contact_id(ANN)
    book.edit_there(ANN, Email="lee@example.org")
    book.sync()
    for who in (contact_id, contact_id[:8].upper(), "LEE@example.org ", ANN):
        assert run("explain", who, *ACME, "--json").json["contacts"][0]["contact_id"] == contact_id
    assert "before: ann@example.org" in told(ANN)


def test_several_who_had_an_address_over_time_are_all_told_the_living_first(book: Book) -> None:
    first = book.contact_id(ANN)
    run("contacts", "delete", ANN, *ACME)
    assert f"contact {first[:8]} of acme, made just now, deleted just now" in told(ANN)
    book.environment.rows(
        "insert into workspace_contacts (workspace_id, email, name) "
        f"values ('{book.workspace_id}', 'ANN@example.org', 'Another Ann') returning id"
    )
    found = run("explain", ANN, *ACME, "--json").json["contacts"]
    assert [each["status"] for each in found] == ["live", "deleted"]
    assert found[1]["contact_id"] == first


def test_an_address_that_was_everybodys_is_cut_with_a_word(book: Book) -> None:
    book.environment.rows(
        "insert into workspace_contacts (workspace_id, email, deleted_at) "
        f"select '{book.workspace_id}', '{ANN}', now() from generate_series(1, 25) returning id"
    )
    ran = run("explain", ANN, *ACME, "--json")
    assert [each["status"] for each in ran.json["contacts"]] == ["live", *["deleted"] * 19]
    assert ran.err == "only the first 20 are shown: the id of one of the others shows it alone\n"


def test_of_a_contact_whose_row_is_gone_the_journal_tells(book: Book) -> None:
    contact_id = book.contact_id(ANN)
    book.environment.rows(f"delete from workspace_contacts where id = '{contact_id}' returning id")
    for who in (ANN, contact_id, contact_id[:6]):
        assert "its row is gone, this is what the journal has" in told(who)
    assert "name: gone here, Ann in Airtable" in told(ANN)
    assert "Airtable: record rec" in told(ANN)


@pytest.mark.parametrize(
    ("who", "says"),
    [
        pytest.param("nobody@example.org", "nobody in workspace acme", id="address"),
        pytest.param("", "is no id", id="nothing"),
        pytest.param("deadbeef", "no id begins with", id="beginning of an id"),
        pytest.param("00000000-0000-0000-0000-000000000000", "nobody in workspace acme", id="id"),
        pytest.param("Ann", "is no id", id="name"),
    ],
)
def test_an_unknown_one_gets_one_line_that_repeats_no_address(book: Book, who: str, says: str) -> None:
    ran = run("explain", *ACME, "--", who)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1
    assert "@" not in ran.err


def test_nothing_of_another_workspace_is_told(book: Book) -> None:
    other = book.environment.add_workspace("beta")
    book.environment.rows(
        "insert into suppressions (workspace_id, identity_key, reason, source) "
        f"values ('{other}', '{ANN}', 'complained', 'elsewhere') returning identity_key"
    )
    assert "complained" not in told(ANN)
    beta = run("explain", ANN, "-w", "beta", "--json").json
    assert (beta["contacts"], [row["reason"] for row in beta["suppressions"]]) == ([], ["complained"])
    for who in (book.contact_id(ANN), book.contact_id(ANN)[:8], "person0@acme.org"):
        assert run("explain", who, "-w", "beta").code == 2


VALUES = json.dumps({"before": {"phone": "1"}, "after": {"phone": ""}})
CONFLICT = json.dumps({"base": "Ann", "local": "Ann Lee", "remote": "A. Lee"})


@pytest.mark.parametrize(
    ("kind", "columns", "says"),
    [
        pytest.param(
            "held_delete", {"side": "remote", "change": "delete"}, "a delete is held in Airtable", id="delete"
        ),
        pytest.param(
            "held_clear",
            {"side": "local", "fields": VALUES, "reason": "12 of 40 would lose it"},
            "an emptied value is held here, since just now; phone: 1 → (empty); 12 of 40 would lose it",
            id="clear",
        ),
        pytest.param("held_email", {}, "a changed e-mail is held", id="e-mail"),
        pytest.param("held_create", {}, "a new record is held", id="create"),
        pytest.param("ambiguous", {"reason": "duplicate e-mail"}, "not certain who it is", id="ambiguous"),
        pytest.param("skipped", {"reason": "every mapped field is empty"}, "left out", id="skipped"),
        pytest.param(
            "failed", {"reason": "no answer"}, "failed, and is tried again, since just now; no answer", id="failed"
        ),
        pytest.param("refused", {"reason": "too long"}, "refused, and tried again when it changes", id="refused"),
        pytest.param("retry", {"reason": "settling"}, "is being edited, and left alone until that ends", id="settling"),
        pytest.param(
            "conflict",
            {"field": "name", "fields": CONFLICT},
            "name: both sides changed it, a person decides, since just now; Ann Lee here, A. Lee there, Ann before",
            id="conflict",
        ),
        pytest.param(
            "held_delete",
            {"decision": "approved", "decided_by": "mia", "decided_at": "now()"},
            "approved by mia just now, the next run carries it out",
            id="decided",
        ),
    ],
)
def test_what_waits_for_somebody_is_told_with_its_reason(
    book: Book, kind: str, columns: dict[str, object], says: str
) -> None:
    book.wait(kind, contact_id=book.contact_id(ANN), **columns)
    text = told(ANN)
    assert says in text
    assert says not in told("person0@acme.org")
    (row,) = run("explain", ANN, *ACME, "--json").json["contacts"][0]["waiting"]
    assert (row["kind"], row["reason"]) == (kind, columns.get("reason"))
    assert f"\n  {row['id'][:8]} Airtable: " in text


def test_what_waits_for_a_linked_record_and_for_everybody_is_told_too(book: Book) -> None:
    book.wait("retry", external_id=book.record_of(ANN))
    book.wait("stopped_field", field="company", reason="its column is gone")
    text = told(ANN)
    assert "is read again by the next run" in text
    assert "company is stopped: its column is gone" in text
    assert "company is stopped" in told("person0@acme.org")
    assert run("explain", "nobody@example.org", *ACME).code == 2


def test_a_record_that_is_nobodys_is_told_with_the_reason(book: Book) -> None:
    book.airtable.create_records(book.base_id, book.table_id, [{"Email": "twin@example.org", "Name": "Twin"}] * 2)
    book.sync()
    text = told("TWIN@example.org")
    assert text.count("has this e-mail and is no contact here") == 2
    assert "duplicate e-mail: several records at the provider share it" in text

    first = run("explain", "twin@example.org", *ACME, "--json").json["records"][0]["external_id"]
    values = json.dumps({"after": {"email": "twin@example.org"}})
    book.wait("ambiguous", external_id=first, fields=values, reason="two of them")
    assert {row["reason"][:9] for row in run("explain", "twin@example.org", *ACME, "--json").json["records"]} == {
        "two of th", "duplicate",
    }  # fmt: skip


def connect_mailchimp(book: Book) -> None:
    new = NewConnection(
        integration_type="mailchimp",
        credentials={"api_key": DEFAULT_MAILCHIMP_KEY},
        settings={"list_id": book.environment.sandbox.mailchimp.create_list("Friends").id},
    )
    runtime = book.environment.wiring.runtime
    with runtime.database.workspace(book.workspace_id) as connection:
        connections.save_connection(connection, book.workspace_id, new, runtime.cipher)


def test_what_came_from_one_provider_and_went_on_to_another_is_told_as_that(book: Book) -> None:
    connect_mailchimp(book)
    sent_by = run("sync", *ACME, "-p", "mailchimp", "--json").json["run_id"][:8]
    text = told(ANN)
    assert line(text, "name:").startswith(
        "name: Ann here and in Airtable and Mailchimp; came from Airtable just now by"
    )
    assert line(text, "name:").endswith(f"; sent to Mailchimp just now by run {sent_by}")
    assert f"made there by run {sent_by}" in line(text, "Mailchimp:")
    assert line(text, "email_opt_out:").startswith("email_opt_out: not opted out here and in Mailchimp")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param("", "nothing was synced yet", id="never synced"),
        pytest.param("last_sync_at = now()", "waits for the next sync", id="not tried yet"),
        pytest.param(
            "status = 'error', error_message = 'no such list'", "the connection is in error: no such list", id="error"
        ),
        pytest.param("sync_enabled = false", "the connection is switched off", id="off"),
        pytest.param("integration_type = 'gmail'", "contacts are only ever taken from there", id="mailbox"),
    ],
)
def test_why_somebody_is_not_somewhere_is_told(book: Book, change: str, says: str) -> None:
    connect_mailchimp(book)
    if change:
        book.environment.rows(
            f"update integration_connections set {change} where integration_type = 'mailchimp' returning id"
        )
    assert f": nobody there; {says}\n" in told(ANN)


def test_a_provider_that_lacks_what_it_needs_is_told_with_the_runs_word(book: Book) -> None:
    connect_mailchimp(book)
    run("contacts", "update", "person0@acme.org", *ACME, "--set", "email=")
    contact_id = str(book.environment.rows("select id from workspace_contacts where name = 'Person 0'")[0][0])
    run("sync", *ACME, "-p", "mailchimp")
    text = told(contact_id)
    assert "Mailchimp: nobody there" in text
    assert "email is empty, and the other side keeps nobody without it" in text


def test_a_conflict_is_told_with_both_values_and_who_won(book: Book) -> None:
    book.edit_there(ANN, Name="A. Lee")
    run("contacts", "update", ANN, *ACME, "--set", "name=Ann Lee")
    run_id = book.sync()
    assert line(told(ANN), "name with") == (
        "name with Airtable: Ann Lee here, A. Lee there, Ann before; the value from here was kept just now "
        f"by run {run_id} (local_wins)"
    )
    (found,) = run("explain", ANN, *ACME, "--json").json["contacts"][0]["conflicts"]
    assert (found["field"], found["winner"], found["is_open"]) == ("name", "local", False)


def test_consent_is_told_over_time_with_suppressions_and_what_operators_did(book: Book) -> None:
    run("contacts", "update", ANN, *ACME, "--set", "email_opt_out=yes")
    run("suppressions", "add", ANN, *ACME, "--reason", "complained")
    text = told(ANN)
    assert "opted out; written here, at the latest just now" in text
    assert f"{ANN}: suppressed (complained) just now, told by operator" in text

    run("suppressions", "remove", ANN, *ACME, "--because", "she wrote to us")
    text = told(ANN)
    assert "removed by an operator just now, on record for a…n@example.org: she wrote to us" in text
    assert "suppressed (" not in text


def test_an_address_that_only_is_suppressed_or_mailed_is_known(book: Book) -> None:
    run("suppressions", "add", "gone@example.org", *ACME)
    assert "gone@example.org: suppressed (manual)" in told("gone@example.org")


def test_e_mails_and_their_answers_are_told(book: Book) -> None:
    connection_id = book.connection_id()
    rows = book.environment.rows(
        "insert into pitches (workspace_id, to_email, subject, body, status, sent_at, replied_at) values "
        f"('{book.workspace_id}', 'Ann@example.org', 'Hello', 'x', 'replied', now() - interval '2 days', now()), "
        f"('{book.workspace_id}', 'other@example.org', 'Not hers', 'x', 'sent', now(), null) returning id"
    )
    book.environment.rows(
        "insert into pitch_replies (workspace_id, pitch_id, connection_id, gmail_message_id, received_at, kind) values "
        f"('{book.workspace_id}', '{rows[0][0]}', '{connection_id}', 'm1', now() - interval '3 hours', 'reply') "
        "returning id"
    )
    text = told(ANN)
    assert f"{str(rows[0][0])[:8]} “Hello” to Ann@example.org: replied 2 d ago; answered 3 h ago" in text
    assert "Not hers" not in text
    pitch = run("explain", ANN, *ACME, "--json").json["pitches"][0]
    assert (pitch["status"], pitch["replies"][0]["kind"]) == ("replied", "reply")


def test_80_columns_suffice_and_no_word_of_a_contact_moves_a_cursor(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations_pipeline.cli.output.stdout._width", 80)
    run("contacts", "update", ANN, *ACME, "--set", "name=\x1b[2J" + "long " * 60)
    book.wait("refused", contact_id=book.contact_id(ANN), reason="a reason that is longer than a line " * 3)
    text = run("explain", ANN, *ACME).out
    assert max(map(len, text.splitlines()[1:])) <= 80
    assert "\x1b" not in text
    assert "\n    " in text


def test_a_wiped_journal_and_an_empty_agenda_leave_what_is_there(book: Book) -> None:
    book.environment.rows("delete from integration_changes returning id")
    text = told(ANN)
    assert "name: Ann here and in Airtable; written here just now" in text
    assert "Waits" not in text


def test_asking_writes_nothing(book: Book) -> None:
    def state() -> Ran:
        return run("contacts", "export", *ACME, "--json")

    counted = "select count(*) from integration_activity union all select count(*) from integration_changes"
    before, rows = state().out, book.environment.rows(counted)
    told(ANN)
    assert (state().out, book.environment.rows(counted)) == (before, rows)
