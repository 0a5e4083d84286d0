"""Pitches and their ledger: who is to be mailed what, and how far each sending has come.

A row of `pitch_emails` is written before Gmail hears of a pitch, and follows it:

    claimed → drafted → sending → sent
       └─────────┴─────────┴────→ unsent (proof that nothing went out) or unknown (a person decides)

Belongs here: statements on `pitches` and `pitch_emails`. Does not: replies (`replies`), deciding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.store.rows import dump

#: What keeps an address from being mailed, asked anew before every step that leads to a send. Opt-outs of
#: deleted contacts count too: the person did not take it back.
_REASON = """
    case
        when exists (select from workspace_contacts o where o.workspace_id = p.workspace_id and o.email_opt_out
            and (o.id = p.contact_id or integrations_identity_key(o.email) = integrations_identity_key(p.to_email)))
            then 'the person opted out'
        when exists (select from workspace_contacts o where o.workspace_id = p.workspace_id
            and o.email_bounced_at is not null
            and integrations_identity_key(o.email) = integrations_identity_key(p.to_email))
            or exists (select from pitches b join pitch_emails e on e.pitch_id = b.id
                where b.workspace_id = p.workspace_id and e.evidence ->> 'bounce' = 'hard'
                and integrations_identity_key(b.to_email) = integrations_identity_key(p.to_email))
            then 'mail to this address bounced'
        else ''
    end
"""
_PITCH = f"""
    p.id, p.to_email, p.subject, p.body, p.in_reply_to_pitch_id, p.status, p.error_message,
    (select c.name from workspace_contacts c where c.id = p.contact_id and c.workspace_id = p.workspace_id) to_name,
    {_REASON} unwilling
"""  # noqa: S608 - built from constants only


@dataclass(frozen=True, slots=True, kw_only=True)
class PitchRow:
    """A pitch that may be sent; `unwilling` is why its person must not be mailed, or ""."""

    id: UUID
    to_email: str = field(repr=False)
    subject: str = field(repr=False)
    body: str = field(repr=False)
    in_reply_to_pitch_id: UUID | None
    status: str
    error_message: str | None
    to_name: str | None = field(repr=False)
    unwilling: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailRow:
    """One sending in the ledger."""

    id: UUID
    pitch_id: UUID
    state: str
    attempt: int
    draft_id: str | None
    gmail_message_id: str | None
    gmail_thread_id: str | None
    rfc822_message_id: str | None


_EMAIL = "id, pitch_id, state, attempt, draft_id, gmail_message_id, gmail_thread_id, rfc822_message_id"


def due_pitches(
    connection: Connection, workspace_id: UUID, now: datetime, settle_seconds: int, limit: int
) -> list[PitchRow]:
    """Queued pitches whose time has come, oldest first; those edited less than the settle time ago, or whose
    contact was, wait."""
    statement = text(
        f"select {_PITCH} from pitches p where p.workspace_id = :workspace_id and p.status = 'queued' "  # noqa: S608
        "and (p.scheduled_at is null or p.scheduled_at <= :now) "
        "and (:settle = 0 or p.updated_at <= clock_timestamp() - make_interval(secs => :settle)) "
        "and (:settle = 0 or not exists (select from workspace_contacts c where c.workspace_id = p.workspace_id "
        "and (c.id = p.contact_id or integrations_identity_key(c.email) = integrations_identity_key(p.to_email)) "
        "and c.updated_at > clock_timestamp() - make_interval(secs => :settle))) "
        "order by coalesce(p.scheduled_at, p.created_at), p.id limit :limit"
    )
    bound = {"workspace_id": workspace_id, "now": now, "settle": settle_seconds, "limit": limit}
    return [PitchRow(**row._mapping) for row in connection.execute(statement, bound)]


def read_pitch(connection: Connection, pitch_id: UUID) -> PitchRow | None:
    """A pitch as it is now."""
    statement = text(f"select {_PITCH} from pitches p where p.id = :id")  # noqa: S608 - constants only
    row = connection.execute(statement, {"id": pitch_id}).one_or_none()
    return PitchRow(**row._mapping) if row else None


def claim(connection: Connection, connection_id: UUID, pitch_id: UUID) -> EmailRow | None:
    """Take a queued pitch: from here on nobody else sends it. None if somebody else did, or it is not queued
    any more."""
    taken = connection.execute(
        text("update pitches set status = 'sending', error_message = null where id = :id and status = 'queued'"),
        {"id": pitch_id},
    )
    if not taken.rowcount:
        return None
    statement = text(
        f"insert into pitch_emails (pitch_id, connection_id, attempt, state) values (:pitch_id, :connection_id, "  # noqa: S608
        "1 + coalesce((select max(attempt) from pitch_emails where pitch_id = :pitch_id), 0), 'claimed') "
        f"returning {_EMAIL}"
    )
    row = connection.execute(statement, {"pitch_id": pitch_id, "connection_id": connection_id}).one()
    return EmailRow(**row._mapping)


def begin_send(connection: Connection, email_id: UUID, pitch_id: UUID) -> str:
    """The last look before the one request that sends: moves the ledger to `sending` and returns "", or the
    reason why nothing must be sent, with nothing moved. The pitch is locked: a cancel waits or comes first."""
    connection.execute(text("select from pitches where id = :id for update"), {"id": pitch_id})
    pitch = read_pitch(connection, pitch_id)
    if pitch is None:
        return "the pitch was deleted"
    if pitch.status != "sending":
        return f"the pitch was {pitch.status} meanwhile"
    if pitch.unwilling:
        return pitch.unwilling
    record_email(connection, email_id, "sending")
    return ""


def record_email(connection: Connection, email_id: UUID, state: str, **values: Any) -> None:
    """Move a ledger row; `values` are columns to set, `evidence` is merged into what is known."""
    known = {"draft_id", "gmail_message_id", "gmail_thread_id", "rfc822_message_id", "sent_at"}
    names = sorted(values.keys() & known)
    sets = "".join(f", {name} = :{name}" for name in names)
    statement = text(
        f"update pitch_emails set state = :state{sets}, "  # noqa: S608 - names from the set above
        "evidence = evidence || cast(:evidence as jsonb) where id = :id"
    )
    bound = {name: values[name] for name in names}
    evidence = dump(values.get("evidence") or {})
    connection.execute(statement, {"id": email_id, "state": state, "evidence": evidence, **bound})


def record_pitch(connection: Connection, pitch_id: UUID, status: str, message: str | None, **values: Any) -> None:
    """Set a pitch's status and what a person reads about it; `sent_at` where it went out."""
    statement = text(
        "update pitches set status = :status, error_message = :message, "
        "sent_at = coalesce(cast(:sent_at as timestamptz), sent_at) where id = :id"
    )
    bound = {"id": pitch_id, "status": status, "message": message, "sent_at": values.get("sent_at")}
    connection.execute(statement, bound)


def unfinished(connection: Connection, connection_id: UUID) -> list[EmailRow]:
    """Sendings that an earlier run left open, those whose Message-ID was not read back yet, and, for a week,
    those that nobody could say anything about, oldest first."""
    statement = text(
        f"select {_EMAIL} from pitch_emails where connection_id = :connection_id "  # noqa: S608
        "and (state in ('claimed', 'drafted', 'sending') "
        "or (state = 'unknown' and updated_at > now() - interval '7 days') "
        "or (state = 'sent' and rfc822_message_id is null and gmail_message_id is not null)) order by created_at, id"
    )
    return [EmailRow(**row._mapping) for row in connection.execute(statement, {"connection_id": connection_id})]


def forgotten(connection: Connection, workspace_id: UUID) -> list[PitchRow]:
    """Pitches under way that have no ledger row any more."""
    statement = text(
        f"select {_PITCH} from pitches p where p.workspace_id = :workspace_id and p.status = 'sending' "  # noqa: S608
        "and not exists (select from pitch_emails e where e.pitch_id = p.id)"
    )
    return [PitchRow(**row._mapping) for row in connection.execute(statement, {"workspace_id": workspace_id})]


def reopen(connection: Connection, connection_id: UUID, pitch_id: UUID) -> EmailRow:
    """A new ledger row for a pitch whose own are gone."""
    statement = text(
        "insert into pitch_emails (pitch_id, connection_id, state, evidence) values (:pitch_id, :connection_id, "  # noqa: S608
        f"'claimed', '{{\"ledger\": \"lost\"}}') returning {_EMAIL}"
    )
    row = connection.execute(statement, {"pitch_id": pitch_id, "connection_id": connection_id}).one()
    return EmailRow(**row._mapping)


def sent_in_last_day(connection: Connection, connection_id: UUID) -> int:
    """E-mails of this connection that went out, or may have, within 24 hours."""
    statement = text(
        "select count(*) from pitch_emails where connection_id = :connection_id "
        "and state in ('sending', 'sent', 'unknown') and coalesce(sent_at, updated_at) > now() - interval '24 hours'"
    )
    return int(connection.execute(statement, {"connection_id": connection_id}).scalar_one())


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRow:
    """The e-mail of the pitch that another one answers."""

    status: str
    subject: str
    gmail_thread_id: str | None
    rfc822_message_id: str | None


def read_parent(connection: Connection, pitch_id: UUID) -> ParentRow | None:
    statement = text(
        "select p.status, p.subject, e.gmail_thread_id, e.rfc822_message_id from pitches p "
        "left join pitch_emails e on e.pitch_id = p.id and e.state = 'sent' where p.id = :id "
        "order by e.attempt desc limit 1"
    )
    row = connection.execute(statement, {"id": pitch_id}).one_or_none()
    return ParentRow(**row._mapping) if row else None


def pitch_of_header(connection: Connection, pitch_id: UUID) -> str | None:
    """The status of a pitch that a sent message names, or None if it is none of this workspace."""
    found = connection.execute(text("select status from pitches where id = :id"), {"id": pitch_id}).scalar()
    return None if found is None else str(found)


def adopt_sent(connection: Connection, connection_id: UUID, pitch_id: UUID, values: Mapping[str, Any]) -> None:
    """Record a message found in the mailbox for a pitch that the ledger does not know as sent."""
    known = connection.execute(
        text("select id from pitch_emails where pitch_id = :pitch_id order by attempt desc limit 1"),
        {"pitch_id": pitch_id},
    ).scalar()
    if known is None:
        known = connection.execute(
            text(
                "insert into pitch_emails (pitch_id, connection_id, state) "
                "values (:pitch_id, :connection_id, 'claimed') returning id"
            ),
            {"pitch_id": pitch_id, "connection_id": connection_id},
        ).scalar_one()
    record_email(connection, known, "sent", **values)
    record_pitch(connection, pitch_id, "sent", None, sent_at=values.get("sent_at"))


def add_pitches(connection: Connection, workspace_id: UUID, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Insert pitches (`to_email`, `subject`, `body`, `status`, optional `scheduled_at`,
    `in_reply_to_pitch_id`); the contact is found by its e-mail. Returns their ids in order."""
    statement = text(
        "insert into pitches (workspace_id, contact_id, to_email, subject, body, status, scheduled_at, "
        "in_reply_to_pitch_id) values (:workspace_id, "
        "(select id from workspace_contacts where workspace_id = :workspace_id and deleted_at is null "
        "and integrations_identity_key(email) = integrations_identity_key(:to_email)), "
        ":to_email, :subject, :body, :status, cast(:scheduled_at as timestamptz), "
        "cast(:in_reply_to_pitch_id as uuid)) returning id::text"
    )
    blank = {"subject": "", "body": "", "status": "queued", "scheduled_at": None, "in_reply_to_pitch_id": None}
    return [
        str(connection.execute(statement, {**blank, **row, "workspace_id": workspace_id}).scalar_one()) for row in rows
    ]


def list_pitches(
    connection: Connection, workspace_id: UUID, statuses: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """Pitches, newest first, with their last sending; no statuses means all."""
    statement = text(
        "select p.id::text, p.to_email, p.subject, p.status, p.scheduled_at, p.sent_at, p.replied_at, "
        "p.error_message, e.state email_state, e.rfc822_message_id, e.gmail_thread_id, e.attempt, "
        "(select count(*) from pitch_replies r where r.pitch_id = p.id and r.kind = 'reply') replies "
        "from pitches p left join lateral (select * from pitch_emails e where e.pitch_id = p.id "
        "order by e.attempt desc limit 1) e on true where p.workspace_id = :workspace_id "
        "and (cardinality(cast(:statuses as text[])) = 0 or p.status = any(:statuses)) "
        "order by p.created_at desc, p.id limit :limit"
    )
    bound = {"workspace_id": workspace_id, "statuses": list(statuses), "limit": limit}
    return [dict(row._mapping) for row in connection.execute(statement, bound)]


def change_status(connection: Connection, pitch_id: UUID, from_statuses: Sequence[str], status: str) -> bool:
    """Move a pitch by a person's word if it is in one of these statuses; whether it was."""
    statement = text(
        "update pitches set status = :status, error_message = null where id = :id and status = any(:from_statuses)"
    )
    bound = {"id": pitch_id, "status": status, "from_statuses": list(from_statuses)}
    return bool(connection.execute(statement, bound).rowcount)


def resolve_unknown(connection: Connection, pitch_id: UUID, *, was_sent: bool) -> bool:
    """A person says what became of an unknown pitch. Not sent: it is queued again, with a new ledger row."""
    state, status = ("sent", "sent") if was_sent else ("unsent", "queued")
    if not change_status(connection, pitch_id, ["unknown"], status):
        return False
    statement = text(
        'update pitch_emails set state = :state, evidence = evidence || \'{"resolved_by": "a person"}\' '
        "where pitch_id = :id and state = 'unknown'"
    )
    connection.execute(statement, {"id": pitch_id, "state": state})
    return True
