"""A week in the life of three workspaces, written into the tables as runs and people leave it there.

Belongs here: rows for whatever shows what was done. Does not: assertions. Each value of a contact holds the word
`secret`, so that a page which told one would be caught.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline_tests.environment import Environment

DAYS = 8
SECRET = "secret"
PROVIDERS = {
    "nordlys": ("airtable", "mailchimp", "gmail"),
    "sydlys": ("airtable", "mailchimp"),
    "vestlys": ("airtable",),
}
GONE = "table Contacts is not there any more: put it back or name another"
#: Why writes failed, the class of the error, how many records; texts of other people's providers may be careless.
REFUSALS = (
    ("column Phone is longer than 100 characters", "PermanentError", 7),
    ("no answer from api.airtable.com within 30 s (request 48213577)", "RetryableError", 3),
    (f"{SECRET}@example.org is not accepted for recAAAAAAAAAAAAAA", "PermanentError", 2),
)
Row = Sequence[Any]


def fill(environment: Environment) -> dict[str, UUID]:
    """Three workspaces by slug, with what their connections did."""
    found = {slug: environment.add_workspace(slug) for slug in PROVIDERS}
    for slug, providers in PROVIDERS.items():
        for provider in providers:
            _connect(environment, found[slug], provider)
    together(environment, _statements(environment))
    return found


def _connect(environment: Environment, workspace_id: UUID, provider: str) -> None:
    new = NewConnection(integration_type=provider, credentials={"api_key": "x"}, settings={})
    runtime = environment.wiring.runtime
    with runtime.database.workspace(workspace_id) as connection:
        connections.save_connection(connection, workspace_id, new, runtime.cipher)


def insert(table: str, *, at: dict[str, str], **columns: object) -> str:
    """One row; `at`: columns of times as how long ago they are, as Postgres reads it."""
    values = {name: "'" + str(value).replace("'", "''") + "'" for name, value in columns.items() if value is not None}
    values |= {name: f"now() - interval '{ago}'" for name, ago in at.items()}
    return f"insert into {table} ({', '.join(values)}) values ({', '.join(values.values())}) returning workspace_id"


def together(environment: Environment, statements: Iterable[str]) -> None:
    """All in one transaction, so that all mean the same moment by now."""
    environment.rows("; ".join(statements))


def _statements(environment: Environment) -> Iterator[str]:
    found = environment.rows(
        "select c.id, c.workspace_id, c.integration_type, w.slug from integration_connections c "
        "join workspaces w on w.id = c.workspace_id order by w.slug, c.integration_type"
    )
    rows = {(str(row[3]), str(row[2])): row for row in found}
    yield (
        "update integration_connections set created_at = now() - interval '30 days', last_sync_at = now() - interval "
        "'4 minutes', last_full_at = now() - interval '9 hours', next_sync_at = now() + interval '11 minutes' "
        "returning id"
    )
    yield (
        f"update integration_connections set status = 'error', error_count = 3, error_message = '{GONE}' "
        f"where id = '{rows['vestlys', 'airtable'][0]}' returning id"
    )
    for place, row in enumerate(found):
        yield from _runs(row, place)
    airtable = rows["nordlys", "airtable"]
    yield from _failures(airtable)
    yield from _writes(airtable)
    yield from _agenda([airtable, rows["nordlys", "mailchimp"]])
    yield from _decisions(airtable)
    yield from _mails(rows["nordlys", "gmail"])


def _runs(row: Row, place: int) -> Iterator[str]:
    for day in range(DAYS):
        for direction, offset in (("to_external", 11), ("from_external", 29)):
            wave = (day * 37 + place * 53 + offset) % 60
            failed = 3 if (day + place) % 3 == 0 else 0
            has_failed = row[3] == "vestlys" and day < 2
            yield insert(
                "integration_sync_logs",
                at={"started_at": f"{day} days 3 hours", "completed_at": f"{day} days 2 hours 59 minutes"},
                connection_id=row[0],
                workspace_id=row[1],
                direction=direction,
                run_id=run_id(place, day),
                status="failed" if has_failed else "partial" if failed else "success",
                errors=json.dumps([GONE] if has_failed else []),
                records_created=wave // 3,
                records_updated=wave,
                records_deleted=wave // 9,
                records_failed=failed,
                api_calls=wave + 2,
            )


def run_id(place: int, day: int) -> UUID:
    return UUID(int=place * 1000 + day + 1)


def _failures(row: Row) -> Iterator[str]:
    for reason, error_class, times in REFUSALS:
        for number in range(times):
            values = json.dumps({"name": f"{SECRET} {number}"})
            yield _change(row, "failed", "remote", 1, after=values, reason=reason, error_class=error_class)


def _writes(row: Row) -> Iterator[str]:
    """Edits of which the contact still tells the time, others, and conflicts."""
    for number in range(24):
        contact_id = uuid4()
        yield insert(
            "workspace_contacts",
            at={"updated_at": f"1 day {1 + number * number} minutes"},
            id=contact_id,
            workspace_id=row[1],
            email=f"{SECRET}{number}@example.org",
            name=f"{SECRET} {number}",
        )
        yield _change(
            row, "applied", "remote", 1, contact_id=contact_id, after=json.dumps({"name": f"{SECRET} {number}"})
        )
    for number in range(9):
        yield _change(row, "applied", "local", 1, after=json.dumps({"company": f"{SECRET} {number}"}))
    both = {"base": SECRET, "local": SECRET, "remote": SECRET}
    for name, winner, times in (("company", "local", 4), ("phone", "remote", 2)):
        conflict = {"policy": f"{winner}_wins", "winner": winner, "fields": {name: both}}
        for _ in range(times):
            yield _change(row, "applied", "remote", 2, conflict=json.dumps(conflict))


def _change(row: Row, state: str, side: str, day: int, **more: object) -> str:
    columns: dict[str, object] = {"run_id": run_id(0, day), "contact_id": uuid4(), "kind": "update", **more}
    return insert(
        "integration_changes",
        at={"created_at": f"{day} days", "updated_at": f"{day - 1} days 23 hours 59 minutes 20 seconds"},
        connection_id=row[0],
        workspace_id=row[1],
        state=state,
        side=side,
        **columns,
    )


def _agenda(rows: Sequence[Row]) -> Iterator[str]:
    waits = (
        ("held_delete", 3, "approved"),
        ("held_delete", 41, None),
        ("conflict", 5, None),
        ("ambiguous", 12, None),
        ("refused", 7, None),
        ("retry", 6, None),
    )
    for kind, count, decision in waits:
        for number in range(count):
            at = {"created_at": f"{number} hours", **({"decided_at": "1 hour"} if decision else {})}
            row = rows[number % 2]
            yield insert(
                "integration_agenda",
                at=at,
                connection_id=row[0],
                workspace_id=row[1],
                kind=kind,
                side="remote",
                fields=json.dumps({"after": {"name": SECRET}}),
                decision=decision,
                decided_by="mia" if decision else None,
            )


def _decisions(row: Row) -> Iterator[str]:
    decided: tuple[tuple[str, dict[str, str], int], ...] = (
        ("holds_approved", {"decided_by": "mia"}, 38),
        ("holds_rejected", {"decided_by": f"{SECRET}@example.org"}, 3),
        ("suppression_removed", {"address": "s…t@example.org", "because": "asked"}, 1),
        ("connection_saved", {}, 0),
    )
    for action, metadata, records in decided:
        yield insert(
            "integration_activity",
            at={"created_at": "2 hours"},
            workspace_id=row[1],
            integration_name="airtable",
            action=action,
            success=True,
            records_affected=records,
            metadata=json.dumps(metadata),
        )


def _mails(row: Row) -> Iterator[str]:
    kinds = ("reply", "reply", "auto_reply", "bounce")
    for number in range(30):
        pitch_id, day = uuid4(), number % DAYS
        kind = kinds[number % 10] if number % 10 < len(kinds) else ""
        yield insert(
            "pitches",
            at={"sent_at": f"{day} days 2 hours"},
            id=pitch_id,
            workspace_id=row[1],
            to_email=f"{SECRET}{number}@example.org",
            subject=SECRET,
            body=SECRET,
            status={"reply": "replied", "bounce": "bounced"}.get(kind, "sent"),
        )
        if kind:
            yield insert(
                "pitch_replies",
                at={"received_at": f"{day} days 1 hour"},
                workspace_id=row[1],
                pitch_id=pitch_id,
                connection_id=row[0],
                gmail_message_id=f"m{number}",
                kind=kind,
                from_email=f"{SECRET}@example.org",
                snippet=SECRET,
            )
