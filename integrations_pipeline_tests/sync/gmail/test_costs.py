"""What mail costs beside many contacts, old pitches, drafts and unknown pitches: counted in statements and requests,
and by the plans that Postgres makes for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from integrations_pipeline_tests.sync.gmail.arrangement import OWN, Agency, PostWorld

ANN = "ann@example.org"
MANY = 4_000
#: Tables that grow with the years.
GROWING = ("workspace_contacts", "pitches", "pitch_emails", "pitch_replies", "suppressions")
Statement = tuple[str, Any]


@contextmanager
def statements(world: PostWorld) -> Iterator[list[Statement]]:
    seen: list[Statement] = []

    def note(_c: Any, _u: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    engine = world.database._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def fill(agency: Agency) -> None:
    """Contacts that no mailbox knows, and pitches that went out long ago, all answered or bounced."""
    made = [
        "insert into workspace_contacts (workspace_id, email, name, updated_at) select :w, "
        "'old' || n || '@example.org', 'Old ' || n, now() - interval '1 year' from generate_series(1, :n) n",
        "insert into pitches (workspace_id, to_email, subject, body, status, sent_at) select :w, "
        "'old' || n || '@example.org', 'Old', 'Old ' || n, 'sent', now() - interval '1 year' "
        "from generate_series(1, :n) n",
        "insert into pitch_emails (pitch_id, connection_id, state, sent_at, gmail_message_id, gmail_thread_id, "
        "rfc822_message_id, updated_at) select p.id, c.id, 'sent', p.sent_at, 'm' || p.id, 't' || p.id, "
        "'<' || p.id || '@x>', p.sent_at "
        "from pitches p, integration_connections c where p.subject = 'Old'",
        "insert into pitch_replies (workspace_id, pitch_id, connection_id, gmail_message_id, received_at, kind) "
        "select p.workspace_id, p.id, c.id, 'r' || p.id, p.sent_at, 'auto_reply' "
        "from pitches p, integration_connections c where p.subject = 'Old'",
        "insert into suppressions (workspace_id, identity_key, reason) select :w, 'out' || n || '@example.org', "
        "'manual' from generate_series(1, :n) n",
    ]
    for statement in made:
        bound = {"w": agency.workspace_id, "n": MANY}
        agency.execute(statement, **{name: value for name, value in bound.items() if f":{name}" in statement})
    with agency.world.database.admin() as connection:
        for table in GROWING:
            connection.execute(text(f"analyze {table}"))


def costly(agency: Agency, seen: list[Statement]) -> list[str]:
    """Statements whose plan looked at so many rows of a growing table that it must have read all of the workspace's."""
    found = []
    ours = {statement: parameters for statement, parameters in seen if "t from pitch" not in statement}
    with agency.world.database.workspace(agency.workspace_id) as connection:
        for statement, parameters in ours.items():
            if statement.split()[0].lower() not in ("select", "update", "insert", "delete", "with"):
                continue
            connection.exec_driver_sql("savepoint before")
            told = connection.exec_driver_sql(f"explain (analyze, format json) {statement}", parameters).scalar_one()
            connection.exec_driver_sql("rollback to before")
            found += [f"{table}: {statement}" for table in looked_through(told[0]["Plan"])]
    return found


def looked_through(node: Any) -> Iterator[str]:
    """The growing tables of which a plan looked at many rows."""
    rows = node["Actual Rows"] + sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
    if node.get("Relation Name") in GROWING and rows * node["Actual Loops"] > MANY / 4:
        yield node["Relation Name"]
    for inner in node.get("Plans", ()):
        yield from looked_through(inner)


@pytest.mark.parametrize("settle_seconds", [0, 300])
def test_no_step_of_a_sending_reads_contacts_or_old_pitches_whole(real_world: PostWorld, settle_seconds: int) -> None:
    agency = real_world.agency(settle_seconds=settle_seconds)
    fill(agency)
    agency.sync()
    agency.execute(
        "insert into pitches (workspace_id, to_email, subject, body, status, updated_at) "
        "values (:w, 'old1@example.org', 'New', 'New', 'queued', now() - interval '1 hour')",
        w=agency.workspace_id,
    )
    with statements(real_world) as seen:
        agency.sync()
    assert agency.statuses() == {"sent": MANY + 1}
    assert len(seen) > 30
    assert costly(agency, seen) == []


def test_an_answer_is_matched_without_reading_old_pitches_whole(real_world: PostWorld) -> None:
    agency = real_world.agency()
    fill(agency)
    pitch_id = agency.pitch(ANN)
    agency.sync()
    real_world.mail.letter(OWN, {"From": ANN, "Subject": "Re: A record for you"}, "Yes")
    real_world.mail.bounce(agency.delivery(pitch_id))
    with statements(real_world) as seen:
        agency.sync()
    assert len(agency.replies()) == MANY + 2
    assert costly(agency, seen) == []


def test_each_pitch_costs_the_same_few_statements_and_requests(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    costs = []
    for count in (2, 6):
        agency.pitch_all(*({"to_email": f"p{count}-{number}@example.org"} for number in range(count)))
        with statements(world) as seen:
            agency.sync()
        costs.append((len(seen), len(agency.calls())))
    (few, few_calls), (more, more_calls) = costs
    assert (more - few) / 4 <= 45, "statements for a pitch, transactions' beginnings too"
    assert (more_calls - few_calls) / 4 == 4, "search, draft, send, read back"


def test_an_idle_run_costs_the_same_beside_contacts_that_the_mailbox_does_not_know(world: PostWorld) -> None:
    agency = world.agency(harvest="all")
    agency.sync()
    agency.sync()
    with statements(world) as alone:
        agency.sync()
    agency.add_local(*({"email": f"person{number}@example.org"} for number in range(200)))
    with statements(world) as beside:
        agency.sync()
    assert len(beside) == len(alone)
    assert not [one for one, _ in beside if "l.contact_version is distinct from" in one], "who changed is not asked"
    agency.assert_idle()


@pytest.mark.parametrize("when", ["before the first run", "between two runs"])
def test_the_owners_drafts_cost_no_request_each(world: PostWorld, when: str) -> None:
    agency = world.agency()
    if when == "between two runs":
        agency.sync()
    for number in range(150):
        world.gmail.mailbox(OWN).create_draft(f"Subject: {number}\r\n\r\nx".encode(), world.clock.now(), None)
    pitch_id = agency.pitch(ANN)
    world.fault("drop_after", path_regex="drafts$", method="POST", times=1)
    agency.sync()
    assert agency.delivered(pitch_id) == 1
    assert len(agency.calls()) <= 16
    assert len(agency.drafts()) == 150


def test_drafts_that_the_owner_threw_away_cost_no_request_each(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    mailbox = world.gmail.mailbox(OWN)
    for number in range(40):
        draft = mailbox.create_draft(f"Subject: {number}\r\n\r\nx".encode(), world.clock.now(), None)
        world.gmail.delete_message(OWN, draft.message.id)
    agency.sync()
    assert len(agency.calls()) == 1


def test_an_unknown_pitch_is_looked_for_ever_more_seldom(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    world.once("/drafts/send", lambda: world.gmail.delete_message(OWN, agency.drafts()[0].id))
    agency.sync()
    assert agency.status(pitch_id) == "unknown"
    asked = 0
    for hours in [1] * 30 + [6] * 30:
        world.clock.advance(timedelta(hours=hours).total_seconds())
        agency.sync()
        asked += len(agency.calls()) > 1
    assert 4 <= asked <= 6
    assert agency.status(pitch_id) == "unknown"
